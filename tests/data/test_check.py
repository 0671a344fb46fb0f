"""The pre-flight: every problem and warning is provoked once, and a clean set has none."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.data.test_splits import make_dataset
from tests.zoo import ZOO, supercell, transformed
from xtalgraph.data import CheckReport, Dataset, check_dataset, read_dataset
from xtalgraph.data.duplicates import find_duplicates, iterate_chunks, mean_distances
from xtalgraph.data.report import find_outliers
from xtalgraph.errors import UnknownName
from xtalgraph.graphs import GraphConfig, build_graphs
from xtalgraph.structures import Crystal, CrystalStore


def nearest_distances(store: CrystalStore, k: int) -> np.ndarray:
    """What the command line hands over: the k smallest distances of each atom."""
    graph = build_graphs(store, GraphConfig("nearest", k, isolated="ignore"))
    centre = graph.centre.numpy()
    rank = np.arange(len(centre)) - np.searchsorted(centre, centre)
    distances = np.full((graph.n_atoms, k), np.inf)
    distances[centre, rank] = graph.distance.numpy()
    return distances


def find_same(crystals: list[Crystal]) -> list[list[int]]:
    store = CrystalStore.from_crystals(crystals)
    return find_duplicates(store, mean_distances(store, nearest_distances(store, 24)))


def stacking(layers: str) -> Crystal:
    """A close packing of carbon and silicon in layers A, B, C: polytypes of SiC."""
    a, step = 3.08, 2.515
    shifts = {"A": 0.0, "B": 1 / 3, "C": 2 / 3}
    n_layers = len(layers)
    lattice = np.array([[a, 0, 0], [-a / 2, a * np.sqrt(3) / 2, 0], [0, 0, step * n_layers]])
    silicon = [[shifts[x], 2 * shifts[x] % 1, row / n_layers] for row, x in enumerate(layers)]
    carbon = [[x, y, z + 0.75 / n_layers] for x, y, z in silicon]
    return Crystal(lattice, silicon + carbon, [14] * n_layers + [6] * n_layers)


SMALL = sorted(name for name, crystal in ZOO.items() if crystal.n_atoms <= 60)


@pytest.mark.parametrize("name", SMALL)
def test_the_same_structure_is_found_in_other_words(name: str) -> None:
    crystal = ZOO[name]
    words = [crystal, *transformed(crystal).values(), supercell(crystal)]
    assert find_same(words) == [list(range(len(words)))]


def test_different_structures_are_told_apart() -> None:
    polytypes = [stacking(layers) for layers in ("AB", "ABC", "ABCB", "ABCACB")]
    assert find_same(polytypes) == []
    by_formula_and_volume = find_duplicates(CrystalStore.from_crystals(polytypes))
    assert by_formula_and_volume == [[0, 1, 2, 3]]  # the negative twin: distances are needed
    stretched = Crystal(1.004 * ZOO["CsCl"].lattice, *_inside(ZOO["CsCl"]))
    assert find_same([ZOO["CsCl"], stretched]) == []


def _inside(crystal: Crystal) -> tuple[np.ndarray, np.ndarray]:
    return crystal.fractional_positions, crystal.atomic_numbers


def test_chunks_cover_the_store_once(shared_data: Path) -> None:
    store = read_dataset(shared_data / "castelli_perovskites.parquet").crystals
    store = store.take(np.tile(np.arange(len(store)), 4))
    firsts, parts = zip(*iterate_chunks(store), strict=True)
    assert len(parts) > 1
    assert list(firsts) == np.cumsum([0, *(len(part) for part in parts)])[:-1].tolist()
    assert sum(int(part.offsets[-1]) for part in parts) == store.offsets[-1]


def clean() -> Dataset:
    """Sixty binary oxides in cells of different sizes, with a target and a class."""
    metals = ["Fe", "Ni", "Co", "Cu", "Mn", "Cr"]
    dataset = make_dataset(
        [f"{metal} O" for metal in metals] * 10,
        energy=np.linspace(-1, 1, 60).tolist(),
        kind=["a", "b", None] * 20,
    )
    scales = np.linspace(1.0, 2.0, 60)[:, None, None]
    crystals = [
        Crystal(crystal.lattice * scale, *_inside(crystal), crystal.id)
        for crystal, scale in zip(dataset.crystals, scales, strict=True)
    ]
    store = CrystalStore.from_crystals(crystals)
    return Dataset("clean", store, dataset.columns, dataset.targets, "clean", "0")


def test_a_clean_set_has_neither_problems_nor_warnings() -> None:
    report = check_dataset(clean(), target="energy", nearest_distances=nearest_distances)
    assert (report.problems, report.warnings) == ([], [])
    assert report.ok
    assert report.lines()[-1] == "ready to train: 0 problems, 0 warnings"
    assert report.split == {"train": 36, "validation": 12, "test": 12}
    assert report.elements["O"] == 60
    assert report.targets[0].quantiles["0.5"] == pytest.approx(0, abs=1e-12)
    assert report.duplicates == []
    assert json.loads(json.dumps(report.to_dict()))["n_atoms"] == 120


def test_ties_are_counted_and_matter_to_the_rule_that_cuts() -> None:
    dataset = clean()
    count = check_dataset(dataset, nearest_distances=nearest_distances).n_ties
    assert count == 60
    report = check_dataset(dataset, nearest_distances=nearest_distances, rule="nearest")
    (warning,) = (line for line in report.warnings if "in 60 crystals the neighbours" in line)
    assert "12 and 13 are equally far" in warning
    assert f"'shell' does not: {dataset.ids[0]}, " in warning
    assert report.to_dict()["ties"] == dataset.ids.tolist()


def problem_of(dataset: Dataset, **options: object) -> str:
    report = check_dataset(dataset, **options)  # type: ignore[arg-type]
    assert not report.ok
    assert report.lines()[-1].startswith("training would fail")
    return "\n".join(report.problems)


def changed(**columns: list) -> Dataset:
    dataset = clean()
    table = make_dataset(["Fe"] * 60, **columns)
    return Dataset("made", dataset.crystals, table.columns, table.targets, "made", "")


@pytest.mark.parametrize(
    ("columns", "target", "message"),
    [
        ({"y": [1.0] * 60}, "y", "target 'y' is 1 for all 36 labels of the training set"),
        ({"y": [np.nan] * 60}, "y", "target 'y' has no label among"),
        ({"y": [1.0, np.inf] * 30}, "y", "column 'y' is infinite for 30 crystals, first 'x1'"),
        ({"kind": ["a"] * 60}, "kind", "all of the training set is 'a'"),
        (
            {"y": [1.0, np.nan, np.nan] + [np.nan] * 57},
            "y",
            "no label among the 12 crystals of the validation set",
        ),
        ({"y": [1.0] * 60}, "z", "unknown column 'z'"),
    ],
)
def test_targets_that_cannot_be_learnt(columns: dict, target: str, message: str) -> None:
    assert message in problem_of(changed(**columns), target=target)


def test_texts_are_no_numbers_and_fractions_no_classes() -> None:
    mixed = changed(y=["1.5"] * 58 + ["~1.5", "1,5"])
    message = problem_of(mixed, target="y", task="regression")
    assert "2 of 60 cells are no numbers: row 58 (id 'x58') '~1.5'" in message
    assert "is no class" in problem_of(clean(), target="energy", task="classification")
    with pytest.raises(UnknownName, match="Did you mean 'regression'"):
        check_dataset(clean(), target="energy", task="regresion")


def test_repeated_ids_and_impossible_splits() -> None:
    dataset = clean().take([0, 0, 1, 2, 3])
    assert "1 ids stand for several rows, first 'x0'" in problem_of(dataset)
    assert "more in all" not in problem_of(clean(), split="100,10,10")
    assert "60 or less in all" in problem_of(clean(), split="100,10,10")


def test_isolated_and_overlapping_atoms() -> None:
    crystals = list(clean().crystals)
    crystals[7] = Crystal(30 * np.eye(3), [[0, 0, 0]], [26], id="x7")
    store = CrystalStore.from_crystals(crystals)
    dataset = clean()
    dataset = Dataset("made", store, dataset.columns, dataset.targets, "made", "")
    message = problem_of(dataset, nearest_distances=nearest_distances)
    assert "1 crystals have a site without any neighbour within the cutoff: x7" in message

    def overlapping(store: CrystalStore, k: int) -> np.ndarray:
        return np.full((int(store.offsets[-1]), k), 0.3)

    report = check_dataset(dataset, nearest_distances=overlapping)
    assert "60 crystals have two atoms nearer than 0.5 Å" in report.problems[0]
    assert report.rejected[0] == {"id": "x0", "reason": "two atoms nearer than 0.5 Å"}


def test_outliers_rare_elements_and_classes_are_warned_of() -> None:
    labels = [*np.linspace(0, 1, 59).tolist(), 50.0]
    report = check_dataset(changed(y=labels), target="y")
    assert report.targets[0].outliers == (("x59", 50.0),)
    assert any("1 outliers" in line and "x59 (50)" in line for line in report.warnings)
    few = make_dataset(["Fe O"] * 56 + ["Lr O"] * 4, kind=["a"] * 57 + ["b"] * 3)
    refused = check_dataset(few, target="kind")
    warnings = "\n".join(refused.warnings)
    assert "elements in fewer than 5 crystals: Lr" in warnings
    assert ["no vector for Lr" in problem for problem in refused.problems] == [True]
    assert check_dataset(few, target="kind", known_elements=range(1, 119)).ok
    assert "classes of fewer than 5 crystals: b" in warnings
    assert "crystals look like another (formula and volume agree)" in warnings
    assert any(
        "12 labels; expect" in w
        for w in check_dataset(few.take(range(48, 60)), target="kind").warnings
    )


def test_outliers_where_the_quartiles_coincide() -> None:
    values = np.array([0.0] * 999 + [1.0])
    assert np.flatnonzero(find_outliers(values)).tolist() == [999]
    assert not find_outliers(np.array([0.0] * 90 + [1.0] * 10)).any()
    assert not find_outliers(np.array([np.nan, np.nan])).any()


def test_the_same_structure_with_other_labels() -> None:
    dataset = clean()
    twins = dataset.take([*range(60), 0])
    labels = [*np.linspace(-1, 1, 60).tolist(), 1.0]
    table = make_dataset(["Fe"] * 61, y=labels)
    store = CrystalStore(
        twins.crystals.lattices,
        twins.crystals.fractional_positions,
        twins.crystals.atomic_numbers,
        twins.crystals.offsets,
        table.ids,
    )
    twins = Dataset("made", store, table.columns, table.targets, "made", "")
    report = check_dataset(twins, target="y", nearest_distances=nearest_distances)
    assert report.duplicates == [["x0", "x60"]]
    warnings = "\n".join(report.warnings)
    assert (
        "1 crystals look like another (formula, volume and 24 mean distances agree): x0" in warnings
    )
    assert "x0 = x60 (differ by 2)" in warnings


def test_a_source_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    report = check_dataset(tmp_path / "nowhere.csv")
    assert isinstance(report, CheckReport)
    assert "there is no such file or folder" in report.problems[0]


def test_broken_rows_are_problems_with_their_reasons(tmp_path: Path) -> None:
    rows = ["id,lattice,species,frac,y"]
    for row in range(20):
        frac = "[0, 0]" if row == 3 else "[0, 0, 0]"
        rows.append(f'r{row},"[3, 3, 3, 90, 90, 90]","[""Fe""]","{frac}",{row}')
    (tmp_path / "data.csv").write_text("\n".join(rows))
    report = check_dataset(tmp_path / "data.csv", target="y")
    assert report.n_crystals == 19
    assert (
        "1 of 20 crystals cannot be read:\n  r3: 1 species but 2 coordinates" in report.problems[0]
    )


def test_the_real_tables_are_ready(shared_data: Path) -> None:
    source = shared_data / "castelli_perovskites.parquet"
    report = check_dataset(source, target="energy_above_hull", split="column:split")
    assert report.problems == []
    assert report.n_crystals == 15143
    assert "energy_above_hull [eV/atom]: 15,143 labels" in "\n".join(report.lines())


def test_the_known_faults_of_a_real_table(shared_data: Path) -> None:
    source = shared_data / "materials_project_36k.parquet"
    report = check_dataset(source, target="formation_energy_per_atom,fermi_energy")
    assert {"mp-690564", "mp-778012"} <= {id for id, _ in report.targets[0].outliers}
    assert any("outliers" in line and "mp-778012 (-13.5" in line for line in report.warnings)
    assert report.targets[1].n_missing == 2
