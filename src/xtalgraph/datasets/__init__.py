"""Data sets: reading, splitting and checking tables of crystals and their properties.

Each name is loaded when it is first used, so that what needs no table does not wait for pandas.
"""

from typing import TYPE_CHECKING

from xtalgraph.lazy import load_when_used

if TYPE_CHECKING:
    from xtalgraph.datasets.check import check_dataset
    from xtalgraph.datasets.dataset import Dataset, draw_sample, join_datasets
    from xtalgraph.datasets.ionic.making import make_ionic_dataset
    from xtalgraph.datasets.packed import pack_dataset
    from xtalgraph.datasets.public.fetch import fetch_dataset
    from xtalgraph.datasets.public.materials_project import fetch_materials_project
    from xtalgraph.datasets.public.sets import PUBLIC_SETS, PublicFile, PublicSet, find_public_set
    from xtalgraph.datasets.read import read_dataset
    from xtalgraph.datasets.report import CheckReport
    from xtalgraph.datasets.splits import (
        Split,
        checksum_split,
        make_split,
        read_split,
        write_split,
    )
    from xtalgraph.datasets.stream import iterate_dataset
    from xtalgraph.datasets.symmetry_labels import (
        SYMMETRY_LABELS,
        SymmetryLabels,
        find_symmetry_labels,
    )
    from xtalgraph.datasets.write import make_dataset_folder, write_parquet

_FILES = {
    "check": "check_dataset",
    "dataset": "Dataset draw_sample join_datasets",
    "ionic.making": "make_ionic_dataset",
    "packed": "pack_dataset",
    "public.fetch": "fetch_dataset",
    "public.materials_project": "fetch_materials_project",
    "public.sets": "PUBLIC_SETS PublicFile PublicSet find_public_set",
    "read": "read_dataset",
    "report": "CheckReport",
    "splits": "Split checksum_split make_split read_split write_split",
    "stream": "iterate_dataset",
    "symmetry_labels": "SYMMETRY_LABELS SymmetryLabels find_symmetry_labels",
    "write": "make_dataset_folder write_parquet",
}
__getattr__, __dir__ = load_when_used(__name__, _FILES)

__all__ = [
    "PUBLIC_SETS",
    "SYMMETRY_LABELS",
    "CheckReport",
    "Dataset",
    "PublicFile",
    "PublicSet",
    "Split",
    "SymmetryLabels",
    "check_dataset",
    "checksum_split",
    "draw_sample",
    "fetch_dataset",
    "fetch_materials_project",
    "find_public_set",
    "find_symmetry_labels",
    "iterate_dataset",
    "join_datasets",
    "make_dataset_folder",
    "make_ionic_dataset",
    "make_split",
    "pack_dataset",
    "read_dataset",
    "read_split",
    "write_parquet",
    "write_split",
]
