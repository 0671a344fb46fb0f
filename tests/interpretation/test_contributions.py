"""Contributions: they add up, whatever the head; what must not matter does not; what is refused."""

from __future__ import annotations

import builtins

import numpy as np
import pytest
import torch

from tests.interpretation.conftest import CLASSES, REGRESSION, MakePredictor, make_saved
from tests.zoo import ZOO, permutation, permuted, rotated, supercell, translated
from xtalgraph.errors import BadConfig, BadCrystal, MissingExtra, Rejected, UnknownName
from xtalgraph.graphs import GraphConfig, build_graphs
from xtalgraph.interpretation import contributions, explain_sites
from xtalgraph.interpretation.contributions import GRADIENTS, LINEAR
from xtalgraph.nn import NETWORKS, Normaliser, SavedModel
from xtalgraph.prediction import Ensemble, Predictor
from xtalgraph.structures import Crystal, CrystalStore

NAMES = ("NaCl", "Si", "SrTiO3", "SrTiO3 2x2x2", "TiO2", "Al2O3", "triclinic", "glass")
CRYSTALS = [ZOO[name] for name in NAMES]
HEADS = [("mean", 0), ("sum", 0), ("mean", 1), ("sum", 2), ("max", 0), ("max", 1)]
LONELY = Crystal(9.0 * np.eye(3), [[0, 0, 0]], [2], "lonely")


@pytest.mark.parametrize(("pooling", "n_hidden"), HEADS)
def test_contributions_add_up_to_the_prediction(
    make_predictor: MakePredictor, pooling: str, n_hidden: int
) -> None:
    predictor = make_predictor(pooling, n_hidden)
    found = explain_sites(predictor, CRYSTALS, target="band_gap")
    predicted = predictor.predict(CRYSTALS).values[:, 1]
    for row, crystal in enumerate(CRYSTALS):
        values = found.of_crystal(row)
        assert len(values) == crystal.n_atoms
        total = values.mean() if pooling == "mean" else values.sum()
        assert total == pytest.approx(predicted[row], rel=1e-6, abs=1e-9)
    assert found.method == (LINEAR if n_hidden == 0 and pooling != "max" else GRADIENTS)
    assert found.rule == ("mean" if pooling == "mean" else "sum")
    np.testing.assert_allclose(found.gaps, 0, atol=1e-6)


@pytest.mark.parametrize("n_hidden", [0, 1])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_model_can_be_explained(name: str, n_hidden: int) -> None:
    kind = NETWORKS[name]
    config = kind.config_class(n_hidden=n_hidden)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = kind.build(config, 2).double().eval()
    normaliser = Normaliser((-1.0, 2.0), (3.0, 0.5))
    saved = SavedModel(network, config, GraphConfig(), REGRESSION, normaliser, ("O",), {})
    found = explain_sites(Predictor(saved), CRYSTALS)
    assert found.method == (GRADIENTS if n_hidden else LINEAR)
    assert np.abs(found.gaps).max() < 1e-6 * np.abs(found.values).max()


def test_in_single_precision_they_add_up_to_its_rounding(make_predictor: MakePredictor) -> None:
    found = explain_sites(make_predictor(dtype=torch.float32), CRYSTALS)
    assert np.abs(found.gaps).max() < 1e-6 * np.abs(found.values).max()


def test_other_points_of_the_integral_would_not_suffice(
    make_predictor: MakePredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contributions, "N_STEPS", 1)
    found = explain_sites(make_predictor("sum", 2), CRYSTALS)
    assert np.abs(found.gaps).max() > 1e-4


@pytest.mark.parametrize("pooling", ["mean", "sum"])
def test_gradients_of_a_linear_head_are_its_contributions(
    make_predictor: MakePredictor, monkeypatch: pytest.MonkeyPatch, pooling: str
) -> None:
    predictor = make_predictor(pooling, 0)
    exact = explain_sites(predictor, CRYSTALS)
    monkeypatch.setattr(contributions, "_is_linear", lambda saved: False)
    by_gradients = explain_sites(predictor, CRYSTALS)
    assert (exact.method, by_gradients.method) == (LINEAR, GRADIENTS)
    np.testing.assert_allclose(by_gradients.values, exact.values, rtol=1e-7)


def test_a_contribution_is_the_linear_map_of_the_sites_vector(
    make_predictor: MakePredictor,
) -> None:
    """By hand, for one crystal: c = std (w · v + b) + mean."""
    predictor = make_predictor("mean", 0)
    crystal = ZOO["TiO2"]
    network = predictor.saved.network
    with torch.no_grad():
        outputs = network.output(network.atom_vectors(build_graphs(crystal)))[:, 0].numpy()
    found = explain_sites(predictor, crystal)
    np.testing.assert_allclose(found.values, 3.0 * outputs - 1.0, rtol=1e-9)


@pytest.mark.parametrize(("pooling", "n_hidden"), HEADS)
def test_order_place_and_orientation_do_not_matter(
    make_predictor: MakePredictor, pooling: str, n_hidden: int
) -> None:
    predictor = make_predictor(pooling, n_hidden)
    for crystal in (ZOO["triclinic"], ZOO["Al2O3"]):
        values = explain_sites(predictor, crystal).values
        moved = explain_sites(predictor, rotated(translated(crystal))).values
        mixed = explain_sites(predictor, permuted(crystal)).values
        np.testing.assert_allclose(moved, values, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(mixed, values[permutation(crystal)], rtol=1e-6, atol=1e-9)
        assert np.ptp(values) > 1e-3  # or the order could not matter


@pytest.mark.parametrize("n_hidden", [0, 1])
def test_a_supercell_repeats_the_contributions_of_a_mean(
    make_predictor: MakePredictor, n_hidden: int
) -> None:
    predictor, crystal = make_predictor("mean", n_hidden), ZOO["TiO2"]
    values = explain_sites(predictor, crystal).values
    many = explain_sites(predictor, supercell(crystal)).values
    np.testing.assert_allclose(many, np.tile(values, 8), rtol=1e-6)


def test_several_networks_give_their_mean(make_predictor: MakePredictor) -> None:
    predictor = make_predictor("mean", 1, n_members=3)
    alone = [Predictor(member) for member in predictor.ensemble.members]
    expected = np.mean([explain_sites(one, CRYSTALS).values for one in alone], axis=0)
    found = explain_sites(predictor, CRYSTALS)
    np.testing.assert_allclose(found.values, expected, rtol=1e-9)
    np.testing.assert_allclose(found.gaps, 0, atol=1e-6)


@pytest.mark.parametrize("n_hidden", [0, 1])
def test_the_score_of_a_class_is_explained(make_predictor: MakePredictor, n_hidden: int) -> None:
    predictor = make_predictor("mean", n_hidden, task=CLASSES)
    found = explain_sites(predictor, CRYSTALS, target="covalent")
    logarithms = np.log(predictor.predict(CRYSTALS).values)
    score = logarithms[:, 1] - logarithms[:, [0, 2]].mean(axis=1)
    np.testing.assert_allclose(found.totals, score, rtol=1e-6, atol=1e-9)
    assert found.target.name == "score of kind = covalent"


def test_the_table_has_a_row_a_site_with_units(make_predictor: MakePredictor) -> None:
    found = explain_sites(make_predictor(), [ZOO["NaCl"], ZOO["TiO2"]])
    frame = found.to_frame()
    assert list(frame) == [
        *("id", "site", "element", "x [Å]", "y [Å]", "z [Å]"),
        "contribution to energy [eV/atom]",
    ]
    assert frame["id"].tolist() == ["NaCl"] * 2 + ["TiO2"] * 6
    assert frame["site"].tolist() == [0, 1, 0, 1, 2, 3, 4, 5]
    assert frame["element"].tolist() == ["Na", "Cl", "Ti", "Ti", "O", "O", "O", "O"]
    positions = np.concatenate([ZOO[name].cartesian_positions for name in ("NaCl", "TiO2")])
    np.testing.assert_allclose(frame[["x [Å]", "y [Å]", "z [Å]"]], positions)


def test_a_bad_crystal_is_refused_or_left_out(make_predictor: MakePredictor) -> None:
    predictor = make_predictor()
    crystals = [ZOO["NaCl"], LONELY, ZOO["TiO2"]]
    with pytest.raises(BadCrystal, match=r"1 of 3 crystals cannot be explained[^$]*lonely"):
        explain_sites(predictor, crystals)
    rejected: list[Rejected] = []
    found = explain_sites(predictor, crystals, rejected=rejected)
    assert [row.id for row in rejected] == ["lonely"]
    assert found.crystals.ids.tolist() == ["NaCl", "TiO2"]
    alone = explain_sites(predictor, ZOO["TiO2"])
    np.testing.assert_allclose(found.of_crystal(1), alone.values, rtol=1e-9)


def test_what_is_named_must_be_there(make_predictor: MakePredictor) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'band_gap'"):
        explain_sites(make_predictor(), ZOO["NaCl"], target="bandgap")
    with pytest.raises(UnknownName, match="unknown class 'ion'"):
        explain_sites(make_predictor(task=CLASSES), ZOO["NaCl"], target="ion")


def test_equal_ids_and_unlike_members_are_refused(make_predictor: MakePredictor) -> None:
    twice = CrystalStore.from_crystals([ZOO["NaCl"], ZOO["NaCl"]])
    with pytest.raises(BadConfig, match="the same id"):
        explain_sites(make_predictor(), twice)
    members = [make_saved(REGRESSION, 1, pooling, 0, torch.float64) for pooling in ("mean", "sum")]
    with pytest.raises(BadConfig, match="some members of this ensemble pool means"):
        explain_sites(Predictor(Ensemble(tuple(members))), ZOO["NaCl"])


def test_without_captum_it_says_how_to_get_it(
    make_predictor: MakePredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = builtins.__import__

    def refuse(name: str, *rest: object) -> object:
        if name.startswith("captum"):
            raise ImportError(name)
        return load(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    assert explain_sites(make_predictor("mean", 0), ZOO["NaCl"]).method == LINEAR
    with pytest.raises(MissingExtra, match=r"xtalgraph\[explain\]"):
        explain_sites(make_predictor("mean", 1), ZOO["NaCl"])
