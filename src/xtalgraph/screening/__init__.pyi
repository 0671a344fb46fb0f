from .candidates import (
    Candidates as Candidates,
    Source as Source,
)
from .cell_sizes import (
    LearnedCells as LearnedCells,
    RadiiCells as RadiiCells,
    learn_cells as learn_cells,
)
from .expression import (
    compile_expression as compile_expression,
)
from .perovskite_space import (
    PerovskiteSpace as PerovskiteSpace,
    list_anions as list_anions,
    list_elements as list_elements,
)
from .prototype_space import (
    PrototypeSpace as PrototypeSpace,
    Substitution as Substitution,
    read_prototype as read_prototype,
)
from .read_candidates import (
    DatasetCandidates as DatasetCandidates,
    read_candidates as read_candidates,
)
from .results import (
    ScreenResult as ScreenResult,
)
from .run import (
    ScreenProgress as ScreenProgress,
    screen as screen,
)
from .screener import (
    KnownCrystals as KnownCrystals,
    ScreenSpec as ScreenSpec,
)
