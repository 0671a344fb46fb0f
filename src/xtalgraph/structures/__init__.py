"""Crystals: reading, writing, checking, and holding many of them."""

from xtalgraph.structures.crystal import Crystal, lattice_from_parameters
from xtalgraph.structures.store import CrystalStore, pack

__all__ = ["Crystal", "CrystalStore", "lattice_from_parameters", "pack"]
