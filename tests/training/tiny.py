"""A data set of small crystals that trains in a second, and settings to match."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from xtalgraph.data import Dataset
from xtalgraph.structures import Crystal, CrystalStore
from xtalgraph.training import RunConfig, apply_overrides, preset
from xtalgraph.units import Target

SMALL = (
    "graph.n_neighbours=6",
    "model.atom_width=8",
    "model.n_convolutions=2",
    "model.hidden_width=8",
    "train.accelerator=cpu",
    "train.epochs=3",
    "train.batch_size=8",
    "train.tensorboard=false",
)
SITES = {"rock salt": [[0, 0, 0], [0.5, 0.5, 0.5]], "cesium": [[0, 0, 0], [0.49, 0.5, 0.5]]}


def make_tiny(n_crystals: int = 40) -> Dataset:
    """Give crystals of two atoms whose `energy` follows from cell length and elements.

    `gap` is missing for every third crystal, `kind` names one of two classes and `trio` one of
    three.
    """
    generator = np.random.default_rng(7)
    crystals, rows = [], []
    for number in range(n_crystals):
        cations, anions = [3, 11, 19], [9, 17, 35]
        first, second = int(generator.choice(cations)), int(generator.choice(anions))
        length = generator.uniform(3.0, 5.0)
        kind = list(SITES)[number % 2]
        crystals.append(Crystal(length * np.eye(3), SITES[kind], [first, second], f"c{number}"))
        rows.append(
            {
                "energy": -length + 0.02 * first,
                "gap": np.nan if number % 3 == 0 else 8.0 - length,
                "kind": kind,
                "trio": str(cations.index(first) + 9),
                "constant": 1.0,
            }
        )
    columns = pd.DataFrame(rows)
    targets = {
        "energy": Target("energy", "eV/atom", "atom"),
        "gap": Target("gap", "eV"),
        "constant": Target("constant"),
    }
    checksum = hashlib.sha256(columns.to_csv().encode()).hexdigest()
    return Dataset("tiny", CrystalStore.from_crystals(crystals), columns, targets, "tiny", checksum)


def small_config(*assignments: str) -> RunConfig:
    """Give settings that train in a second, changed as `--set` would."""
    return apply_overrides(preset("default"), [*SMALL, *assignments])
