"""The autograder: full marks for the solution, and for each planted mistake what it costs."""

from __future__ import annotations

from types import SimpleNamespace

import build
import checks
import hidden_checks
import pytest
import torch

from tests.course.planted import PLANTED, Planted

SOLUTION = build.make_texts("solution")["solution/model_hw.py"]
STUDENT = build.make_texts("student")["student/model_hw.py"]
FULL = {
    "expand_distances": 6,
    "describe_edges": 6,
    "sum_by_group": 6,
    "NoConvolution": 4,
    "SharedConvolution": 8,
    "GatedConvolution": 12,
    "pool": 8,
    "CrystalNetwork": 8,
    "training_step": 8,
}


def submit(text: str) -> dict:
    """Give the global names of a submission; of one that stops, those that it came to."""
    names: dict = {"__name__": "model_hw"}
    try:
        exec(compile(text, "model_hw.py", "exec"), names)
    except (SyntaxError, NameError):
        return names
    return names


def test_the_solution_has_full_marks() -> None:
    assert hidden_checks.grade(submit(SOLUTION)) == FULL
    assert sum(FULL.values()) == 66


def test_gaps_have_no_marks_and_are_told_as_gaps(capsys: pytest.CaptureFixture[str]) -> None:
    names = submit(STUDENT)
    assert not any(hidden_checks.grade(names).values())
    checks.check(SimpleNamespace(**names))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 * len(checks.CHECKS)
    assert set(lines[1::2]) == {"    not written yet"}


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_a_planted_mistake_costs_what_it_should(planted: Planted) -> None:
    assert SOLUTION.count(planted.old) == 1
    marks = hidden_checks.grade(submit(SOLUTION.replace(planted.old, planted.new)))
    lost = {name: FULL[name] - points for name, points in marks.items() if points < FULL[name]}
    assert lost == planted.lost


def test_there_are_enough_planted_mistakes_in_every_question() -> None:
    assert len(PLANTED) >= 12
    assert {name for planted in PLANTED for name in planted.lost} == set(FULL)


def test_a_file_that_stops_has_the_marks_of_what_stands_before() -> None:
    before = SOLUTION.partition("class NoConvolution")[0]
    marks = hidden_checks.grade(submit(before + "\nraise_an_error_here\n"))
    assert {name for name, points in marks.items() if points} == {
        "expand_distances",
        "describe_edges",
        "sum_by_group",
    }
    assert not any(hidden_checks.grade(submit("def broken(:\n")).values())


def test_every_question_is_checked_in_sight_and_out_of_it() -> None:
    assert {check.question for check in checks.CHECKS} == set(FULL)
    assert {check.question for check in hidden_checks.HIDDEN} == set(FULL)
    assert all(check.points > 0 for check in hidden_checks.all_checks())


def test_the_grader_leaves_a_submission_as_it_was() -> None:
    names = submit(SOLUTION)
    before = dict(names), names["GatedConvolution"].forward
    hidden_checks.grade(names)
    assert (dict(names), names["GatedConvolution"].forward) == before


# What a student is told.


def explain_wrong(got: object) -> str:
    with pytest.raises(checks.Wrong) as caught:
        checks.compare("atom vectors", got, torch.tensor([[1.0, 2.0]]), "the residual.")
    return str(caught.value)


def test_a_message_has_quantity_place_expected_got_and_where_to_look() -> None:
    message = explain_wrong(torch.tensor([[1.0, 2.5]]))
    assert message == (
        "atom vectors[0, 1]: expected 2, got 2.5 (1 of 2 numbers are off). "
        "Look again: the residual."
    )


@pytest.mark.parametrize("offset", [-1000.0, -0.01, 0.01, 1000.0])
def test_both_sides_of_a_number_are_tested(offset: float) -> None:
    assert "expected 1, got" in explain_wrong(torch.tensor([[1.0 + offset, 2.0]]))


def test_the_shape_comes_before_the_numbers() -> None:
    assert "expected shape (1, 2), got (2,)" in explain_wrong(torch.tensor([1.0, 2.0]))
    assert "expected a tensor, got list" in explain_wrong([[1.0, 2.0]])
    assert "not finite" in explain_wrong(torch.tensor([[1.0, torch.nan]]))


def test_rounding_and_another_order_of_neighbours_are_no_mistakes() -> None:
    expected = torch.tensor([[1.0, 2.0]])
    checks.compare("atom vectors", expected * (1 + 5e-5), expected, "")
    names, graph = submit(SOLUTION), hidden_checks.draw_graph(seed=3)
    order = torch.arange(31).flip(0)
    turned = SimpleNamespace(
        **{**vars(graph), "centre": graph.centre[order], "neighbour": graph.neighbour[order]}
    )
    student = SimpleNamespace(**names)
    atoms, bonds = hidden_checks.draw(7, 4, seed=1), hidden_checks.draw(31, 3, seed=2)
    for name in ("SharedConvolution", "GatedConvolution"):
        convolution = hidden_checks.make_convolution(student, name)
        once, again = convolution(atoms, bonds, graph), convolution(atoms, bonds[order], turned)
        checks.compare(name, again, once, "")


def test_a_question_without_checks_is_refused() -> None:
    with pytest.raises(ValueError, match="some for expand_distances"):
        checks.check(SimpleNamespace(), "expand_distance")
