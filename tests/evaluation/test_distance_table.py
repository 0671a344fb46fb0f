"""A CSV of identifier, space group and distances is all that the distance classifier needs."""

from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.conftest import make_dataset
from xtalgraph.data import Dataset, write_parquet
from xtalgraph.errors import BadDataset, Rejected
from xtalgraph.evaluation.baselines import make_baseline
from xtalgraph.evaluation.distance_table import (
    is_distance_table,
    pad_distances,
    read_distances,
    read_labelled,
    shortest_distances,
    write_distances,
)
from xtalgraph.evaluation.labels import choose_task, guess_task
from xtalgraph.studies import cross_validate

ROWS = "a,225,2.1,2.1,3.0\nb,62,1.9,2.0\nc,225,2.2,2.2,3.1,3.1\nd,62,1.8,2.4,2.5\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        ROWS,
        "id,space_group,distance 1,distance 2\n" + ROWS,
        "name,Space Group,distances\n" + ROWS,
        'a,225,"[2.1, 2.1, 3.0]"\nb,62,1.9 2.0\nc,225,2.2;2.2;3.1;3.1\nd,62,"(1.8,2.4,2.5)"\n',
        "a,225,2.1,2.1,3.0,\nb,62,1.9,2.0,,\n\nc,225,2.2,2.2,3.1,3.1\nd, 62,1.8,2.4,2.5,\n",
    ],
    ids=["no header", "header", "other header", "lists in a cell", "blank cells"],
)
def test_every_way_to_write_it_gives_the_same(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    assert is_distance_table(path)
    dataset = read_labelled(path)
    assert dataset.ids.tolist() == ["a", "b", "c", "d"]
    assert dataset.labels("space_group").tolist() == ["225", "62", "225", "62"]
    assert dataset.labels("crystal_system").tolist() == 2 * ["cubic", "orthorhombic"]
    lists = [distances.tolist() for distances in dataset.lists]
    assert lists == [[2.1, 2.1, 3.0], [1.9, 2.0], [2.2, 2.2, 3.1, 3.1], [1.8, 2.4, 2.5]]
    assert guess_task(dataset, ["space_group"]) == "classification"


def test_lists_are_sorted_cut_and_filled_with_the_cutoff(tmp_path: Path) -> None:
    dataset = read_distances(write(tmp_path, "a,1,3.0,2.0,9.5\nb,2,1.0\n"))
    model = make_baseline("distance_mlp")
    found = model._find_distances(dataset, np.array([0, 1]))
    np.testing.assert_array_equal(found[0], [2.0, 3.0, *62 * [8.0]])  # 9.5 lies beyond 8
    np.testing.assert_array_equal(found[1], [1.0, *63 * [8.0]])
    np.testing.assert_array_equal(pad_distances([np.array([3.0, 1.0, 2.0])], 2, 8.0), [[1.0, 2.0]])


def test_bad_rows_are_refused_together_or_left_out(tmp_path: Path) -> None:
    text = ROWS + "e,62,two\nf,62\n,62,1.0\ng,62,-1.0,2.0\nh,62,nan\ni,62,,\n"
    path = write(tmp_path, text)
    with pytest.raises(BadDataset, match=r"6 of 10 rows cannot be read:") as error:
        read_distances(path)
    assert "e: line 5: a distance is not a number above 0" in str(error.value)
    assert "f: line 6: 2 cells; it needs an identifier" in str(error.value)
    assert "line 7: line 7: the identifier is blank" in str(error.value)
    assert "i: line 10: no distance" in str(error.value)
    rejected: list[Rejected] = []
    assert read_distances(path, rejected=rejected).ids.tolist() == ["a", "b", "c", "d"]
    assert len(rejected) == 6
    with pytest.raises(BadDataset, match="no row of identifier, space group and distances"):
        read_distances(write(tmp_path, "id,space_group,distances\n"))


def test_other_tables_are_not_taken_for_it(tmp_path: Path, dataset: Dataset) -> None:
    assert not is_distance_table(tmp_path / "none.csv")
    assert not is_distance_table(write_parquet(dataset, tmp_path / "table.parquet"))
    assert not is_distance_table(write(tmp_path, "id,cif,gap\na,data_a,1.0\n"))
    assert not is_distance_table(write(tmp_path, "a,1.0\nb,2.0\n"))
    path = write(tmp_path, ROWS)
    assert is_distance_table(path)
    (tmp_path / "a.cif").write_text("data_a\n")  # so these are targets of structures beside them
    assert not is_distance_table(path)


def test_a_written_table_is_learned_as_the_structures_are(tmp_path: Path) -> None:
    dataset = make_dataset(40)
    path = write_distances(dataset, tmp_path / "distances.csv", label="kind")
    table = read_labelled(path)
    assert table.labels("kind").tolist() == dataset.labels("kind").tolist()
    model = make_baseline("distance_mlp")
    rows = np.arange(40)
    expected = shortest_distances(dataset.crystals)
    np.testing.assert_allclose(model._find_distances(table, rows), expected, atol=1e-6)
    assert model._find_distances(dataset, rows).shape == expected.shape


def test_such_a_file_alone_can_be_cross_validated(tmp_path: Path, dataset: Dataset) -> None:
    table = read_labelled(write_distances(dataset, tmp_path / "distances.csv"))
    task = choose_task(table, ["space_group"], "classification")
    assert task.classes == ("99", "123", "221")[: len(task.classes)] or len(task.classes) > 1
    result = cross_validate(
        table,
        ["space_group"],
        ["most_common", "random", "distance_mlp"],
        task="classification",
        n_folds=3,
        out=tmp_path / "out",
    )
    scores = result.summary().set_index("model")["accuracy"]
    assert scores["distance_mlp"] > scores["most_common"] + 0.1
    for model in ("composition_forest", "cgcnn"):
        with pytest.raises(BadDataset, match=f"table of distances, and '{model}' needs structures"):
            cross_validate(
                table, ["space_group"], [model], task="classification", out=tmp_path / "other"
            )
