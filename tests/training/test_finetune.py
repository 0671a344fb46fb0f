"""Fine-tuning: where a run begins, what stays, and that it can be repeated and resumed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.nn.test_checkpoint_2018 import make_checkpoint, write
from tests.training.test_resume import TIMES, interrupt
from tests.training.tiny import SITES, make_tiny, small_config
from tests.zoo import ZOO
from xtalgraph.data import Dataset
from xtalgraph.errors import BadCheckpoint, BadConfig, BadCrystal, UnknownName
from xtalgraph.graphs import GraphConfig, build_graphs
from xtalgraph.nn import (
    NETWORKS,
    Normaliser,
    SavedModel,
    Task,
    read_model,
    resolve as shipped,
    save_model,
)
from xtalgraph.nn.resolve import ENSEMBLE
from xtalgraph.structures import Crystal, CrystalStore
from xtalgraph.training import (
    RunConfig,
    TrainedRun,
    apply_overrides,
    read_config,
    resume_run,
    start_from,
    train,
)
from xtalgraph.training.finetune import adapt_network, read_source
from xtalgraph.units import Target

ROOT = Path(__file__).resolve().parents[2]
TINY = make_tiny(43)
FROZEN = "element_vectors.", "convolutions."


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    """A network that has learned the energy, with layers whose statistics run."""
    out = tmp_path_factory.mktemp("runs") / "source"
    config = small_config("model.normalisation=batch", "train.epochs=30", "train.seed=5")
    return train(TINY, "energy", out=out, config=config)


def tune_config(model: str | Path, *assignments: str, freeze: str = "none") -> RunConfig:
    fast = ["train.epochs=3", "train.batch_size=8", "train.accelerator=cpu"]
    base = start_from(model, freeze=freeze)
    return apply_overrides(base, [*fast, "train.tensorboard=false", *assignments])


def weights(model: SavedModel | nn.Module) -> dict[str, Tensor]:
    network = model.network if isinstance(model, SavedModel) else model
    return {name: value.nan_to_num() for name, value in network.state_dict().items()}


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_a_run_begins_with_the_weights_of_the_source(source: TrainedRun, tmp_path: Path) -> None:
    """With a rate of next to nothing it stays there, and the target has its own normaliser."""
    config = tune_config(source.folder, "train.learning_rate=1e-12", "train.epochs=1")
    assert config.graph == source.model.graph_config
    assert config.model == source.model.model_config
    run = train(TINY, "gap", out=tmp_path / "a", config=config)
    before, after = weights(source.model), weights(run.model)
    for name, value in before.items():
        if "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(after[name], value, msg=name)
    assert run.model.normaliser != source.model.normaliser
    assert run.model.task.targets[0].name == "gap"
    assert run.model.provenance["start_from"] == str(source.folder)


def test_the_same_target_goes_on_from_where_it_was(source: TrainedRun, tmp_path: Path) -> None:
    tuned = train(
        TINY,
        "energy",
        out=tmp_path / "tuned",
        config=tune_config(source.folder, "train.epochs=1", "train.learning_rate=1e-4"),
    )
    fresh = train(TINY, "energy", out=tmp_path / "fresh", config=small_config("train.epochs=1"))
    assert (
        tuned.metrics["test"]["energy"]["mean_absolute_error"]
        < 0.5 * fresh.metrics["test"]["energy"]["mean_absolute_error"]
    )


@pytest.mark.parametrize("averaging", [0.0, 0.999])
def test_frozen_convolutions_stay_to_the_last_bit(
    source: TrainedRun, tmp_path: Path, averaging: float
) -> None:
    """Also their running statistics, and with averaged weights."""
    config = tune_config(
        source.folder, f"train.weight_averaging={averaging}", freeze="convolutions"
    )
    run = train(TINY, "gap", out=tmp_path / "a", config=config)
    different = changed(weights(source.model), weights(run.model))
    assert {name.partition(".")[0] for name in different} == {"output"}
    assert run.model.provenance["freeze"] == "convolutions"
    loose = train(TINY, "gap", out=tmp_path / "b", config=tune_config(source.folder))
    assert any(
        name.startswith(FROZEN) for name in changed(weights(source.model), weights(loose.model))
    )


@pytest.mark.parametrize("kind", NETWORKS)
def test_what_is_known_of_a_target_is_known_in_its_new_normaliser(kind: str) -> None:
    """Of two targets the second, with the mean and the spread of other crystals."""
    network = (
        NETWORKS[kind].build(NETWORKS[kind].config_class(atom_width=8, hidden_width=6), 2).eval()
    )
    if kind == "residual":
        nn.init.normal_(network.composition.weight)
    targets = Target("gap", "eV"), Target("energy", "eV")
    model = SavedModel(
        network,
        NETWORKS[kind].config_class(atom_width=8, hidden_width=6),
        GraphConfig(),
        Task("regression", targets),
        Normaliser((0.5, -3.0), (1.5, 0.7)),
        (),
        {},
    )
    new = Normaliser((-2.0,), (0.3,))
    started = adapt_network(model, Task("regression", targets[1:]), new).eval()
    graph = build_graphs([ZOO["NaCl"], ZOO["SrTiO3"]])
    with torch.no_grad():
        expected = model.normaliser.inverse_transform(network(graph).numpy())[:, 1:]
        found = new.inverse_transform(started(graph).numpy())
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


KINDS = [
    (Task("regression", (Target("gap"),)), set()),
    (Task("regression", (Target("gap"), Target("energy"))), {"output.3"}),
    (Task("classification", (Target("kind"),), ("a", "b")), {"output.3"}),
]


@pytest.mark.parametrize(("task", "new"), KINDS)
def test_the_last_layer_is_new_where_the_outputs_are(
    source: TrainedRun, task: Task, new: set[str]
) -> None:
    network = adapt_network(source.model, task, None)
    before, after = weights(source.model), weights(network)
    assert set(before) == set(after)
    different = {
        name.rpartition(".")[0]
        for name in before
        if before[name].shape != after[name].shape or not torch.equal(before[name], after[name])
    }
    assert different == new
    assert network.output[-1].out_features == task.n_outputs


def test_a_regression_becomes_a_classification(source: TrainedRun, tmp_path: Path) -> None:
    config = tune_config(source.folder, freeze="convolutions")
    run = train(TINY, "trio", task="classification", out=tmp_path, config=config)
    assert run.model.task.n_outputs == 3
    assert run.model.normaliser is None


def test_a_run_is_repeated_from_its_own_settings(source: TrainedRun, tmp_path: Path) -> None:
    run = train(TINY, "gap", out=tmp_path / "a", config=tune_config(source.folder))
    again = train(
        TINY, "gap", out=tmp_path / "b", config=read_config(tmp_path / "a" / "config.toml")
    )
    assert not changed(weights(run.model), weights(again.model))


@pytest.mark.parametrize("freeze", ["none", "convolutions"])
def test_a_broken_run_ends_as_an_unbroken_one(
    source: TrainedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, freeze: str
) -> None:
    config = tune_config(source.folder, freeze=freeze)
    whole = train(TINY, ["energy", "gap"], out=tmp_path / "whole", config=config)
    interrupt(monkeypatch, 5, KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        train(TINY, ["energy", "gap"], out=tmp_path / "broken", config=config)
    run = resume_run(tmp_path / "broken", dataset=TINY)
    assert not changed(weights(whole.model), weights(run.model))
    assert run.history.drop(columns=TIMES).equals(whole.history.drop(columns=TIMES))


def test_a_run_is_not_resumed_from_other_weights(
    source: TrainedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moved, the source is taken; changed or gone, it is not."""
    place = tmp_path / "source"
    shutil.copytree(source.folder, place)
    config = tune_config(place)
    interrupt(monkeypatch, 5, KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        train(TINY, "gap", out=tmp_path / "run", config=config)
    place.rename(tmp_path / "moved")
    with pytest.raises(BadCheckpoint, match="does not exist"):
        resume_run(tmp_path / "run", dataset=TINY)
    other = adapt_network(source.model, source.model.task, None)
    nn.init.zeros_(other.output[-1].bias)
    save_model(replace(source.model, weights=other), place)
    with pytest.raises(BadCheckpoint, match="other weights than when the run was started"):
        resume_run(tmp_path / "run", dataset=TINY)
    moved = replace(config, train=replace(config.train, start_from=str(tmp_path / "moved")))
    run = train(TINY, "gap", out=tmp_path / "run", config=moved, resume=True)
    shutil.rmtree(tmp_path / "moved")
    assert resume_run(run.folder, dataset=TINY).was_finished


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("model.pooling=max", "model.pooling: 'max' here, 'mean' there"),
        ("graph.n_neighbours=9", "graph.n_neighbours: 9 here, 6 there"),
    ],
)
def test_another_network_or_graph_than_the_source_has_is_refused(
    source: TrainedRun, tmp_path: Path, assignment: str, message: str
) -> None:
    with pytest.raises(BadConfig, match=message):
        train(TINY, "gap", out=tmp_path / "a", config=tune_config(source.folder, assignment))
    assert not (tmp_path / "a").exists()


def test_what_cannot_be_started_from_is_refused(source: TrainedRun, tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match="does not exist"):
        start_from(tmp_path / "nowhere")
    with pytest.raises(UnknownName, match="unknown path or shipped model 'formation-enrgy'"):
        start_from("formation-enrgy")
    with pytest.raises(BadConfig, match="needs trained weights to freeze"):
        small_config("train.freeze=convolutions")
    with pytest.raises(UnknownName, match="Did you mean 'convolutions'"):
        start_from(source.folder, freeze="convolution")


def with_element(number: int) -> Dataset:
    """Give the data set with the elements of a labelled crystal exchanged."""
    crystals = list(TINY.crystals)
    crystals[1] = Crystal(crystals[1].lattice, SITES["rock salt"], [number, 9], "c1")
    return replace(TINY, crystals=CrystalStore.from_crystals(crystals))


def test_elements_that_the_source_cannot_know_are_refused(
    source: TrainedRun, tmp_path: Path
) -> None:
    with pytest.raises(BadCrystal, match="no vector for Ds"):
        train(with_element(110), "gap", out=tmp_path, config=tune_config(source.folder))
    config = small_config("model.element_vectors=learned")
    learned = train(TINY, "energy", out=tmp_path / "learned", config=config).folder
    frozen = tune_config(learned, freeze="convolutions")
    with pytest.raises(BadConfig, match="was not trained on Ds"):
        train(with_element(110), "gap", out=tmp_path / "a", config=frozen)
    train(with_element(110), "gap", out=tmp_path / "b", config=tune_config(learned))


def make_ensemble(folder: Path, source: TrainedRun, places: list[str]) -> None:
    """Make an ensemble of copies of one network, which may lie beside its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for place in places:
        shutil.copytree(source.folder, folder / place)
    targets = [target.name for target in source.model.task.targets]
    (folder / ENSEMBLE).write_text(
        json.dumps({"format": 3, "members": [{"path": p} for p in places], "targets": targets})
    )


def test_of_an_ensemble_the_first_member_is_taken(source: TrainedRun, tmp_path: Path) -> None:
    make_ensemble(tmp_path, source, ["member-1", "member-2"])
    assert start_from(tmp_path).train.start_from == f"{tmp_path}/member-1"
    named = start_from(tmp_path / "member-2")
    assert named.train.start_from == f"{tmp_path}/member-2"
    assert read_source(named) is not None


def test_a_shipped_model_is_found_by_its_name(
    source: TrainedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_ensemble(tmp_path / "gap", source, ["../shared/one", "../shared/two"])
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path)
    for name, member in (("gap", "gap/member-1"), ("gap/member-2", "gap/member-2")):
        config = start_from(name)
        assert config.train.start_from == member
        assert read_source(config) is not None
    with pytest.raises(UnknownName, match="Did you mean 'gap'"):
        start_from("gab")
    with pytest.raises(BadConfig, match="has 2 members"):
        start_from("gap/member-3")


def test_two_processes_begin_alike_and_freeze(source: TrainedRun, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.training.run_tiny", str(tmp_path / "run")]
    command += ["train.devices=2", "train.strategy=ddp", "train.freeze=convolutions"]
    command += [f"train.start_from={source.folder}", "train.epochs=1"]
    command += ["model.normalisation=batch"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True,
        text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    after = weights(read_model(tmp_path / "run"))
    before = {name: value for name, value in weights(source.model).items() if name in after}
    kept = {name: value for name, value in before.items() if not name.startswith("output.")}
    assert not changed(kept, after)
    assert not torch.equal(after["output.1.weight"], before["output.1.weight"])


def test_a_checkpoint_of_2018_can_be_started_from(tmp_path: Path) -> None:
    path = write(make_checkpoint(), tmp_path / "band-gap.pth.tar")
    config = tune_config(path, freeze="convolutions")
    assert config.graph.rule == "nearest"
    run = train(TINY, "gap", out=tmp_path / "a", config=config)
    different = changed(weights(read_model(path)), weights(run.model))
    assert {name.partition(".")[0] for name in different} == {"output"}
