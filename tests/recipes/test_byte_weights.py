"""The cost of fewer bits is measured on the validation set, with the networks as stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from recipes.byte_weights import find_errors

from tests.training.tiny import make_tiny, small_config
from xtalgraph.data.splits import make_split
from xtalgraph.nn import read_model, save_model
from xtalgraph.prediction import load_model
from xtalgraph.training import train

WIDE = ("model.atom_width=32", "train.epochs=2", "train.learning_rate=0.01")


@pytest.mark.parametrize(("target", "task"), [("energy", "regression"), ("kind", "classification")])
def test_errors_are_those_of_what_is_stored(tmp_path: Path, target: str, task: str) -> None:
    dataset = make_tiny(80)
    run = train(
        dataset,
        target,
        task=task,
        split="0.6,0.2,0.2",
        out=tmp_path / "run-0",
        config=small_config(*WIDE),
    ).folder
    errors = find_errors([run], dataset)
    assert list(errors) == ["float32", "float16", "int8"]
    if task == "classification":
        assert all(0 <= found[target] <= 1 for found in errors.values())
        return
    rows = make_split(dataset, "0.6,0.2,0.2").validation
    for form, found in errors.items():
        stored = save_model(read_model(run), tmp_path / form, weights=form)
        values = load_model(stored).predict(dataset.crystals.take(rows)).values
        expected = np.abs(values - dataset.values([target])[rows]).mean()
        assert found[target] == pytest.approx(expected, rel=1e-5)
    assert errors["int8"] != errors["float32"]
