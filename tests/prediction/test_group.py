"""Several models at once: the same answers as one by one, computed once, in one table."""

from __future__ import annotations

import threading
from collections import Counter

import numpy as np
import pytest

from tests.zoo import ZOO
from xtalgraph import Crystal, PredictionGroup, PredictorGroup, UnknownName, load_model
from xtalgraph.data import read_sample_dataset
from xtalgraph.errors import BadConfig, BadCrystal, Rejected
from xtalgraph.nn.numpy_parts import Linear
from xtalgraph.nn.resolve import shipped_names
from xtalgraph.prediction import predictor as predictor_module
from xtalgraph.structures import CrystalStore

SEVERAL = ["formation-energy", "total-energy", "is-metal", "bulk-modulus", "perovskite-hull"]
LONELY = Crystal(50 * np.eye(3), [[0, 0, 0]], [18], "lonely")  # without neighbours
OGANESSON = Crystal(3 * np.eye(3), [[0, 0, 0]], [118], "Og")  # without an element vector


@pytest.fixture(scope="module")
def crystals() -> CrystalStore:
    return read_sample_dataset().crystals.take(np.arange(0, 1700, 40))


@pytest.fixture(scope="module")
def group() -> PredictorGroup:
    return load_model(SEVERAL)


def test_a_group_gives_what_each_model_gives_alone(
    group: PredictorGroup, crystals: CrystalStore
) -> None:
    together = group.predict(crystals)
    assert list(together) == SEVERAL
    for name in SEVERAL:
        alone, found = load_model(name).predict(crystals), together[name]
        np.testing.assert_allclose(found.values, alone.values, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(found.distance, alone.distance, rtol=1e-4, atol=1e-5)
        assert (found.domain, found.ids) == (alone.domain, alone.ids)
        assert found.model_version == alone.model_version


def test_all_is_every_model_that_comes_with_the_package() -> None:
    group = load_model("all")
    assert list(group) == shipped_names()
    result = group.predict([ZOO["SrTiO3"]])
    assert isinstance(result, PredictionGroup)
    assert all(len(result[name]) == 1 for name in group)
    long = result.to_columns(long=True)
    assert long["model"].tolist() == shipped_names()
    assert "crystal_system" in long["property"]


def test_graphs_and_shared_networks_are_computed_once(
    group: PredictorGroup, crystals: CrystalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two energies share three networks; the graphs of four models are the same."""
    built, run = [], []
    build = predictor_module.build_arrays

    def watched(*arguments, **options):
        built.append(arguments[1])
        return build(*arguments, **options)

    monkeypatch.setattr(predictor_module, "build_arrays", watched)
    monkeypatch.setattr(predictor_module, "ATOMS_PER_BATCH", 10**6)
    for name in SEVERAL:
        for network in group[name].networks.networks:
            monkeypatch.setattr(network, "trunk", _Counted(network.trunk, run))
    group.predict(crystals, n_threads=1)
    assert Counter(built).most_common(1)[0][1] == 1
    assert len(set(built)) == len(built)
    assert max(Counter(run).values()) == 1
    assert len(run) == 3 + 1 + 6 + 4


class _Counted:
    """A trunk that notes its calls, and is the same as another of the same trunk."""

    def __init__(self, trunk, run) -> None:
        self.trunk = getattr(trunk, "trunk", trunk)
        self.run = run

    def __call__(self, graph):
        self.run.append(id(self.trunk))
        return self.trunk(graph)

    def __hash__(self) -> int:
        return hash(id(self.trunk))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Counted) and other.trunk is self.trunk


def test_the_wide_table_has_one_row_a_crystal_and_units_in_its_headers(
    group: PredictorGroup, crystals: CrystalStore
) -> None:
    result = group.predict(crystals)
    columns = result.to_columns(model_version=True)
    assert {len(column) for column in columns.values()} == {len(crystals)}
    energy = "formation_energy_per_atom"
    assert list(columns)[:4] == [
        "id",
        f"{energy} [eV/atom]",
        f"{energy} uncertainty [eV/atom]",
        f"{energy} domain",
    ]
    bulk = columns["bulk_modulus [GPa]"]
    np.testing.assert_allclose(np.log10(bulk), result["bulk-modulus"].values[:, 0])
    assert (columns["bulk_modulus lower [GPa]"] < bulk).all()
    assert (columns["is_metal probability"] >= 0.5).all()
    assert set(columns["is_metal"]) <= {"false", "true"}
    assert columns["model_version"][0].startswith("formation-energy@0.1, total-energy@0.1, ")


def test_the_long_table_has_a_row_for_each_crystal_and_property(
    group: PredictorGroup, crystals: CrystalStore
) -> None:
    result = group.predict(crystals)
    long = result.to_columns(long=True)
    assert long["id"].tolist() == [id for id in result.ids for _ in SEVERAL]
    assert long["model"].tolist() == SEVERAL * len(crystals)
    wide = result.to_columns()
    energies = long["value"][long["model"] == "total-energy"]
    assert np.array_equal(energies, wide["energy_per_atom [eV/atom]"])
    is_class = long["property"] == "is_metal"
    assert long["class"][is_class].tolist() == wide["is_metal"].tolist()
    assert np.array_equal(long["value"][is_class], wide["is_metal probability"])
    assert np.isnan(long["lower"][is_class]).all()
    np.testing.assert_allclose(
        (long["upper"] - long["lower"])[long["model"] == "total-energy"] / 2,
        wide["energy_per_atom uncertainty [eV/atom]"],
    )
    one = load_model("total-energy").predict(crystals).to_columns(long=True)
    assert np.array_equal(one["value"], energies)
    assert set(long) - set(one) == {"model"}


def test_two_models_of_one_target_have_columns_of_their_own() -> None:
    names = ["perovskite-hull", "perovskite-sites"]
    columns = load_model(names).predict([ZOO["SrTiO3"]]).to_columns()
    headers = [f"{name} energy_above_hull [eV/atom]" for name in names]
    assert set(headers) <= set(columns)
    assert columns[headers[0]] != columns[headers[1]]


def test_a_crystal_that_some_models_refuse_is_blank_for_them(group: PredictorGroup) -> None:
    rejected: list[Rejected] = []
    result = group.predict([OGANESSON, ZOO["NaCl"], LONELY], rejected=rejected)
    assert result.ids == ("NaCl", "lonely")
    assert result.rows.tolist() == [1, 2]
    columns = result.to_columns()
    hull = columns["energy_above_hull [eV/atom]"]
    assert np.isfinite(hull[0])
    assert np.isnan(hull[1])
    assert columns["energy_above_hull domain"][1] == ""
    assert np.isfinite(columns["bulk_modulus [GPa]"]).all()
    assert [row.id for row in rejected] == ["Og", "lonely"]
    assert "no vector for Og" in rejected[0].reason
    assert rejected[1].reason.startswith("perovskite-hull: ")
    assert result.rejected == tuple(rejected)
    with pytest.raises(BadCrystal, match="2 of 3 crystals cannot be predicted"):
        group.predict([OGANESSON, ZOO["NaCl"], LONELY])


def test_no_crystals_are_no_rows(group: PredictorGroup) -> None:
    for long in (False, True):
        columns = group.predict([]).to_columns(long=long)
        assert {len(column) for column in columns.values()} == {0}


def test_names_are_checked() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'band-gap'"):
        load_model(["formation-energy", "band-gab"])
    with pytest.raises(BadConfig, match="band-gap is named twice"):
        load_model(["band-gap", "band-gap"])
    with pytest.raises(BadConfig, match="no model is named"):
        load_model([])


@pytest.mark.parametrize("name", ["formation-energy", "crystal-system"])
def test_results_do_not_depend_on_the_number_of_threads(name: str, crystals: CrystalStore) -> None:
    predictor = load_model(name)
    one, three = (predictor.predict(crystals, n_threads=n) for n in (1, 3))
    assert one.ids == three.ids
    assert np.array_equal(one.values, three.values)
    assert np.array_equal(one.distance, three.distance)
    vectors = [predictor.fingerprints(crystals, n_threads=n) for n in (1, 3)]
    assert np.array_equal(*vectors)


def test_batches_are_computed_in_as_many_threads_as_asked(
    crystals: CrystalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = load_model("total-energy")
    monkeypatch.setattr(predictor_module, "ATOMS_PER_BATCH", 50)
    together = threading.Barrier(3, timeout=60)  # passed only by three batches at a time
    seen: set[int] = set()
    run = predictor._run

    def watched(graphs, memo):
        if len(seen) < 3:
            together.wait()
        seen.add(threading.get_ident())
        return run(graphs, memo)

    monkeypatch.setattr(predictor, "_run", watched)
    predictor.predict(crystals, n_threads=3)
    assert len(seen) == 3


def test_a_linear_map_of_some_columns_is_that_of_all() -> None:
    random = np.random.default_rng(0)
    weight, offset, rows = (random.standard_normal(n).astype("f4") for n in ((4, 3), 3, (5, 4)))
    whole = Linear(weight, offset)
    np.testing.assert_allclose(whole.select([2, 0])(rows), whole(rows)[:, [2, 0]], rtol=1e-6)
