from .check import (
    check_dataset as check_dataset,
)
from .dataset import (
    SYMMETRY_LABELS as SYMMETRY_LABELS,
    Dataset as Dataset,
    SymmetryLabels as SymmetryLabels,
    draw_sample as draw_sample,
    find_symmetry_labels as find_symmetry_labels,
    join_datasets as join_datasets,
    order_classes as order_classes,
)
from .files import (
    EMBEDDED as EMBEDDED,
)
from .packed import (
    pack_dataset as pack_dataset,
)
from .pieces import (
    Piece as Piece,
    Source as Source,
)
from .public.fetch import (
    fetch_dataset as fetch_dataset,
)
from .public.materials_project import (
    fetch_materials_project as fetch_materials_project,
)
from .public.sets import (
    PUBLIC_SETS as PUBLIC_SETS,
    PublicFile as PublicFile,
    PublicSet as PublicSet,
    find_public_set as find_public_set,
)
from .read import (
    iterate_dataset as iterate_dataset,
    read_dataset as read_dataset,
)
from .report import (
    CheckReport as CheckReport,
)
from .sample import (
    read_sample_dataset as read_sample_dataset,
)
from .source import (
    open_source as open_source,
)
from .splits import (
    Split as Split,
    checksum_split as checksum_split,
    make_split as make_split,
    read_split as read_split,
    write_split as write_split,
)
from .write import (
    make_dataset_folder as make_dataset_folder,
    write_parquet as write_parquet,
)
