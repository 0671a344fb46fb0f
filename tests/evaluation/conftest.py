"""Small made-up data sets whose targets follow from composition, from distances, or from both."""

import numpy as np
import pandas as pd
import pytest

from xtalgraph.data import Dataset
from xtalgraph.nn import element_table
from xtalgraph.structures.crystal import Crystal, CrystalStore
from xtalgraph.units import Target

CATIONS = [3, 11, 12, 19, 20, 26, 29, 30, 38, 56]
ANIONS = [8, 9, 16, 17, 35]


def make_dataset(n_crystals: int = 120, seed: int = 0) -> Dataset:
    """Cells of two atoms: `contrast` follows from composition, `gap` and `kind` from the size."""
    random = np.random.default_rng(seed)
    crystals, rows = [], []
    electronegativity = element_table()["electronegativity"]
    for number in range(n_crystals):
        cation, anion = int(random.choice(CATIONS)), int(random.choice(ANIONS))
        edge = random.uniform(3.0, 6.0)
        body_centred = bool(random.random() < 0.4)
        place = 3 * [0.5] if body_centred else [0.5, 0.0, 0.0]
        crystals.append(
            Crystal(edge * np.eye(3), [[0, 0, 0], place], [cation, anion], id=f"c{number}")
        )
        contrast = electronegativity[anion] - electronegativity[cation]
        kind = "bcc" if body_centred else "chain"
        rows.append({"contrast": contrast, "gap": 12.0 / edge, "kind": kind})
    columns = pd.DataFrame(rows)
    columns.loc[::10, "gap"] = np.nan
    columns.loc[5::10, "kind"] = None
    targets = {"contrast": Target("contrast"), "gap": Target("gap", "eV")}
    store = CrystalStore.from_crystals(crystals)
    return Dataset("made up", store, columns, targets, "made up", "0" * 64)


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return make_dataset()
