"""What is packed can be packed again: run folders from an ensemble and the data it learned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recipes.shipped_runs import restore_runs

from tests.training.tiny import make_tiny, small_config
from xtalgraph.data import Dataset
from xtalgraph.evaluation.packing import pack_ensemble
from xtalgraph.prediction import load_model
from xtalgraph.training import train
from xtalgraph.training.run_folder import read_record


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return make_tiny(200)


@pytest.fixture(scope="module")
def packed(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small networks, seeds 0 and 1."""
    folder = tmp_path_factory.mktemp("packed")
    runs = [
        train(
            dataset,
            "energy",
            split="0.6,0.2,0.2",
            out=folder / f"run-{seed}",
            config=small_config(f"train.seed={seed}", "train.epochs=2"),
        ).folder
        for seed in (0, 1)
    ]
    pack_ensemble(runs, folder / "energy", dataset=dataset)
    return folder / "energy"


def test_a_model_packed_again_is_the_same(packed: Path, dataset: Dataset, tmp_path: Path) -> None:
    runs = [tmp_path / "again-0", tmp_path / "again-1"]
    assert restore_runs(packed, runs, dataset) == runs
    assert restore_runs(packed, runs, dataset) == []  # what is there is left
    again = pack_ensemble(runs, tmp_path / "energy", dataset=dataset)
    first, second = load_model(packed), load_model(tmp_path / "energy")
    crystals = dataset.crystals.take(range(30))
    ours, theirs = first.predict(crystals), second.predict(crystals)
    np.testing.assert_array_equal(ours.values, theirs.values)
    np.testing.assert_array_equal(ours.uncertainty, theirs.uncertainty)
    assert again.facts == first.ensemble.facts
    config, record = read_record(runs[1])
    assert (config.train.seed, config.train.epochs) == (1, 2)
    assert record["targets"] == ["energy"]


def test_other_data_and_other_seeds_are_refused(
    packed: Path, dataset: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="has the seed 0: not that of"):
        restore_runs(packed, [tmp_path / "again-1", tmp_path / "again-0"], dataset)
    with pytest.raises(ValueError, match="not the data set"):
        restore_runs(packed, [tmp_path / "a-0"], replace(dataset, checksum="0" * 64))
    assert not list(tmp_path.iterdir())
