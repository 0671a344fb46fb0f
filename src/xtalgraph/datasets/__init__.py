"""Data sets: reading, splitting and checking tables of crystals and their properties."""

from xtalgraph.datasets.dataset import Dataset, join_datasets
from xtalgraph.datasets.read import read_dataset
from xtalgraph.datasets.splits import Split, checksum_split, make_split, read_split, write_split

__all__ = [
    "Dataset",
    "Split",
    "checksum_split",
    "join_datasets",
    "make_split",
    "read_dataset",
    "read_split",
    "write_split",
]
