"""The language of --where and --rank-by: comparisons and arithmetic of columns, and nothing else.

A text is parsed by Python and then judged piece by piece; what is not in the short list below is
refused, so that no expression can call, import or read anything.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
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
_COMPARISONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": np.abs,
    "min": np.minimum,
    "max": np.maximum,
}
ALLOWED = (
    "numbers, texts in quotes, column names, + - * / **, < <= > >= == !=, in (…), and, or, not, "
    "abs(x), min(x, y), max(x, y)"
)
_LONGEST = 1000  # characters; it also bounds how deep pieces can be nested


@dataclass(frozen=True, eq=False)
class Expression:
    """A legal expression over some columns.

    >>> where = compile_expression("gap > 1 and A in ('Sr', 'Ba')", ["gap", "A"])
    >>> where.test({"gap": np.array([2.0, 2.0, 0.5]), "A": np.array(["Sr", "Ti", "Ba"])}).tolist()
    [True, False, False]
    """

    text: str
    tree: ast.expr

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
        try:
            with np.errstate(all="ignore"):
                return np.broadcast_to(np.asarray(_value(self.tree, columns)), (n_rows,))
        except (TypeError, np.exceptions.DTypePromotionError) as error:
            raise BadConfig(
                f"{self.text!r}: texts and numbers are mixed ({error}). Compare texts by ==, != or "
                "in."
            ) from error


def compile_expression(text: str, columns: Sequence[str]) -> Expression:
    """Return the expression of a text, or say which piece is not allowed or which column not there.

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
    expression = Expression(text, tree)
    _refuse_illegal(tree, text)
    for name in sorted(expression.names):
        if name not in columns:
            raise UnknownName("column", name, columns)
    return expression


def _refuse_illegal(node: ast.AST, text: str) -> None:
    """Raise where a piece is not in the list."""
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        n_arguments = 1 if name == "abs" else 2
        if name not in _FUNCTIONS or node.keywords or len(node.args) != n_arguments:
            raise _not_allowed(node, text)
        children: list[ast.AST] = list(node.args)
    elif isinstance(node, ast.Compare):
        for sign, right in zip(node.ops, node.comparators, strict=True):
            is_membership = isinstance(sign, ast.In | ast.NotIn)
            if is_membership != isinstance(right, ast.Tuple | ast.List):
                raise _not_allowed(node, text)
            if is_membership and len(node.ops) > 1:  # nobody would know what it means
                raise _not_allowed(node, text)
            if not is_membership and type(sign) not in _COMPARISONS:
                raise _not_allowed(node, text)
        children = [node.left]
        for right in node.comparators:
            children += right.elts if isinstance(right, ast.Tuple | ast.List) else [right]
    elif isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        children = [node.left, node.right]
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.UAdd):
        children = [node.operand]
    elif isinstance(node, ast.BoolOp):
        children = list(node.values)
    elif isinstance(node, ast.Name) or _is_plain(node):
        children = []
    else:
        raise _not_allowed(node, text)
    for child in children:
        _refuse_illegal(child, text)


def _as_number(node: ast.expr) -> float | None:
    """Return the number that is written there, with its sign."""
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return None
    return float(value) if isinstance(value, int | float) else None


def _is_plain(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float | str)


def _not_allowed(node: ast.AST, text: str) -> BadConfig:
    piece = ast.get_source_segment(text.strip(), node) or text
    return BadConfig(f"{piece!r} in {text!r} is not allowed. Write with {ALLOWED}.")


def _value(node: ast.expr, columns: Mapping[str, np.ndarray]) -> Any:
    """Return the value of a legal piece: an array, or one number or text."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, int) and not isinstance(node.value, bool):
            return np.float64(node.value)  # no power of floats grows without end
        return node.value
    if isinstance(node, ast.Name):
        return columns[node.id]
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left, columns), _value(node.right, columns)
        return _ARITHMETIC[type(node.op)](left, right)
    if isinstance(node, ast.UnaryOp):
        operand = _value(node.operand, columns)
        if isinstance(node.op, ast.Not):
            return np.logical_not(_truth(operand))
        return -operand if isinstance(node.op, ast.USub) else operand
    if isinstance(node, ast.BoolOp):
        combine = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
        parts = [_truth(_value(part, columns)) for part in node.values]
        return combine.reduce(np.broadcast_arrays(*parts))
    if isinstance(node, ast.Call):
        arguments = [_value(argument, columns) for argument in node.args]
        return _FUNCTIONS[node.func.id](*arguments)  # type: ignore[attr-defined]
    return _compare(node, columns)  # type: ignore[arg-type]


def _compare(node: ast.Compare, columns: Mapping[str, np.ndarray]) -> Any:
    """Return what a chain such as 0 < x <= 1 says."""
    left, result = _value(node.left, columns), np.bool_(True)
    for sign, right_node in zip(node.ops, node.comparators, strict=True):
        if isinstance(right_node, ast.Tuple | ast.List):
            found: Any = np.bool_(False)
            for element in right_node.elts:
                found = found | (left == _value(element, columns))
            right, holds = None, (found if isinstance(sign, ast.In) else np.logical_not(found))
        else:
            right = _value(right_node, columns)
            holds = _COMPARISONS[type(sign)](left, right)
        result = np.logical_and(result, holds)
        left = right
    return result


def _truth(value: Any) -> Any:
    """Refuse what is neither true nor false as a part of and, or, not."""
    if np.asarray(value).dtype != bool:
        raise TypeError("and, or and not stand between comparisons")
    return value
