"""Predictions: units, classes, batches, what is refused and what is left out."""

import numpy as np
import pytest
import torch

from tests.zoo import ZOO, permuted, supercell
from xtalgraph.errors import BadCrystal, Rejected
from xtalgraph.graphs import GraphConfig, build_graphs
from xtalgraph.nn import Cgcnn, CgcnnConfig, Normaliser, SavedModel, Task, save_model
from xtalgraph.prediction import Predictor, load_model, predictor as predictor_module
from xtalgraph.structures import Crystal, CrystalStore
from xtalgraph.units import Target

CONFIG = CgcnnConfig(atom_width=8, hidden_width=6, n_convolutions=2)
CRYSTALS = [ZOO[name] for name in ("NaCl", "Si", "SrTiO3", "TiO2")]
REGRESSION = Task("regression", (Target("band_gap", "eV"), Target("energy", "eV/atom", "atom")))
CLASSES = Task("classification", (Target("is_metal"),), ("false", "true"))
BAD = Crystal(9.0 * np.eye(3), [[0, 0, 0]], [2], "lonely")


def make_saved(task: Task) -> SavedModel:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = Cgcnn(CONFIG, task.n_outputs)
    normaliser = Normaliser((2.0, -1.0), (0.5, 3.0)) if task.kind == "regression" else None
    return SavedModel(network, CONFIG, GraphConfig(), task, normaliser, ("O", "Si"), {})


def test_values_are_in_the_units_of_the_targets():
    saved = make_saved(REGRESSION)
    result = Predictor(saved).predict(CRYSTALS)
    with torch.no_grad():
        outputs = saved.network(build_graphs(CRYSTALS)).numpy()
    np.testing.assert_allclose(result.values, outputs * [0.5, 3.0] + [2.0, -1.0], rtol=1e-5)
    frame = result.to_frame()
    assert list(frame.columns) == ["id", "band_gap [eV]", "energy [eV/atom]"]
    assert frame.id.tolist() == ["NaCl", "Si", "SrTiO3", "TiO2"]


def test_classes_come_with_their_probabilities():
    frame = Predictor(make_saved(CLASSES)).predict(CRYSTALS).to_frame()
    assert list(frame.columns) == ["id", "is_metal", "probability false", "probability true"]
    np.testing.assert_allclose(frame["probability false"] + frame["probability true"], 1)
    assert (
        frame.is_metal.tolist()
        == np.where(
            frame["probability true"] > frame["probability false"], "true", "false"
        ).tolist()
    )


def test_alone_or_together_in_any_cell_the_result_is_the_same(monkeypatch):
    predictor = Predictor(make_saved(REGRESSION))
    together = predictor.predict(CRYSTALS).values
    alone = [predictor.predict(crystal).values[0] for crystal in CRYSTALS]
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)
    monkeypatch.setattr(predictor_module, "ATOMS_PER_BATCH", 3)  # several batches of one crystal
    np.testing.assert_allclose(predictor.predict(CRYSTALS).values, together, rtol=1e-5, atol=1e-6)
    variants = [supercell(permuted(crystal, 3)) for crystal in CRYSTALS]
    np.testing.assert_allclose(predictor.predict(variants).values, together, rtol=1e-5, atol=1e-6)


def test_batches_are_limited_by_atoms_and_by_edges_and_do_not_change_the_result(monkeypatch):
    """Four large cells and sixty small ones; equal atoms would be merged, so all are moved."""
    random = np.random.default_rng(0)
    crystals = []
    for number, n in enumerate([1, 60, *[2] * 30, 80, 50, *[3] * 30, 70]):
        width = int(np.ceil(np.cbrt(n)))
        grid = np.argwhere(np.ones((width,) * 3))[:n] + random.uniform(-0.1, 0.1, (n, 3))
        crystals.append(Crystal(2.6 * width * np.eye(3), grid / width, [8] * n, str(number)))
    predictor = Predictor(make_saved(REGRESSION))
    whole = predictor.predict(crystals)
    seen: list[tuple[int, int, int]] = []
    run = Predictor._run

    def watched(self, graphs, memo):
        (graph,) = graphs.values()
        seen.append((graph.n_crystals, len(graph.atomic_numbers), len(graph.centre)))
        return run(self, graphs, memo)

    monkeypatch.setattr(Predictor, "_run", watched)
    for name, limit, column in (("ATOMS_PER_BATCH", 100, 1), ("EDGES_PER_BATCH", 1500, 2)):
        seen.clear()
        with monkeypatch.context() as patch:
            patch.setattr(predictor_module, name, limit)
            parts = predictor.predict(crystals)
        assert parts.ids == whole.ids
        np.testing.assert_allclose(parts.values, whole.values, rtol=1e-5, atol=1e-6)
        assert sum(batch[0] for batch in seen) == len(crystals)
        assert all(batch[column] <= limit for batch in seen)
        counts = {batch[0] for batch in seen}
        assert len(counts) > 1  # few large crystals, or many small ones


def test_a_bad_crystal_is_left_out_and_the_rest_predicted():
    predictor = Predictor(make_saved(REGRESSION))
    rejected: list[Rejected] = []
    crystals = [CRYSTALS[0], BAD, CRYSTALS[1]]
    result = predictor.predict(crystals, rejected=rejected)
    assert result.ids == ("NaCl", "Si")
    np.testing.assert_allclose(
        result.values, predictor.predict([CRYSTALS[0], CRYSTALS[1]]).values, rtol=1e-6
    )
    assert [row.id for row in rejected] == ["lonely"]
    assert "no neighbour within 8.0 Å" in rejected[0].reason
    assert result.rejected == tuple(rejected)
    with pytest.raises(BadCrystal, match=r"1 of 3 crystals cannot be predicted:\n  lonely: "):
        predictor.predict(crystals)


def test_an_element_without_a_vector_is_named():
    heavy = Crystal(3.0 * np.eye(3), [[0, 0, 0]], [110], "heavy")
    rejected: list[Rejected] = []
    result = Predictor(make_saved(REGRESSION)).predict([heavy, CRYSTALS[1]], rejected=rejected)
    assert result.ids == ("Si",)
    assert rejected[0].id == "heavy"
    assert "Ds" in rejected[0].reason


def test_no_crystals_give_an_empty_table():
    result = Predictor(make_saved(CLASSES)).predict(CrystalStore.from_crystals([]))
    assert len(result) == 0
    assert list(result.to_frame().columns)[:2] == ["id", "is_metal"]


def test_a_loaded_model_predicts_as_the_one_that_was_saved(tmp_path):
    saved = make_saved(REGRESSION)
    before = Predictor(saved).predict(CRYSTALS).values
    save_model(saved, tmp_path)
    assert np.array_equal(load_model(tmp_path).predict(CRYSTALS).values, before)
    assert np.array_equal(load_model(tmp_path / "model.json").predict(CRYSTALS).values, before)


def test_threads_change_nothing():
    predictor = Predictor(make_saved(REGRESSION))
    one = predictor.predict(CRYSTALS).values
    assert np.array_equal(predictor.predict(CRYSTALS, n_threads=3).values, one)
