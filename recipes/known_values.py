"""What the shipped models say of eight well-known crystals, beside what DFT gives.

The crystals have the lattices of the Materials Project (PBE), so that DFT's values belong to them.
Most of them are in the training part: this shows that nothing has changed from one release to the
next, not how good the models are.

    python -m recipes.known_values --write   # after new weights: writes tests/golden
    python -m recipes.known_values           # prints the table of docs/accuracy.md
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from xtalgraph import Crystal, load_model
from xtalgraph.nn.resolve import shipped_names

GOLDEN = Path(__file__).parent.parent / "tests/golden/known_values.json"

DFT = {  # of the Materials Project, for the crystals below; as in the tables we train on
    "NaCl": {"formation-energy": -2.105, "total-energy": -3.691, "band-gap": 5.00,
             "fermi-energy": -0.885, "bulk-modulus": 23.0, "shear-modulus": 14.0,
             "poisson-ratio": 0.247},
    "Si": {"formation-energy": 0.0, "total-energy": -5.425, "band-gap": 0.61,
           "fermi-energy": 5.565, "bulk-modulus": 83.0, "shear-modulus": 61.0,
           "poisson-ratio": 0.205},
    "SrTiO3": {"formation-energy": -3.568, "total-energy": -8.447, "band-gap": 1.77,
               "fermi-energy": 3.187, "bulk-modulus": 173.0, "shear-modulus": 110.0,
               "poisson-ratio": 0.238},
    "MgO": {"formation-energy": -3.065, "total-energy": -6.336, "band-gap": 4.44,
            "fermi-energy": 3.957, "bulk-modulus": 151.0, "shear-modulus": 119.0,
            "poisson-ratio": 0.188},
    "GaAs": {"formation-energy": -0.347, "total-energy": -4.194, "band-gap": 0.19,
             "fermi-energy": 2.675, "bulk-modulus": 61.0, "shear-modulus": 41.0,
             "poisson-ratio": 0.225},
    "Fe": {"formation-energy": 0.0, "total-energy": -8.470, "band-gap": 0.0,
           "fermi-energy": 5.096, "bulk-modulus": 182.0, "shear-modulus": 74.0,
           "poisson-ratio": 0.321},
    "Al2O3": {"formation-energy": -3.442, "total-energy": -7.902, "band-gap": 5.85,
              "fermi-energy": 5.804, "bulk-modulus": 232.0, "shear-modulus": 147.0,
              "poisson-ratio": 0.238},
    "CsPbI3": {"formation-energy": -1.002, "band-gap": 1.48},
}  # fmt: skip


def make_crystals() -> list[Crystal]:
    """Give the eight crystals in their primitive cells."""
    face = 0.5 * (np.ones((3, 3)) - np.eye(3))
    body = np.full((3, 3), 0.5) - np.eye(3)
    ends, quarter, middle = [0, 0, 0], [0.25] * 3, [0.5] * 3
    perovskite = [ends, middle, [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    return [
        Crystal.from_symbols(5.692 * face, [ends, middle], ["Na", "Cl"], "NaCl"),
        Crystal.from_symbols(5.469 * face, [ends, quarter], ["Si", "Si"], "Si"),
        Crystal.from_symbols(3.945 * np.eye(3), perovskite, ["Sr", "Ti", "O", "O", "O"], "SrTiO3"),
        Crystal.from_symbols(4.257 * face, [ends, middle], ["Mg", "O"], "MgO"),
        Crystal.from_symbols(5.750 * face, [ends, quarter], ["Ga", "As"], "GaAs"),
        Crystal.from_symbols(2.849 * body, [ends], ["Fe"], "Fe"),
        _make_corundum(),
        Crystal.from_symbols(6.414 * np.eye(3), perovskite, ["Cs", "Pb", "I", "I", "I"], "CsPbI3"),
    ]


def _make_corundum(length: float = 5.178, angle: float = 55.29) -> Crystal:
    """Give Al2O3 in its rhombohedral cell: Al at (x, x, x), O at (y, 1/2 - y, 1/4) and so on."""
    cosine = np.cos(np.radians(angle))
    lattice = length * np.linalg.cholesky(np.full((3, 3), cosine) + (1 - cosine) * np.eye(3))
    aluminium = [[x, x, x] for x in (0.1479, 0.3521, 0.6479, 0.8521)]
    first = [[0.5561, 0.9439, 0.25], [0.4439, 0.0561, 0.75]]
    oxygen = [np.roll(position, turn).tolist() for position in first for turn in range(3)]
    return Crystal.from_symbols(lattice, aluminium + oxygen, ["Al"] * 4 + ["O"] * 6, "Al2O3")


def predict_known() -> dict[str, dict[str, float]]:
    """Give by crystal what each shipped model of a number or of two classes says of it."""
    crystals = make_crystals()
    found: dict[str, dict[str, float]] = {str(crystal.id): {} for crystal in crystals}
    for name in shipped_names():
        predictions = load_model(name).predict(crystals)
        target, values = predictions.task.targets[0], predictions.values[:, -1]
        if len(predictions.task.classes) > 2:
            continue
        if target.name.startswith("log10_"):
            values = 10**values
        for crystal, value in zip(crystals, values, strict=True):
            found[str(crystal.id)][name] = round(float(value), 5)
    return found


def write_table(found: dict[str, dict[str, float]]) -> str:
    """Give the predictions as Markdown, DFT's values in brackets."""
    names = list(next(iter(found.values())))
    lines = ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for crystal, values in found.items():
        cells = []
        for name in names:
            known = DFT[crystal].get(name)
            cells.append(f"{values[name]:.3g}" + ("" if known is None else f" ({known:.3g})"))
        lines.append(f"| {crystal} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Write or print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="write tests/golden")
    found = predict_known()
    if parser.parse_args().write:
        GOLDEN.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(write_table(found))


if __name__ == "__main__":
    main()
