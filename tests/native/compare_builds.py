"""Compare a build of the compiled loops by another compiler with the one in use: `python -m
tests.native.compare_builds FOLDER`, where its module lies in FOLDER."""

import importlib.util
import sys
from pathlib import Path

import numpy as np

from tests.zoo import ZOO
from xtalgraph import _native
from xtalgraph.structures import CrystalStore


def main() -> None:
    """Compare edges to the bit, on every level."""
    (path,) = Path(sys.argv[1]).glob("_native*")
    spec = importlib.util.spec_from_file_location("_native", path)
    other = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(other)
    store = CrystalStore.from_crystals(ZOO.values())
    arrays = store.lattices, store.fractional_positions, store.offsets
    if other.list_levels() != _native.list_levels():
        raise SystemExit(f"levels: {other.list_levels()}, not {_native.list_levels()}")
    for level in other.list_levels():
        found = []
        for module in (_native, other):
            module.use_level(level)
            counts = np.empty(store.offsets[-1], np.int64)
            edges = module.find_neighbours(*arrays, 0, len(store), 1, 12, 8.0, 1e-3, counts)
            rows = np.linspace(-30, 30, 8001, dtype=np.float32)[None]
            activated = np.empty_like(rows)
            module.activate(1, rows, activated)
            found.append((*edges, counts, activated))
        for one, two in zip(*(arrays[:-1] for arrays in found), strict=True):
            np.testing.assert_array_equal(one, two)
        np.testing.assert_allclose(found[0][-1], found[1][-1], rtol=2e-6)  # each is good to 1e-6
        print(f"{level}: {len(found[0][0])} edges are equal to the bit")


if __name__ == "__main__":
    main()
