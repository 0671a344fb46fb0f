"""The page of a screen: what is drawn is what was predicted, and it says how to do it again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xtalgraph import load_model
from xtalgraph.screening import PerovskiteSpace, ScreenSpec, perovskite_sites, screen
from xtalgraph.screening.overview import BEYOND, BINS, MOST_MAPS, count_in_bins, read_maps

SPACE = PerovskiteSpace(("Sr", "Ca", "La", "K"), ("Ti", "Zr", "Au"), ("O3", "O2F"))


@pytest.fixture(scope="module", autouse=True)
def without_gold() -> Iterator[None]:
    """As if no radius of gold were known."""
    of_others = perovskite_sites.shannon_radii
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            perovskite_sites, "shannon_radii", lambda name: {} if name == "Au" else of_others(name)
        )
        yield


@pytest.fixture(scope="module")
def screened(model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A screen of 24 candidates, of which those with gold have no cell."""
    out = tmp_path_factory.mktemp("page") / "screen"
    spec = ScreenSpec((model,), where="gap > 2.9 and A != 'K'", rank_by="-gap")
    screen(SPACE, spec, out=out, n_top=5, n_workers=1, command="xtalgraph screen 'a b'")
    return out


def write_chunk(folder: Path, number: int, **columns: np.ndarray) -> Path:
    path = folder / f"{number}.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def test_a_map_has_every_prediction_at_its_elements(screened: Path, model: str) -> None:
    table = pd.read_csv(screened / "tables" / "map.csv")
    made = SPACE.make(0, len(SPACE))
    predicted = load_model(model).predict(made.crystals).to_frame()["gap [eV]"]
    expected = dict(zip(made.crystals.ids.tolist(), predicted, strict=True))
    assert len(expected) == 16  # none with gold
    found = dict(zip(table["A"] + table["B"] + table["X"], table["gap [eV]"], strict=True))
    assert found == pytest.approx(expected, rel=1e-5)
    passed = table[table["passed"]]
    assert (table["passed"] == ((table["gap [eV]"] > 2.9) & (table["A"] != "K"))).all()
    assert len(passed) == json.loads((screened / "funnel.json").read_text())["passed"]


def test_elements_of_a_map_stand_group_by_group(screened: Path) -> None:
    paths = list((screened / "predicted").iterdir())
    first, second = read_maps(paths, "gap", SPACE.describe())
    assert (first.anions, second.anions) == ("O3", "O2F")
    assert first.a_elements == ("K", "Ca", "Sr", "La")
    assert first.b_elements == ("Ti", "Zr", "Au")
    assert np.isnan(first.values).tolist() == [[False] * 4, [False] * 4, [True] * 4]


def test_the_page_says_what_was_asked_and_needs_no_other_file(screened: Path) -> None:
    page = (screened / "report.html").read_text()
    words = re.sub(r"<[^>]+>", " ", page)
    for text in (
        "Perovskites ABX3",
        "A: 4 (Sr, Ca, La, K)",
        "gap &gt; 2.9 and A != &#39;K&#39;",
        "Ranked by: -gap, smallest first",
        "24 candidates took",
        "xtalgraph screen &#39;a b&#39;",
    ):
        assert text in words
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    for name in ("distribution_energy", "distribution_gap", "map_O3", "map_O2F"):
        for suffix in (".png", ".svg"):
            assert (screened / "figures" / f"{name}{suffix}").stat().st_size > 1000
    best = pd.read_csv(screened / "tables" / "best.csv")
    top = pd.read_csv(screened / "top.csv")
    assert best["gap [eV]"].tolist() == top["gap [eV]"].tolist()


def test_a_page_of_a_calibrated_model_has_uncertainty_bound_and_domain(
    ensemble: str, tmp_path: Path
) -> None:
    screen(SPACE, ScreenSpec((ensemble,)), out=tmp_path / "out", n_workers=1)
    best = pd.read_csv(tmp_path / "out" / "tables" / "best_cautious.csv")
    wanted = ["energy_uncertainty [eV/atom]", "domain", "score_bound"]
    assert set(wanted) <= set(best.columns)


def test_a_screen_of_which_nothing_passes_has_a_page(model: str, tmp_path: Path) -> None:
    result = screen(
        SPACE, ScreenSpec((model,), where="gap > 1e9"), out=tmp_path / "out", n_workers=1
    )
    assert result.funnel["passed"] == 0
    assert "None passed." in (tmp_path / "out" / "report.html").read_text()


def test_a_distribution_counts_every_finite_prediction_once(tmp_path: Path) -> None:
    """In whichever chunks they come; a far outlier does not make the bins useless."""
    values = np.random.default_rng(0).normal(size=5000).astype(np.float32)
    values[:3] = np.nan, np.inf, 40.0
    passed = values < 0
    paths = []
    for number, rows in enumerate(np.array_split(np.arange(5000), 3)):
        paths.append(write_chunk(tmp_path, number, energy=values[rows], passed=passed[rows]))
    found = count_in_bins(paths, ["energy"])["energy"]
    assert found.counts.sum() + found.n_beyond == 4998
    assert 0 < found.n_beyond <= 2 * BEYOND * 4998 + 1
    assert len(found.counts) <= BINS
    assert found.edges[-1] < 5
    inside = (values >= found.edges[0]) & (values < found.edges[-1])
    assert found.passed.sum() == pytest.approx((inside & passed).sum(), abs=2)
    expected = np.histogram(values[inside], found.edges)[0]
    assert np.abs(found.counts - expected).max() <= 2  # float32 beside an edge


def test_equal_predictions_and_none_have_a_distribution_or_none(tmp_path: Path) -> None:
    passed = np.ones(4, bool)
    path = write_chunk(tmp_path, 0, same=np.full(4, 2.0), none=np.full(4, np.nan), passed=passed)
    found = count_in_bins([path], ["same", "none"])
    assert list(found) == ["same"]
    assert found["same"].counts.sum() == 4


def test_of_many_anions_those_in_which_most_passed_have_maps(tmp_path: Path) -> None:
    anions = [f"X{number}" for number in range(MOST_MAPS + 2)]
    columns = {"A": ["Sr", "Ba"] * len(anions), "B": ["Ti"] * 2 * len(anions)}
    x = np.repeat(anions, 2).tolist()
    passed = np.array([name not in ("X0", "X3") for name in x])
    path = write_chunk(tmp_path, 0, gap=np.arange(len(x)) / 2, passed=passed, X=x, **columns)
    maps = read_maps([path], "gap", {"A": ["Sr", "Ba"], "B": ["Ti"], "X": anions})
    assert [one.anions for one in maps] == [name for name in anions if name not in ("X0", "X3")]
    assert maps[0].values.tolist() == [[1.0, 1.5]]
