from .checks import (
    refuse_overlap as refuse_overlap,
)
from .crystal import (
    Crystal as Crystal,
    CrystalStore as CrystalStore,
    lattice_from_parameters as lattice_from_parameters,
    pack as pack,
)
from .formats.cif import (
    format_cif as format_cif,
)
from .formats.registry import (
    FORMATS as FORMATS,
    Format as Format,
)
from .reading import (
    read_crystal as read_crystal,
    read_crystals as read_crystals,
    write_crystal as write_crystal,
)
from .symmetry import (
    crystal_system as crystal_system,
    find_orbits as find_orbits,
    find_space_group as find_space_group,
    niggli_cell as niggli_cell,
    primitive_cell as primitive_cell,
)
