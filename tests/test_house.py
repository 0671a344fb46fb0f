"""The rules of the house that a machine can check, each shown to fail on a line made up for it."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import jaxtyping
import pytest

import xtalgraph
from xtalgraph import errors
from xtalgraph.evaluation.baselines import BASELINES
from xtalgraph.nn import (
    ACTIVATIONS,
    CONVOLUTIONS,
    NETWORKS,
    NORMALISATIONS,
    POOLINGS,
    RADIAL_BASES,
)
from xtalgraph.shapes import AXES
from xtalgraph.structures import FORMATS

SOURCE = Path(xtalgraph.__file__).resolve().parent
FILES = sorted(SOURCE.rglob("*.py"))
LONGEST_FILE = 500
KNOTS = {"utils", "common", "helpers", "base", "core", "manager"}
PRINTING_ROOMS = {"cli", "web"}
DTYPES = {name for name in dir(jaxtyping) if isinstance(getattr(jaxtyping, name), type)}

Rule = Callable[[str, str], Iterator[str]]


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0]


def unknown_axes(text: str, room: str) -> Iterator[str]:
    """Axes of jaxtyping annotations that shapes.py does not define."""
    for node in ast.walk(ast.parse(text)):
        if not (isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name)):
            continue
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else []
        if node.value.id in DTYPES and len(parts) == 2 and isinstance(parts[1], ast.Constant):
            for axis in str(parts[1].value).split():
                if axis not in AXES:
                    yield f"line {node.lineno}: the axis {axis!r} is not in shapes.py"


def undocumented(text: str, room: str) -> Iterator[str]:
    """Public functions, classes and methods without a docstring; modules too."""
    tree = ast.parse(text)
    if tree.body and not ast.get_docstring(tree):
        yield "no docstring of the module"
    bodies = [(tree.body, "")]
    bodies += [(node.body, f"{node.name}.") for node in tree.body if isinstance(node, ast.ClassDef)]
    for body, owner in bodies:
        for node in body:
            named = isinstance(node, ast.FunctionDef | ast.ClassDef)
            public = named and not node.name.startswith("_") and not owner.startswith("_")
            is_overload = "overload" in map(ast.unparse, getattr(node, "decorator_list", []))
            if public and not is_overload and not ast.get_docstring(node):
                yield f"line {node.lineno}: no docstring of {owner}{node.name}"


def printing(text: str, room: str) -> Iterator[str]:
    """What writes to the terminal or ends the program, outside the rooms that may."""
    if room in PRINTING_ROOMS:
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call | ast.Attribute):
            name = ast.unparse(node.func if isinstance(node, ast.Call) else node)
            if name in ("print", "input", "exit", "quit", "sys.stdout", "sys.stderr", "sys.exit"):
                yield f"line {node.lineno}: {name}"


BORDERS = {("cli", "run"), ("workers.py", "_work")}


def carrying_on(text: str, room: str) -> Iterator[str]:
    """Handlers of every error that do not raise it again, and asserts on input.

    Two places may: the command line, which says that it is an internal error, and the one function
    of a worker process, whose errors are raised again in the first process.
    """
    tree = ast.parse(text)
    border = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef) and (room, function.name) in BORDERS
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            yield f"line {node.lineno}: assert"
        if isinstance(node, ast.ExceptHandler) and id(node) not in border:
            caught = node.type.id if isinstance(node.type, ast.Name) else None
            raised_again = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
            if not raised_again and (node.type is None or caught in ("Exception", "BaseException")):
                yield f"line {node.lineno}: every error is caught"


def passing_through(text: str, room: str) -> Iterator[str]:
    """Functions that take any keywords; a decorator that hands on typed ones (P.kwargs) may."""
    for node in ast.walk(ast.parse(text)):
        if not (isinstance(node, ast.FunctionDef) and node.args.kwarg):
            continue
        if not isinstance(node.args.kwarg.annotation, ast.Attribute):
            yield f"line {node.lineno}: {node.name}(**{node.args.kwarg.arg})"


def renaming(text: str, room: str) -> Iterator[str]:
    """What gives a file its place, outside `files.py`, which does it atomically and synced."""
    if room == "files.py":
        return
    names = {"rename", "renames", "move"}
    for node in ast.walk(ast.parse(text)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        name = ast.unparse(node.func)
        # `os.replace`, and `Path.replace`, which takes one thing where `str.replace` takes two
        is_replacing = node.func.attr == "replace" and not node.keywords and len(node.args) == 1
        if name == "os.replace" or is_replacing or (node.func.attr in names and node.args):
            yield f"line {node.lineno}: {name}"


RULES: list[tuple[Rule, str, str]] = [
    (unknown_axes, "models", 'x: Float[Tensor, "n_edges nbr_fea_len"]'),
    (undocumented, "models", '"""A module."""\ndef build(): ...'),
    (undocumented, "models", '"""A module."""\nclass A:\n    """A."""\n    def build(self): ...'),
    (undocumented, "models", "x = 1"),
    (printing, "models", "print(1)"),
    (printing, "models", "import sys\nsys.stdout.write('1')"),
    (carrying_on, "models", "try:\n    x = 1\nexcept Exception:\n    pass"),
    (carrying_on, "models", "try:\n    x = 1\nexcept:\n    pass"),
    (carrying_on, "models", "assert x > 0"),
    (
        carrying_on,
        "cli",
        "def say():\n    try:\n        x = 1\n    except Exception:\n        pass",
    ),
    (
        carrying_on,
        "workers.py",
        "def run():\n    try:\n        x = 1\n    except Exception:\n        pass",
    ),
    (passing_through, "models", "def build(**kwargs): ..."),
    (carrying_on, "models", "try:\n    x = 1\nexcept Exception:\n    raise ValueError from None"),
    (renaming, "models", "import os\nos.replace(a, b)"),
    (renaming, "models", "import os\nos.rename(a, b)"),
    (renaming, "models", "path.rename(other)"),
    (renaming, "models", "path.with_suffix('.part').replace(path)"),
    (renaming, "models", "shutil.move(a, b)"),
]


@pytest.mark.parametrize(
    "rule",
    dict.fromkeys(rule for rule, _, _ in RULES),
    ids=lambda r: r.__name__,
)
def test_the_package_keeps_the_rule(rule: Rule) -> None:
    found = [
        f"{path.relative_to(SOURCE)}, {fault}"
        for path in FILES
        for fault in rule(path.read_text(encoding="utf-8"), room_of(path))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(("rule", "room", "text"), RULES)
def test_the_rule_can_be_broken(rule: Rule, room: str, text: str) -> None:
    assert len(list(rule(text, room))) == 1


def test_what_the_rules_allow_is_allowed() -> None:
    assert not list(unknown_axes('x: Float[Tensor, "n_edges 3"]', "models"))
    assert not list(printing("print(1)", "cli"))
    assert not list(passing_through("def f(*args: P.args, **kwargs: P.kwargs): ...", "models"))
    assert not list(
        carrying_on("try:\n    x = 1\nexcept BaseException:\n    clean()\n    raise", "a")
    )
    assert not list(renaming("text.replace('a', 'b')\nreplace(config, a=1)", "models"))
    assert not list(renaming("os.replace(a, b)", "files.py"))


def part_names() -> set[str]:
    """The names of parts, networks, formats and baselines; `none` is a word of other settings."""
    registries = (
        *(POOLINGS, ACTIVATIONS, NORMALISATIONS, RADIAL_BASES, CONVOLUTIONS, NETWORKS),
        *(FORMATS, BASELINES),
    )
    return {name for registry in registries for name in registry} - {"none"}


def compared_names(text: str, names: set[str]) -> Iterator[str]:
    """Comparisons with one of the names: `==`, `in (…)`, `case`."""
    for node in ast.walk(ast.parse(text)):
        values: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            values = [one for side in sides for one in getattr(side, "elts", [side])]
        elif isinstance(node, ast.MatchValue):
            values = [node.value]
        for value in values:
            if isinstance(value, ast.Constant) and value.value in names:
                yield f"line {value.lineno}: {value.value!r}"


def test_no_part_is_compared_by_its_name() -> None:
    registries = {SOURCE / "nn" / "registry.py", *(SOURCE / "evaluation" / "baselines").iterdir()}
    found = [
        f"{path.relative_to(SOURCE)}, {fault}"
        for path in FILES
        if path not in registries
        for fault in compared_names(path.read_text(encoding="utf-8"), part_names())
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "if config.pooling == 'mean': ...",
        "if 'mean' != pooling: ...",
        "if model in ('residual', other): ...",
        "match name:\n    case 'cif': ...",
    ],
)
def test_a_part_that_is_compared_by_its_name_is_found(text: str) -> None:
    assert len(list(compared_names(text, part_names()))) == 1
    assert not list(
        compared_names("x = {'mean': 1}['mean']\nif name == 'other': ...", part_names())
    )


def test_every_axis_is_used() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in FILES if path.name != "shapes.py")
    used = {axis for quoted in re.findall(r'"([^"\n]*)"', text) for axis in quoted.split()}
    assert not set(AXES) - used


def test_no_file_is_too_long() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert not [path for path, length in lengths.items() if length > LONGEST_FILE]


def knots(paths: list[Path]) -> list[Path]:
    return [path for path in paths if KNOTS & set(path.with_suffix("").parts)]


def test_no_room_ties_knots() -> None:
    assert not knots([path.relative_to(SOURCE) for path in FILES])
    assert knots([Path("models/utils.py"), Path("core/a.py"), Path("models/a.py")]) == [
        Path("models/utils.py"),
        Path("core/a.py"),
    ]


def imported_files(text: str, files: set[str]) -> set[str]:
    """Give the modules among `files` that a text imports: above, in functions, or for types."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names & files or {node.module}
    return found & files


def find_import_cycle(texts: dict[str, str]) -> list[str]:
    """Give modules of which each imports the next and the last the first; none where all is well.

    What imports nothing that is left is taken away until all are gone, or only cycles are left.
    """
    left = {name: imported_files(text, set(texts)) - {name} for name, text in texts.items()}
    while ends := [name for name, imported in left.items() if not imported & set(left)]:
        left = {name: imported for name, imported in left.items() if name not in ends}
    path = list(left)[:1]
    while path and path.count(path[-1]) == 1:
        path.append(min(left[path[-1]] & set(left)))
    return path[path.index(path[-1]) : -1] if path else []


def test_no_file_is_imported_by_what_it_imports() -> None:
    names = {
        path: ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts) for path in FILES
    }
    texts = {
        name.removesuffix(".__init__"): path.read_text(encoding="utf-8")
        for path, name in names.items()
    }
    assert find_import_cycle(texts) == []


def test_a_cycle_of_imports_is_found() -> None:
    texts = {
        "x.a": "from x.b import f",
        "x.b": "def f():\n    from x import c",
        "x.c": "if TYPE_CHECKING:\n    import x.b",
        "x.d": "from x import a",
    }
    assert find_import_cycle(texts) == ["x.b", "x.c"]
    assert find_import_cycle(texts | {"x.c": "from x.e import f", "x.e": ""}) == []


def error_classes() -> set[str]:
    return {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.XtalgraphError)
    }


def made_errors(texts: list[str]) -> set[str]:
    """Give the names of errors that are made somewhere, to be raised there or by the caller."""
    calls = [node for text in texts for node in ast.walk(ast.parse(text))]
    return {
        node.func.id
        for node in calls
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    } & error_classes()


def test_every_error_is_raised_somewhere() -> None:
    texts = [path.read_text(encoding="utf-8") for path in FILES if path.name != "errors.py"]
    assert made_errors(texts) == error_classes() - {"XtalgraphError"}  # it is the parent of all
    assert made_errors(["raise BadCrystal('x')", "raise ValueError('x')"]) == {"BadCrystal"}


def test_nothing_is_left_to_do() -> None:
    words = re.compile(r"#.*\b(TODO|FIXME|XXX|HACK)\b")
    found = [path for path in FILES if words.search(path.read_text(encoding="utf-8"))]
    assert not found
    assert words.search("x = 1  # TODO later")
