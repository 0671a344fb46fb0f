"""What it costs to store weights with 16 or 8 bits: errors on the validation part of some runs.

    python -m recipes.byte_weights runs/shipped/energies-0 runs/shipped/energies-1

The runs learned the same targets of the same data; the error is that of the mean of their networks,
and of a classification 1 - ROC-AUC. The test part is not looked at.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from xtalgraph.data import Dataset
from xtalgraph.data.splits import read_split
from xtalgraph.metrics import class_indices, roc_auc
from xtalgraph.nn import SavedModel, read_model
from xtalgraph.nn.saved_model import FORMS, dequantize, quantize
from xtalgraph.prediction import Ensemble, Predictor
from xtalgraph.training import read_run_dataset
from xtalgraph.training.run_folder import SPLITS


def round_network(saved: SavedModel, form: str) -> SavedModel:
    """Give the model as it is after it was stored in a form and read again."""
    return replace(saved, weights=dequantize(quantize(saved.numbers, form)))


def find_errors(runs: Sequence[Path], dataset: Dataset) -> dict[str, dict[str, float]]:
    """Give by form and target the error of the mean of the networks on the validation part."""
    rows = read_split(runs[0] / SPLITS, dataset).validation
    members = [read_model(run) for run in runs]
    task, crystals = members[0].task, dataset.crystals.take(rows)
    errors: dict[str, dict[str, float]] = {}
    for form in FORMS:
        ensemble = Ensemble(tuple(round_network(member, form) for member in members))
        values = Predictor(ensemble).predict(crystals).values
        if task.kind == "classification":
            name = task.targets[0].name
            labels = class_indices(dataset.labels(name)[rows], task.classes)
            known = labels >= 0
            errors[form] = {name: 1 - roc_auc(labels[known], values[known])}
            continue
        names = [target.name for target in task.targets]
        mean = np.nanmean(np.abs(values - dataset.values(names)[rows]), axis=0)
        errors[form] = dict(zip(names, mean.tolist(), strict=True))
    return errors


def main() -> None:
    """Print a row a form."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="+", help="run folders")
    runs = parser.parse_args().runs
    for form, errors in find_errors(runs, read_run_dataset(runs[0])).items():
        print(form, "  ".join(f"{name} {error:.5f}" for name, error in errors.items()))


if __name__ == "__main__":
    main()
