"""What is learned is checked before anything is trained."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.training.tiny import make_tiny
from xtalgraph.data import Dataset, order_classes
from xtalgraph.data.question import read_target_names
from xtalgraph.data.splits import Split
from xtalgraph.errors import BadConfig, BadCrystal, BadDataset, UnknownName
from xtalgraph.evaluation.labels import choose_task
from xtalgraph.graphs import GraphConfig
from xtalgraph.structures import Crystal, CrystalStore
from xtalgraph.training.problem import pose_problem, refuse_bad_crystals

TINY = make_tiny()
ALL = list(range(1, 119))


def rows(*ranges: range) -> Split:
    return Split(*(np.array(list(numbers), dtype=np.int64) for numbers in ranges))


def with_column(name: str, values: list) -> Dataset:
    columns = TINY.columns.assign(**{name: pd.Series(values, dtype=object)})
    return replace(TINY, columns=columns)


def test_the_normaliser_knows_the_training_part_alone() -> None:
    split = rows(range(20), range(20, 30), range(30, 40))
    problem = pose_problem(TINY, "energy", split=split)
    assert problem.normaliser.mean[0] == pytest.approx(TINY.columns["energy"][:20].mean())
    assert problem.normaliser.std[0] == pytest.approx(TINY.columns["energy"][:20].std(ddof=0))

    def shifted(part: slice) -> Dataset:
        columns = TINY.columns.copy()
        columns.loc[part, "energy"] += 100.0
        return replace(TINY, columns=columns)

    unseen = pose_problem(shifted(slice(20, 39)), "energy", split=split)
    assert unseen.normaliser == problem.normaliser
    seen = pose_problem(shifted(slice(0, 5)), "energy", split=split)
    assert seen.normaliser != problem.normaliser


def test_crystals_without_any_label_are_left_out() -> None:
    split = rows(range(20), range(20, 30), range(30, 40))
    one = pose_problem(TINY, "gap", split=split)
    assert one.rows("train").tolist() == [row for row in range(20) if row % 3]
    both = pose_problem(TINY, ["gap", "energy"], split=split)
    assert both.rows("train").tolist() == list(range(20))
    assert both.standardized_labels[0].isnan().tolist() == [True, False]
    assert [target.name for target in both.task.targets] == ["gap", "energy"]


def test_classes_are_ordered_as_numbers_are() -> None:
    problem = pose_problem(TINY, "trio", task="classification")
    assert problem.task.classes == ("9", "10", "11")
    assert [problem.task.classes[number] for number in problem.labels] == TINY.columns[
        "trio"
    ].tolist()
    assert problem.normaliser is None


def test_elements_are_those_of_the_training_part() -> None:
    split = rows(range(2), range(2, 30), range(30, 40))
    symbols = set(pose_problem(TINY, "energy", split=split).elements)
    assert symbols == set(TINY.crystals[0].symbols) | set(TINY.crystals[1].symbols)


@pytest.mark.parametrize(
    ("targets", "task", "error", "message"),
    [
        ("energi", "regression", UnknownName, "Did you mean 'energy'"),
        ("kind", "regression", BadDataset, "holds no numbers"),
        ("energy", "regresion", UnknownName, "Did you mean 'regression'"),
        ("energy", "classification", BadDataset, "is no class"),
        ("kind,trio", "classification", BadConfig, "classification needs one target"),
        ("energy,energy", "regression", BadConfig, "each once"),
        ("constant", "regression", BadDataset, "There is nothing to learn"),
        ("", "regression", BadConfig, "no target is named"),
        ("energy,,gap", "regression", BadConfig, "no target is named"),
    ],
)
def test_a_question_that_cannot_be_learned_is_refused(
    targets: str, task: str, error, message: str
) -> None:
    with pytest.raises(error, match=message):
        pose_problem(TINY, targets, task=task)


def test_target_names_are_read_from_text_or_list() -> None:
    assert read_target_names(" a, b") == read_target_names(["a", "b"]) == ["a", "b"]


def test_a_part_without_labels_is_refused() -> None:
    blank = [row for row in range(40) if row % 3 == 0]
    others = [row for row in range(40) if row % 3]
    with pytest.raises(BadDataset, match="'gap' has no label among the 14 crystals of the val"):
        pose_problem(TINY, "gap", split=Split(np.array(others), np.array(blank), np.array([], int)))
    labels = [None if row % 3 == 0 else str(row % 2) for row in range(40)]
    split = Split(np.array(blank), np.array(others), np.array([], int))
    with pytest.raises(BadDataset, match="'flag' has no label among the 14 crystals of the train"):
        pose_problem(with_column("flag", labels), "flag", task="classification", split=split)


def test_training_and_report_have_one_order_of_classes() -> None:
    words = ["10", "-1", "metal", "0", "2.5", "nan", "Metal", "9"]
    dataset = with_column("kind", [words[row % len(words)] for row in range(len(TINY))])
    expected = ("-1", "0", "2.5", "9", "10", "Metal", "metal", "nan")
    split = rows(range(24), range(24, 32), range(32, 40))
    assert (
        pose_problem(dataset, "kind", task="classification", split=split).task.classes == expected
    )
    assert choose_task(dataset, ["kind"], "classification").classes == expected
    assert order_classes(words) == expected


def test_classes_that_cannot_be_learned_are_refused() -> None:
    one = with_column("flag", ["a"] * 40)
    with pytest.raises(BadDataset, match="all of the training set is 'a'"):
        pose_problem(one, "flag", task="classification")
    late = with_column("flag", ["a", "b"] * 19 + ["a", "c"])
    split = rows(range(20), range(20, 30), range(30, 40))
    with pytest.raises(BadDataset, match="test set has the class 'c', which the training set"):
        pose_problem(late, "flag", task="classification", split=split)
    unused = rows(range(20), range(20, 30), range(30, 38))
    assert pose_problem(late, "flag", task="classification", split=unused).task.classes == (
        "a",
        "b",
    )


def test_a_split_of_another_data_set_is_refused() -> None:
    with pytest.raises(BadDataset, match="rows 0 to 40, but the data set has 40 crystals"):
        pose_problem(TINY, "energy", split=rows(range(20), range(20, 30), range(30, 41)))


def with_crystals(bad: dict[int, Crystal]) -> Dataset:
    crystals = [bad.get(row, crystal) for row, crystal in enumerate(TINY.crystals)]
    return replace(TINY, crystals=CrystalStore.from_crystals(crystals))


LONELY = Crystal(30 * np.eye(3), [[0, 0, 0]], [11], "lonely")
CLASH = Crystal(4 * np.eye(3), [[0, 0, 0], [0.01, 0, 0]], [11, 17], "clash")


def test_bad_crystals_are_found_before_training_and_named_together() -> None:
    split = rows(range(20), range(20, 30), range(30, 40))
    good = pose_problem(TINY, "energy", split=split)
    refuse_bad_crystals(good, ALL, GraphConfig())
    one = pose_problem(with_crystals({35: LONELY}), "energy", split=split)
    with pytest.raises(BadCrystal, match=r"'lonely', site 0: no neighbour within 8.0 Å. Raise"):
        refuse_bad_crystals(one, ALL, GraphConfig())
    refuse_bad_crystals(one, ALL, GraphConfig(isolated="ignore"))
    two = pose_problem(with_crystals({35: LONELY, 3: CLASH}), "energy", split=split)
    with pytest.raises(BadDataset, match=r"(?s)2 crystals have no usable.*clash.*lonely"):
        refuse_bad_crystals(two, ALL, GraphConfig())
    unused = rows(range(4, 20), range(20, 30), range(30, 35))
    refuse_bad_crystals(pose_problem(two.dataset, "energy", split=unused), ALL, GraphConfig())


def test_an_element_without_a_vector_is_refused() -> None:
    problem = pose_problem(TINY, "energy")
    with pytest.raises(BadCrystal, match="no vector for K"):
        refuse_bad_crystals(problem, [number for number in ALL if number != 19], GraphConfig())
