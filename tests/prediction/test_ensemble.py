"""Several networks as one model: their mean, their spread, and the folder they are kept in."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.zoo import ZOO
from xtalgraph.errors import BadCheckpoint, BadConfig
from xtalgraph.graphs import GraphConfig, build_graphs
from xtalgraph.nn import NETWORKS, Cgcnn, CgcnnConfig, Normaliser, SavedModel, Task
from xtalgraph.prediction import Ensemble, Predictor, load_model, read_ensemble
from xtalgraph.prediction.ensemble import save_description, save_members
from xtalgraph.structures import CrystalStore
from xtalgraph.units import Target

CONFIG = CgcnnConfig(atom_width=8, hidden_width=6, n_convolutions=2)
CRYSTALS = [ZOO[name] for name in ("NaCl", "Si", "SrTiO3", "TiO2")]
REGRESSION = Task("regression", (Target("band_gap", "eV"), Target("energy", "eV/atom", "atom")))
CLASSES = Task("classification", (Target("is_metal"),), ("false", "true"))
WIDE = GraphConfig(n_neighbours=20)


def make_member(seed: int, task: Task = REGRESSION, graph: GraphConfig | None = None) -> SavedModel:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Cgcnn(CONFIG, task.n_outputs)
    normaliser = Normaliser((2.0, -1.0), (0.5, 3.0)) if task.kind == "regression" else None
    return SavedModel(network, CONFIG, graph or GraphConfig(), task, normaliser, ("O", "Si"), {})


@pytest.mark.parametrize("task", [REGRESSION, CLASSES], ids=lambda task: task.kind)
def test_the_answer_is_the_mean_and_the_spread_that_of_the_members(task: Task) -> None:
    members = tuple(make_member(seed, task) for seed in (1, 2, 3))
    alone = np.stack([Predictor(member).predict(CRYSTALS).values for member in members])
    together = Predictor(Ensemble(members)).predict(CRYSTALS)
    np.testing.assert_allclose(together.values, alone.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(together.spread, alone.std(axis=0, ddof=1), rtol=1e-5, atol=1e-9)
    assert np.abs(alone[0] - alone[1]).max() > 1e-3  # or the mean would say nothing
    assert Predictor(members[0]).predict(CRYSTALS).spread is None


def test_members_may_see_different_graphs_and_each_is_built_once() -> None:
    members = (make_member(1), make_member(2, graph=WIDE), make_member(3))
    predictor = Predictor(Ensemble(members))
    assert predictor.graph_configs == (GraphConfig(), WIDE)
    alone = np.stack([Predictor(member).predict(CRYSTALS).values for member in members])
    np.testing.assert_allclose(predictor.predict(CRYSTALS).values, alone.mean(axis=0), rtol=1e-6)
    with pytest.raises(BadConfig, match="one graph is not enough"):
        predictor.predict_graph(build_graphs(CRYSTALS))


def test_a_graph_is_predicted_as_its_crystals_are() -> None:
    predictor = Predictor(Ensemble((make_member(1), make_member(2))))
    values = predictor.predict_graph(build_graphs(CRYSTALS))
    np.testing.assert_allclose(values, predictor.predict(CRYSTALS).values, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_gives_out_what_it_makes_of_its_fingerprint(name: str) -> None:
    # the predictor takes both from one pass through the network
    network = NETWORKS[name].build(NETWORKS[name].config_class(), 2).eval()
    graph = build_graphs(CRYSTALS)
    with torch.no_grad():
        torch.testing.assert_close(network.output(network.fingerprint(graph)), network(graph))


def test_fingerprints_do_not_depend_on_the_batch() -> None:
    predictor = Predictor(make_member(1))
    together = predictor.fingerprints(CrystalStore.from_crystals(CRYSTALS))
    alone = [predictor.fingerprints(CrystalStore.from_crystals([one]))[0] for one in CRYSTALS]
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-6)
    assert together.shape == (4, CONFIG.atom_width)


def test_members_of_different_questions_are_refused() -> None:
    with pytest.raises(BadCheckpoint, match="differ in their task"):
        Ensemble((make_member(1), make_member(2, CLASSES)))
    other = replace(make_member(2), elements=("O",))
    with pytest.raises(BadCheckpoint, match="differ in their training elements"):
        Ensemble((make_member(1), other))
    with pytest.raises(BadConfig, match="without members"):
        Ensemble(())


def test_a_packed_ensemble_is_read_as_it_was_written(packed: Path, tmp_path: Path) -> None:
    ensemble = read_ensemble(packed)
    folder = tmp_path / "again"
    folder.mkdir()
    save_members(ensemble.members, folder)
    save_description(ensemble, folder)
    crystals = [ZOO["NaCl"], ZOO["SrTiO3"]]
    before, after = (load_model(path).predict(crystals) for path in (packed, folder))
    for name in ("values", "spread", "uncertainty", "distance"):
        assert np.array_equal(getattr(before, name), getattr(after, name)), name
    assert before.to_frame().equals(after.to_frame())
    read = read_ensemble(folder / "ensemble.json")
    assert read.calibration == ensemble.calibration
    assert read.facts == ensemble.facts
    assert {file.suffix for file in folder.rglob("*") if file.is_file()} == {
        ".json",
        ".safetensors",
    }


def test_a_transposed_reference_is_read_as_it_was(packed: Path, tmp_path: Path) -> None:
    ensemble = read_ensemble(packed)
    places = ensemble.domain.reference
    turned = replace(places, directions=np.asfortranarray(places.directions))
    save_members(ensemble.members, tmp_path)
    save_description(replace(ensemble, domain=replace(ensemble.domain, reference=turned)), tmp_path)
    read = read_ensemble(tmp_path).domain.reference
    np.testing.assert_array_equal(read.directions, places.directions)


def spoil_json(folder: Path, **changes: object) -> None:
    description = json.loads((folder / "ensemble.json").read_text())
    (folder / "ensemble.json").write_text(json.dumps(description | changes))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "ensemble.json").write_text("{"), "is not JSON"),
        (lambda folder: spoil_json(folder, format=9), "format 9, expected one of 1, 3"),
        (
            lambda folder: spoil_json(folder, blocks={"calibration": {"schema": 1}}),
            "the calibration is broken",
        ),
        (
            lambda folder: spoil_json(folder, members=[{"path": "member-9"}]),
            "member-9 does not exist",
        ),
        (
            lambda folder: (folder / "domain.safetensors").unlink(),
            r"domain\.safetensors does not exist",
        ),
        (lambda folder: (folder / "domain.safetensors").write_bytes(b"x"), "is broken"),
        (lambda folder: shutil.rmtree(folder / "member-2"), "member-2 does not exist"),
    ],
)
def test_what_is_broken_is_refused_in_words(
    packed: Path, tmp_path: Path, spoil: object, message: str
) -> None:
    folder = shutil.copytree(packed, tmp_path / "copy")
    spoil(folder)
    with pytest.raises(BadCheckpoint, match=message) as caught:
        load_model(folder)
    assert str(folder) in str(caught.value)
