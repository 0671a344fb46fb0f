"""Data sets: reading, splitting and checking tables of crystals and their properties."""

from xtalgraph.datasets.check import check_dataset
from xtalgraph.datasets.dataset import Dataset, draw_sample, join_datasets
from xtalgraph.datasets.fetch import fetch_dataset
from xtalgraph.datasets.ionic import make_ionic_dataset
from xtalgraph.datasets.materials_project import fetch_materials_project
from xtalgraph.datasets.public import PUBLIC_SETS, PublicFile, PublicSet, find_public_set
from xtalgraph.datasets.read import read_dataset
from xtalgraph.datasets.report import CheckReport
from xtalgraph.datasets.splits import Split, checksum_split, make_split, read_split, write_split
from xtalgraph.datasets.symmetry_labels import (
    SYMMETRY_LABELS,
    SymmetryLabels,
    find_symmetry_labels,
)
from xtalgraph.datasets.write import make_dataset_folder, write_parquet

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
    "join_datasets",
    "make_dataset_folder",
    "make_ionic_dataset",
    "make_split",
    "read_dataset",
    "read_split",
    "write_parquet",
    "write_split",
]
