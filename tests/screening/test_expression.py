"""The language of conditions: what it computes, and that nothing else gets through."""

import numpy as np
import pandas as pd
import pytest

from xtalgraph.errors import BadConfig, UnknownName
from xtalgraph.screening import compile_expression

COLUMNS = {
    "energy": np.array([-0.2, 0.0, 0.3, np.nan]),
    "gap": np.array([1.5, 0.5, 3.0, 2.0]),
    "A": np.array(["Sr", "Ti", "Ba", "Sr"], dtype=object),
    "new": np.array([True, False, True, True]),
}


def find(text: str) -> list[bool]:
    return compile_expression(text, list(COLUMNS)).test(COLUMNS).tolist()


@pytest.mark.parametrize(
    "text",
    [
        "energy < 0.1 and gap > 1",
        "energy < 0.1 or gap >= 3",
        "not energy < 0.1",
        "0 <= energy < 0.4",
        "abs(gap - 1.5) < 0.6",
        "-energy * 2 + gap / 2 - 1 > gap ** 2 - 1",
        "A == 'Sr' and new",
        "A != 'Sr'",
        "A in ('Sr', 'Ba') and A not in ['Ba']",
        "gap == 3 or gap in (0.5, 1.5)",
    ],
)
def test_it_computes_what_pandas_computes(text: str) -> None:
    frame = pd.DataFrame(COLUMNS)
    expected = frame.query(text, engine="python").index
    assert np.flatnonzero(find(text)).tolist() == expected.tolist()


def test_smaller_and_larger_of_two() -> None:
    found = compile_expression("max(min(gap, 2), 1) * -1", list(COLUMNS)).measure(COLUMNS)
    assert found.tolist() == [-1.5, -1.0, -2.0, -2.0]


def test_a_constant_holds_for_every_row() -> None:
    assert find("1 < 2") == [True] * 4


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "gap.__class__",
        "A[0] == 'Sr'",
        "(lambda: gap)() > 1",
        "[x for x in gap]",
        "f'{gap}' == ''",
        "gap if gap else energy",
        "abs(gap, energy) > 1",
        "abs(x=gap) > 1",
        "max(gap) > 1",
        "exec(gap)",
        "abs.__call__(gap) > 1",
        "gap @ gap > 1",
        "gap % 2 == 1",
        "gap & 1",
        "~new",
        "gap is None",
        "A in 'Sr'",
        "gap in (1, 2) < 3",
        "gap == (1, 2)",
        "gap > 1j",
        "gap > None",
        "b'x' == A",
        "(gap := 3) > 1",
        "*gap",
        "print > 1",
    ],
)
def test_what_is_not_in_the_language_is_refused(text: str) -> None:
    with pytest.raises(
        (BadConfig, UnknownName), match=r"not allowed|cannot be read|unknown column"
    ):
        compile_expression(text, list(COLUMNS))


@pytest.mark.parametrize("text", ["gap >", "", "gap > 1; energy", "gap = 1", "(" * 300, "a" * 2000])
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(BadConfig):
        compile_expression(text, list(COLUMNS))


def test_deep_nesting_is_no_crash() -> None:
    text = "not " * 245 + "new"
    assert find(text) == find("not new")


def test_a_wrong_column_is_answered_with_those_there_are() -> None:
    with pytest.raises(UnknownName, match=r"Did you mean 'energy'\? Legal: A, energy, gap, new"):
        compile_expression("enrgy < 1", list(COLUMNS))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("gap + 1", "gives numbers, not true or false"),
        ("A < 3", "texts and numbers are mixed"),
        ("gap and energy < 1", "and, or and not stand between comparisons"),
        ("abs(A) > 1", "texts and numbers are mixed"),
    ],
)
def test_a_condition_of_the_wrong_kind_is_refused(text: str, what: str) -> None:
    with pytest.raises(BadConfig, match=what):
        find(text)


def test_texts_are_no_rank() -> None:
    with pytest.raises(BadConfig, match="not numbers to rank by"):
        compile_expression("A", list(COLUMNS)).measure(COLUMNS)


def test_powers_do_not_grow_without_end() -> None:
    assert find("gap < 9 ** 9 ** 9 ** 9 ** 9") == [True] * 4
