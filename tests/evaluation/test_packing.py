"""Runs become a calibrated ensemble with a card; runs that do not belong together are refused."""

from __future__ import annotations

import re
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.tiny import make_tiny, small_config
from xtalgraph.data import Dataset, make_split
from xtalgraph.errors import BadConfig, BadDataset
from xtalgraph.evaluation.packing import pack_ensemble
from xtalgraph.nn import read_model
from xtalgraph.prediction import load_model, read_ensemble
from xtalgraph.report.figures import calibration_figure
from xtalgraph.training import start_from, train


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """What the runs were trained on."""
    return make_tiny(200)


def test_weights_are_stored_as_float16_and_measured_as_stored(
    packed: Path, runs: list[Path], dataset: Dataset
) -> None:
    ensemble = read_ensemble(packed)
    assert len(ensemble.members) == 2
    for member, run in zip(ensemble.members, runs, strict=True):
        whole = read_model(run).network.state_dict()
        for name, value in member.network.state_dict().items():
            np.testing.assert_allclose(value, whole[name], rtol=2**-11, atol=1e-6)
    split = make_split(dataset, "0.6,0.2,0.2")
    result = load_model(packed).predict(dataset.crystals.take(split.test))
    errors = np.abs(result.values - dataset.values(["energy", "gap"])[split.test])
    for number, target in enumerate(("energy", "gap")):
        said = ensemble.facts["test"][target]["mean_absolute_error"]
        assert said == pytest.approx(np.nanmean(errors[:, number]), rel=1e-6)
        held = errors[:, number] <= result.uncertainty[:, number]
        known = ~np.isnan(errors[:, number])
        row = ensemble.facts["intervals"][number]
        assert row["target"] == target
        assert row["observed"] == pytest.approx(held[known].mean())
        assert 0.7 < row["observed"] <= 1.0  # 40 crystals of each part
    domains = [row for row in ensemble.facts["domains"] if row["target"] == "energy"]
    assert sum(row["n_crystals"] for row in domains) == 40
    for row in domains:  # as they were before all was written and read again
        chosen = np.array(result.domain) == row["domain"]
        assert chosen.sum() == row["n_crystals"]
        assert result.uncertainty[chosen, 0].mean() == pytest.approx(row["mean_width"], rel=1e-6)


def test_a_byte_a_weight_is_measured_as_stored(
    runs: list[Path], dataset: Dataset, tmp_path: Path
) -> None:
    members = tmp_path / "both"
    for target in ("energy", "gap"):  # the second finds the networks there, and knows them again
        packed = pack_ensemble(
            runs,
            tmp_path / target,
            dataset=dataset,
            targets=[target],
            members=members,
            weights="int8",
        )
    found = np.abs(
        load_model(tmp_path / "gap").predict(dataset.crystals).values[:, 0]
        - dataset.values(["gap"])[:, 0]
    )[make_split(dataset, "0.6,0.2,0.2").test]
    said = packed.facts["test"]["gap"]["mean_absolute_error"]
    assert said == pytest.approx(np.nanmean(found), rel=1e-6)
    whole = read_model(runs[0]).network.state_dict()
    stored = read_model(members / "member-1").network.state_dict()
    assert any((value != whole[name]).any() for name, value in stored.items())


def test_the_card_has_every_fact(packed: Path) -> None:
    facts, card = read_ensemble(packed).facts, (packed / "card.md").read_text(encoding="utf-8")
    for words in (
        "# tiny-energy\n",
        "`energy [eV/atom]`, `gap [eV]`",
        "The mean of 2 networks (cgcnn;",
        "xtalgraph predict tiny-energy mycrystal.cif",
        "| energy, eV/atom | MAE |",
        f"| **this model** | {facts['test']['energy']['mean_absolute_error']:.4g} |",
        "| mean |",
        "tiny: 200 crystals, SHA-256 `",
        "Split `0.6,0.2,0.2`: 120 train, 40 validation, 40 test.",
        "Elements in the training part (6): Li F Na Cl K Br.",
        "| 2 | 2 | 4 |",
        "epochs = 4\n",
        "![Calibration, and error over distance](calibration.png)",
        "## Licence\n\nMade up for the tests.\n",
    ):
        assert words in card, words
    assert not re.search(r"\bnan\b|None|\{|\}", card)
    assert "begun with" not in card


def test_the_card_says_what_each_network_began_with(
    runs: list[Path], dataset: Dataset, tmp_path: Path
) -> None:
    config = start_from(runs[0], small_config("train.epochs=1", "train.seed=3"))
    tuned = train(dataset, ["energy", "gap"], out=tmp_path / "tuned", config=config).folder
    pack_ensemble([runs[1], tuned], tmp_path / "mixed", dataset=dataset)
    card = (tmp_path / "mixed" / "card.md").read_text(encoding="utf-8")
    assert "| best epoch | minutes | begun with |\n|---|---|---|---|---|---|\n" in card
    assert card.count(f" {runs[0].name} |\n") == card.count(" random numbers |\n") == 1
    assert str(runs[0]) not in card


def test_the_card_of_a_classification_speaks_of_classes(packed_classes: Path) -> None:
    card = (packed_classes / "card.md").read_text(encoding="utf-8")
    for words in ("`trio` (9, 10, 11)", "90 % sets hold the class", "Temperature of", "misjudged"):
        assert words in card, words


@pytest.mark.parametrize("name", ["packed", "packed_classes"])
def test_the_folder_has_the_figure_and_nothing_that_could_run(
    name: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(name)
    content = (folder / "calibration.png").read_bytes()
    width, height = struct.unpack(">II", content[16:24])
    assert content[1:4] == b"PNG"
    assert 700 < width < 1000
    assert 300 < height < 500
    suffixes = {file.suffix for file in folder.rglob("*") if file.is_file()}
    assert suffixes == {".json", ".safetensors", ".md", ".png"}


def test_one_network_has_uncertainty_too(
    runs: list[Path], dataset: Dataset, tmp_path: Path
) -> None:
    packed = pack_ensemble(runs[:1], tmp_path / "one", dataset=dataset, coverage=0.8)
    result = load_model(tmp_path / "one").predict(dataset.crystals.take([0, 1]))
    assert packed.calibration.coverage == result.coverage == 0.8
    assert result.spread is None
    assert (result.uncertainty > 0).all()
    assert all(scale.of_spread == 0 for scale in packed.calibration.scales)
    assert "One network (cgcnn;" in (tmp_path / "one" / "card.md").read_text(encoding="utf-8")


def test_ensembles_of_one_target_each_share_the_networks(
    packed: Path, runs: list[Path], dataset: Dataset, tmp_path: Path
) -> None:
    members = tmp_path / "both"
    for target in ("energy", "gap"):
        pack_ensemble(runs, tmp_path / target, dataset=dataset, targets=[target], members=members)
        assert not list((tmp_path / target).glob("*/"))
    assert sorted(file.name for file in members.iterdir()) == ["member-1", "member-2"]
    shutil.copytree(tmp_path, tmp_path / "elsewhere")
    crystals = dataset.crystals.take(range(20))
    whole = load_model(packed).predict(crystals)
    for number, target in enumerate(("energy", "gap")):
        one = load_model(tmp_path / "elsewhere" / target).predict(crystals)
        assert [found.name for found in one.task.targets] == [target]
        np.testing.assert_allclose(one.values[:, 0], whole.values[:, number], rtol=1e-5, atol=1e-6)
        assert (one.uncertainty > 0).all()
    with pytest.raises(BadConfig, match="holds another network"):
        pack_ensemble(runs[::-1], tmp_path / "third", dataset=dataset, members=members)


def test_runs_that_do_not_belong_together_are_refused(
    runs: list[Path], dataset: Dataset, tmp_path: Path
) -> None:
    config = small_config("train.epochs=1")
    for name, targets, split in (
        ("gap", ["gap"], "0.6,0.2,0.2"),
        ("split", ["energy", "gap"], "0.5,0.3,0.2"),
    ):
        train(dataset, targets, split=split, out=tmp_path / name, config=config)
    for name, words in (("gap", "targets"), ("split", "split")):
        with pytest.raises(BadConfig, match=f"differ in their {words}: "):
            pack_ensemble([runs[0], tmp_path / name], tmp_path / "out", dataset=dataset)
    with pytest.raises(BadConfig, match="is named twice"):
        pack_ensemble([runs[0], runs[0]], tmp_path / "out", dataset=dataset)
    with pytest.raises(BadConfig, match="no run is named"):
        pack_ensemble([], tmp_path / "out", dataset=dataset)
    other = replace(dataset, checksum="0" * 64)
    with pytest.raises(BadDataset, match="not the data and the split"):
        pack_ensemble(runs, tmp_path / "out", dataset=other)
    assert not (tmp_path / "out").exists()


def test_a_run_without_a_test_part_and_a_full_folder_are_refused(
    packed: Path, runs: list[Path], dataset: Dataset, tmp_path: Path
) -> None:
    run = train(
        dataset,
        "energy",
        split="0.8,0.2",
        out=tmp_path / "run",
        config=small_config("train.epochs=1"),
    )
    with pytest.raises(BadDataset, match="the test part of its split is empty"):
        pack_ensemble([run.folder], tmp_path / "out", dataset=dataset)
    full = shutil.copytree(packed, tmp_path / "full")
    with pytest.raises(BadConfig, match="holds an ensemble already"):
        pack_ensemble(runs, full, dataset=dataset)


def test_the_figure_draws_what_it_is_given() -> None:
    random = np.random.default_rng(0)
    distance = random.uniform(1, 5, 1000)
    stated = np.array([0.1, 0.5, 0.9])
    figure = calibration_figure(
        stated,
        {"band_gap": stated + 0.05, "energy": stated},
        distance,
        0.1 * distance,
        (4.0, 4.8),
        stated_words="stated",
        observed_words="observed",
        error_words="error of band_gap",
        error_unit="eV",
    )
    left, right = figure.axes
    np.testing.assert_allclose(left.lines[1].get_ydata(), stated + 0.05)
    assert right.get_ylabel() == "error of band gap (eV)"
    places, means = (np.asarray(values, float) for values in right.lines[0].get_data())
    assert len(places) == 10
    np.testing.assert_allclose(means, 0.1 * places, rtol=1e-6)
