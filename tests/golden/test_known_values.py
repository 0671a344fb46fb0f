"""The shipped models say of well-known crystals what they said when they were shipped."""

from __future__ import annotations

import json

import numpy as np
import pytest
from recipes.known_values import DFT, GOLDEN, make_crystals, predict_known

from xtalgraph.nn.resolve import shipped_names
from xtalgraph.structures.symmetry import find_space_group

KNOWN = json.loads(GOLDEN.read_text(encoding="utf-8"))
GROUPS = {"NaCl": 225, "Si": 227, "SrTiO3": 221, "MgO": 225, "GaAs": 216, "Fe": 229,
          "Al2O3": 167, "CsPbI3": 221}  # fmt: skip
NEAR = {  # how far from DFT's value a prediction of a well-known crystal may be
    "formation-energy": 0.15,  # eV/atom
    "total-energy": 0.2,  # eV/atom
    "band-gap": 1.0,  # eV
    "fermi-energy": 1.5,  # eV
    "poisson-ratio": 0.1,
}


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, float]]:
    return predict_known()


def test_the_crystals_are_what_they_are_called() -> None:
    groups = {str(one.id): find_space_group(one) for one in make_crystals()}
    assert groups == GROUPS


@pytest.mark.parametrize("name", [name for name in shipped_names() if name in KNOWN["NaCl"]])
def test_predictions_are_those_that_were_shipped(name: str, found: dict) -> None:
    for crystal, values in KNOWN.items():
        np.testing.assert_allclose(found[crystal][name], values[name], rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("name", NEAR)
def test_predictions_are_near_what_dft_gives(name: str, found: dict) -> None:
    for crystal, values in DFT.items():
        if name in values:
            assert abs(found[crystal][name] - values[name]) < NEAR[name], crystal


@pytest.mark.parametrize("name", ["bulk-modulus", "shear-modulus"])
def test_moduli_are_within_a_third_of_what_dft_gives(name: str, found: dict) -> None:
    for crystal, values in DFT.items():
        if name in values:
            assert 0.67 < found[crystal][name] / values[name] < 1.5, crystal
