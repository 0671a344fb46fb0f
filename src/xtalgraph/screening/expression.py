"""The language of --where and --rank-by: comparisons and arithmetic of columns, and nothing else.

A text is parsed by Python and then judged piece by piece; what is not in the short list below is
refused, so that no expression can call, import or read anything.
"""

from __future__ import annotations

import ast
import operator
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from itertools import pairwise
from operator import itemgetter
from typing import Any

import numpy as np

from xtalgraph.errors import BadConfig, UnknownName

_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_SIGNS: dict[type, Callable[[Any], Any]] = {
    ast.Not: lambda value: np.logical_not(_truth(value)),
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_COMPARISONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_FUNCTIONS: dict[str, np.ufunc] = {"abs": np.abs, "min": np.minimum, "max": np.maximum}
ALLOWED = (
    "numbers, texts in quotes, column names, + - * / **, < <= > >= == !=, in (…), and, or, not, "
    "abs(x), min(x, y), max(x, y)"
)
_LONGEST = 1000  # characters
Program = list[tuple[Callable[..., Any], int]]
"""Steps: a function, and of how many of the values before it; 0 where it takes the columns."""


@dataclass(frozen=True, eq=False)
class Expression:
    """A legal expression over some columns.

    >>> where = compile_expression("gap > 1 and A in ('Sr', 'Ba')", ["gap", "A"])
    >>> where.test({"gap": np.array([2.0, 2.0, 0.5]), "A": np.array(["Sr", "Ti", "Ba"])}).tolist()
    [True, False, False]
    """

    text: str
    tree: ast.expr
    program: Program

    @property
    def names(self) -> set[str]:
        """The columns that are used."""
        calls = {id(node.func) for node in ast.walk(self.tree) if isinstance(node, ast.Call)}
        return {
            node.id
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Name) and id(node) not in calls
        }

    @property
    def limits(self) -> dict[str, list[float]]:
        """The numbers that single columns are compared with, by column.

        >>> compile_expression("0 < gap < 2 and hull <= -0.1", ["gap", "hull"]).limits
        {'gap': [0.0, 2.0], 'hull': [-0.1]}
        """
        found: dict[str, list[float]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Compare):
                for left, right in pairwise([node.left, *node.comparators]):
                    for column, number in ((left, right), (right, left)):
                        value = _as_number(number)
                        if isinstance(column, ast.Name) and value is not None:
                            found.setdefault(column.id, []).append(value)
        return found

    def test(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return one truth value a row; a missing number only differs (!=)."""
        result = self._evaluate(columns)
        if result.dtype != bool:
            raise BadConfig(
                f"{self.text!r} gives numbers, not true or false. Compare it with something."
            )
        return result

    def measure(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return one number a row."""
        result = self._evaluate(columns)
        if result.dtype.kind not in "fiub":
            raise BadConfig(f"{self.text!r} gives texts, not numbers to rank by.")
        return result.astype(np.float64)

    def _evaluate(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        n_rows = len(next(iter(columns.values())))
        values: list[Any] = []
        try:
            with np.errstate(all="ignore"):
                for function, n_parts in self.program:
                    parts = values[len(values) - n_parts :] if n_parts else [columns]
                    del values[len(values) - n_parts :]
                    values.append(function(*parts))
                return np.broadcast_to(np.asarray(values[0]), (n_rows,))
        except (TypeError, np.exceptions.DTypePromotionError) as error:
            raise BadConfig(
                f"{self.text!r}: texts and numbers are mixed ({error}). Compare texts by ==, != or "
                "in."
            ) from error


def compile_expression(text: str, columns: Sequence[str]) -> Expression:
    """Return a parsed expression, ready to be evaluated.

    Args:
        text: Comparisons and arithmetic of columns.
        columns: The names of the columns.

    Returns:
        The expression.

    Raises:
        BadConfig: Some part of the text is not allowed.
        UnknownName: There is no such column.

    >>> compile_expression("band_gap > 1", ["band_gp"])
    Traceback (most recent call last):
    ...
    xtalgraph.errors.UnknownName: unknown column 'band_gap'. Did you mean 'band_gp'? Legal: band_gp.
    """
    if len(text) > _LONGEST:
        raise BadConfig(f"an expression of {len(text)} characters; {_LONGEST} are the most.")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise BadConfig(f"{text!r} cannot be read. Write with {ALLOWED}.") from error
    expression = Expression(text, tree, _compile(tree, text))
    for name in sorted(expression.names):
        if name not in columns:
            raise UnknownName("column", name, columns)
    return expression


def _compile(tree: ast.expr, text: str) -> Program:
    """Return the steps of an expression; raise where a piece is not in the list."""
    program, waiting = [], [tree]
    while waiting:  # no recursion, so that pieces may be nested as deep as they like
        function, parts = _read_piece(waiting.pop(), text)
        program.append((function, len(parts)))
        waiting += parts
    return program[::-1]


def _read_piece(node: ast.expr, text: str) -> tuple[Callable[..., Any], list[ast.expr]]:
    """Return what computes a piece from the values of its parts, and these parts."""
    if isinstance(node, ast.Name):
        return itemgetter(node.id), []
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | float | str):
        return partial(_constant, node.value), []
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        if abs(node.value) > sys.float_info.max:
            raise BadConfig(f"{text!r}: a number is larger than a float can hold.")
        return partial(_constant, np.float64(node.value)), []  # no power of floats grows for ever
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        return _ARITHMETIC[type(node.op)], [node.left, node.right]
    if isinstance(node, ast.UnaryOp) and type(node.op) in _SIGNS:
        return _SIGNS[type(node.op)], [node.operand]
    if isinstance(node, ast.BoolOp):
        combine = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
        return (lambda *parts: reduce(combine, map(_truth, parts))), node.values
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        function = _FUNCTIONS.get(node.func.id)
        if function is not None and len(node.args) == function.nin:
            return function, node.args
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
        members, is_in = node.comparators[0], isinstance(node.ops[0], ast.In)
        if len(node.ops) == 1 and isinstance(members, ast.Tuple | ast.List):
            return partial(_is_member, is_in), [node.left, *members.elts]
    elif isinstance(node, ast.Compare) and all(type(sign) in _COMPARISONS for sign in node.ops):
        signs = [_COMPARISONS[type(sign)] for sign in node.ops]
        return partial(_compare, signs), [node.left, *node.comparators]
    piece = ast.get_source_segment(text.strip(), node) or text
    raise BadConfig(f"{piece!r} in {text!r} is not allowed. Write with {ALLOWED}.")


def _constant(value: Any, columns: Mapping[str, np.ndarray]) -> Any:
    return value


def _is_member(is_in: bool, left: Any, *members: Any) -> Any:
    found = reduce(operator.or_, (left == member for member in members), np.bool_(False))
    return found if is_in else np.logical_not(found)


def _compare(signs: Sequence[Callable[[Any, Any], Any]], *sides: Any) -> Any:
    """Return what a chain such as 0 < x <= 1 says."""
    holds = (sign(left, right) for sign, (left, right) in zip(signs, pairwise(sides), strict=True))
    return reduce(np.logical_and, holds, np.bool_(True))


def _as_number(node: ast.expr) -> float | None:
    """Return the number that is written there, with its sign."""
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return None
    return float(value) if isinstance(value, int | float) else None


def _truth(value: Any) -> Any:
    """Refuse what is neither true nor false as a part of and, or, not."""
    if np.asarray(value).dtype != bool:
        raise TypeError("and, or and not stand between comparisons")
    return value
