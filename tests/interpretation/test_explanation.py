"""What `explain` leaves: tables, structures with values, pictures and one page."""

from __future__ import annotations

import io
import json
from pathlib import Path

import gemmi
import numpy as np
import pandas as pd
import pytest
from ase.io import read as read_ase

from tests.interpretation.conftest import MakePredictor
from tests.zoo import ZOO
from xtalgraph.data import Dataset, read_sample_dataset
from xtalgraph.errors import BadDataset, Rejected
from xtalgraph.interpretation import (
    Explanation,
    draw_by_element,
    draw_structure,
    explain,
    mean_by_element,
)
from xtalgraph.interpretation.figures import find_scale
from xtalgraph.structures import Crystal, CrystalStore, read_crystals
from xtalgraph.units import Target

COLUMN = "contribution to energy [eV/atom]"
ENERGY = Target("energy", "eV/atom", "atom")


def dataset_of(*crystals: Crystal) -> Dataset:
    store = CrystalStore.from_crystals(crystals)
    return Dataset("few", store, pd.DataFrame(index=range(len(store))), {}, "by hand", "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("explained")


@pytest.fixture(scope="module")
def explained(folder: Path, make_predictor: MakePredictor) -> Explanation:
    """Four crystals, among them two of one id and one with a blank in its name."""
    crystals = [ZOO["SrTiO3"], ZOO["TiO2"], ZOO["triclinic"].with_id("odd one"), ZOO["TiO2"]]
    return explain(make_predictor(), dataset_of(*crystals), folder, n_pictures=3)


def test_the_tables_hold_every_site_and_every_crystal(explained: Explanation, folder: Path) -> None:
    sites = pd.read_csv(folder / "contributions.csv")
    assert list(sites)[:4] == ["id", "site", "element", "role"]
    assert list(sites)[-1] == COLUMN
    np.testing.assert_allclose(sites[COLUMN], explained.contributions.values, rtol=1e-8)
    assert sites["role"][:5].tolist() == ["A", "B", "X", "X", "X"]
    crystals = pd.read_csv(folder / "crystals.csv")
    assert crystals["id"].tolist() == ["SrTiO3", "TiO2", "odd one", "TiO2#2"]
    means = sites.groupby("id", sort=False)[COLUMN].mean()
    np.testing.assert_allclose(means, crystals["predicted energy [eV/atom]"], rtol=1e-6)
    elements = pd.read_csv(folder / "elements.csv").set_index(["role", "element"])
    assert elements.loc[("Ti", "Ti"), "sites"] == 4
    assert elements.loc[("A", "Sr"), "mean"] == pytest.approx(sites[COLUMN][0])


def test_our_own_reader_gives_the_crystals_back(explained: Explanation, folder: Path) -> None:
    for name in ("contributions.cif", "contributions.extxyz"):
        read = read_crystals(folder / name)
        assert len(read) == 4
        for crystal, expected in zip(read, explained.contributions.crystals, strict=True):
            assert crystal.symbols == expected.symbols
            np.testing.assert_allclose(
                np.linalg.norm(crystal.lattice, axis=1), np.linalg.norm(expected.lattice, axis=1)
            )
            np.testing.assert_allclose(
                crystal.fractional_positions, expected.fractional_positions, atol=1e-9
            )


def test_gemmi_reads_the_values_of_the_cif(explained: Explanation, folder: Path) -> None:
    document = gemmi.cif.read(str(folder / "contributions.cif"))
    assert len({block.name for block in document}) == 4
    result = explained.contributions
    for row, block in enumerate(document):
        table = block.find(
            "_atom_site_", ["type_symbol", "xtalgraph_role", "xtalgraph_contribution"]
        )
        values = [float(line[2]) for line in table]
        np.testing.assert_allclose(values, result.of_crystal(row), rtol=1e-8)
        assert tuple(line[1] for line in table) == explained.roles[row].sites
        assert [line[0] for line in table] == result.crystals[row].symbols
        unit = gemmi.cif.as_string(block.find_value("_xtalgraph_contribution_unit"))
        assert unit == "eV/atom"


def test_ase_reads_the_values_of_the_extended_xyz(explained: Explanation, folder: Path) -> None:
    frames = read_ase(folder / "contributions.extxyz", ":")
    result = explained.contributions
    for row, atoms in enumerate(frames):
        np.testing.assert_allclose(atoms.arrays["contribution"], result.of_crystal(row), rtol=1e-8)
        assert tuple(atoms.arrays["role"]) == explained.roles[row].sites
        assert atoms.info["unit"] == "eV/atom"
        assert atoms.get_chemical_symbols() == result.crystals[row].symbols
        assert atoms.pbc.all()
    assert frames[2].info["id"] == "odd one"


def test_the_page_needs_nothing_beside_it(explained: Explanation, folder: Path) -> None:
    page = explained.page.read_text(encoding="utf-8")
    assert page.count('src="data:image/png;base64,') == 3
    assert "http" not in page
    assert "Sr on A" in page
    assert len(list((folder / "figures").glob("*.png"))) == 3
    numbers = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert (numbers["unit"], numbers["crystals"], numbers["perovskites"]) == ("eV/atom", 4, 1)
    assert numbers["largest_deviation"] < 1e-6
    assert not list(folder.glob("*.part"))


def test_a_table_of_crystals_has_elements_and_maps(
    make_predictor: MakePredictor, tmp_path: Path
) -> None:
    whole = read_sample_dataset()
    dataset = whole.take(np.linspace(0, len(whole) - 1, 90).astype(int))
    explain(make_predictor("mean", 1), dataset, tmp_path, n_pictures=0)
    drawn = {path.stem for path in (tmp_path / "figures").glob("*.png")}
    assert drawn == {
        *("elements_perovskites", "elements_oxide_perovskites", "elements_other_structures"),
        *("map_of_crystals", "map_of_elements"),
    }


def test_bad_crystals_are_named_or_left_out(make_predictor: MakePredictor, tmp_path: Path) -> None:
    lonely = Crystal(9.0 * np.eye(3), [[0, 0, 0]], [2], "lonely")
    overlapping = Crystal(4.0 * np.eye(3), [[0, 0, 0], [0.01, 0, 0]], [11, 17], "overlapping")
    dataset = dataset_of(lonely, ZOO["TiO2"], overlapping)
    with pytest.raises(BadDataset, match=r"2 crystals cannot be explained[^$]*lonely"):
        explain(make_predictor(), dataset, tmp_path / "a")
    rejected: list[Rejected] = []
    found = explain(make_predictor(), dataset, tmp_path / "b", rejected=rejected)
    assert found.crystals["id"].tolist() == ["TiO2"]
    assert sorted(row.id for row in rejected) == ["lonely", "overlapping"]
    assert "2 crystals were left out" in found.page.read_text(encoding="utf-8")
    with pytest.raises(BadDataset, match="none of the crystals can be explained"):
        explain(make_predictor(), dataset_of(lonely), tmp_path / "c", rejected=[])


def test_each_atom_has_the_colour_of_its_value() -> None:
    """Seen in the patches: of the two atoms of rock salt one is blue and one red."""
    from matplotlib.colors import to_hex
    from matplotlib.patches import Circle

    figure = draw_structure(ZOO["NaCl"], np.array([-1.0, 1.0]), ENERGY)
    balls = [patch for patch in figure.axes[0].patches if isinstance(patch, Circle)]
    scale = find_scale(np.array([-1.0, 1.0]))
    outer = {to_hex(ball.get_facecolor()) for ball in balls if ball.get_linewidth() > 0}
    assert outer == {to_hex(scale.colour(-1.0)), to_hex(scale.colour(1.0))}
    blue, red = scale.colour(-1.0), scale.colour(1.0)
    assert blue[2] > blue[0]
    assert red[0] > red[2]
    assert "(eV/atom)" in figure.axes[1].get_ylabel()


def test_symbols_stand_on_every_drawn_atom() -> None:
    """SrTiO3: eight corners, one middle, six faces."""
    figure = draw_structure(ZOO["SrTiO3"], np.arange(5.0), ENERGY)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert {symbol: texts.count(symbol) for symbol in set(texts)} == {"Sr": 8, "Ti": 1, "O": 6}


@pytest.mark.parametrize("name", ["Po", "graphite", "flat", "thin", "SrTiO3 very skewed", "glass"])
def test_any_cell_can_be_drawn(name: str) -> None:
    crystal = ZOO[name]
    figure = draw_structure(crystal, np.linspace(1, 2, crystal.n_atoms), ENERGY)
    figure.savefig(io.BytesIO(), dpi=30)
    assert len(figure.axes[0].patches) >= crystal.n_atoms


def test_the_scale_is_white_at_zero_where_both_signs_occur() -> None:
    both = find_scale(np.array([-1.0, 0.5, 3.0]))
    assert both.low == -both.high
    assert min(both.colour(0.0)) > 0.95
    assert find_scale(np.array([2.0, 3.0])).low == pytest.approx(2.04)
    equal = find_scale(np.array([2.0, 2.0]))
    assert equal.low < 2.0 < equal.high
    assert both.extend(np.array([-9.0, 0.0])) == "min"
    assert both.extend(np.array([0.0])) == "neither"


def test_the_mean_of_an_element_is_by_role() -> None:
    sites = pd.DataFrame(
        {
            "role": ["A", "A", "B", "A"],
            "element": ["Sr", "Ba", "Sr", "Sr"],
            COLUMN: [1.0, 5.0, -2.0, 3.0],
        }
    )
    means = mean_by_element(sites, COLUMN)
    assert means[["role", "element"]].to_numpy().tolist() == [["A", "Sr"], ["A", "Ba"], ["B", "Sr"]]
    assert means["mean"].tolist() == [2.0, 5.0, -2.0]
    assert means["sites"].tolist() == [2, 1, 1]
    figure = draw_by_element(means, ("A", "B"), ENERGY, min_sites=1)
    left, right = ({text.get_text() for text in axes.texts} for axes in figure.axes[:2])
    assert {"A site", "5", "2"} <= left
    assert {"B site", "−2"} <= right
    assert "5" not in right
