"""The embedded data set: 1,700 real crystals with DFT labels, which needs no download."""

from __future__ import annotations

from importlib.resources import files
from io import BytesIO

import numpy as np

from xtalgraph.data.cells import as_objects
from xtalgraph.data.dataset import Dataset
from xtalgraph.data.files import EMBEDDED
from xtalgraph.files import checksum
from xtalgraph.structures.crystal import CrystalStore, lattice_from_parameters
from xtalgraph.units import KNOWN_TARGETS

ARCHIVE = files("xtalgraph.data") / "mp_sample.npz"
"""Flat arrays of whole numbers; lengths, angles, positions and labels in millionths."""


def read_sample_dataset() -> Dataset:
    """Return the embedded data set `mp-sample`: 700 perovskites and 1,000 other oxides, by DFT.

    Structures and labels of the Materials Project (PBE or PBE+U), at most 24 atoms a cell. Of the
    other oxides 350 are ABO₃ of another structure, such as ilmenite, calcite or post-perovskite.
    The data card `mp_sample.md` beside this file says how the crystals were chosen, under which
    licence (CC-BY-4.0) and what to cite, and which faults are known.

    Returns:
        The data set, the same every time; the perovskites come first. Columns:

        - `formation_energy_per_atom` (eV/atom),
        - `band_gap` (eV), and `is_metal`, true where it is 0,
        - `kind`: `perovskite` or `other oxide`; missing for the perovskites without oxygen, so
          that the anion does not give the answer away.

    >>> dataset = read_sample_dataset()
    >>> len(dataset), dataset.labels("kind")[:3].tolist()
    (1700, ['perovskite', None, 'perovskite'])
    """
    content = ARCHIVE.read_bytes()
    with np.load(BytesIO(content), allow_pickle=False) as arrays:
        counts = arrays["n_atoms"].astype(np.int64)
        store = CrystalStore(
            np.stack([lattice_from_parameters(*cell) for cell in arrays["cells"] / 1e6]),
            arrays["fractional_positions"] / 1e6,
            arrays["atomic_numbers"],
            np.concatenate([[0], np.cumsum(counts)]),
            arrays["ids"].astype(str).astype(np.dtypes.StringDType()),
        )
        band_gap = arrays["band_gap"] / 1e6
        columns = {
            "formation_energy_per_atom": arrays["formation_energy_per_atom"] / 1e6,
            "band_gap": band_gap,
            "is_metal": band_gap == 0,
            "kind": as_objects([str(kind) or None for kind in arrays["kind"].astype(str)]),
        }
    targets = {name: KNOWN_TARGETS[name] for name in ("formation_energy_per_atom", "band_gap")}
    source = "embedded sample of the Materials Project"
    return Dataset(EMBEDDED, store, columns, targets, source, checksum(content), paths=(EMBEDDED,))
