"""The program as a whole: quick help, exit status, and what goes to which stream."""

from __future__ import annotations

import ast
import errno
import itertools
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from cyclopts import App
from cyclopts.argument import Argument

import xtalgraph
from tests.cli.conftest import Call
from xtalgraph.cli import app as program
from xtalgraph.cli.options import UsageError
from xtalgraph.errors import BadDataset
from xtalgraph.training import apply_overrides, preset

DOCUMENTED = (ast.Module, ast.FunctionDef, ast.ClassDef)

HEAVY = {"torch", "numba", "pandas", "lightning", "matplotlib", "sklearn", "pymatgen"}
COMMANDS = ["check", "train", "predict", "evaluate", "data", "data list", "data fetch", "demo"]


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )


def heavy_after(code: str) -> set[str]:
    """Give the heavy packages that are loaded after `code` ran in a new process."""
    done = python(f"import sys\n{code}\nprint('LOADED', *sys.modules)")
    loaded = done.stdout.split("LOADED")[1].split()
    return HEAVY & set(loaded)


def test_help_and_import_load_nothing_heavy() -> None:
    helps = "\n".join(f"assert run({[*name.split(), '--help']!r}) == 0" for name in COMMANDS)
    assert heavy_after(f"from xtalgraph.cli.app import run\n{helps}\nrun(['--version'])") == set()
    assert heavy_after("import xtalgraph; dir(xtalgraph)") == set()


def test_the_probe_for_heavy_packages_finds_them() -> None:
    assert "torch" in heavy_after("import xtalgraph; xtalgraph.CrystalGraph")


def test_help_names_the_commands_and_says_what_each_option_is(call: Call) -> None:
    shown = call("--help")
    assert shown.status == 0
    assert not shown.err
    for command in ("check", "train", "predict", "evaluate", "data", "demo"):
        assert command in shown.out
    assert call("--version").out.strip() == xtalgraph.__version__
    assert "runs/DATA-TARGET" in call("train", "--help").out


def all_commands(app: App) -> dict[str, object]:
    found = {}
    for name in app:
        if not name.startswith("-"):
            command = app[name]
            found |= {f"{name} {key}": value for key, value in all_commands(command).items()}
            if command.default_command is not None:
                found[name] = command.default_command
    return found


def undescribed(app: App) -> list[str]:
    """Give each option that has no help, or neither a default that is shown nor need of a value."""
    return [
        argument.name
        for argument in app.assemble_argument_collection(parse_docstring=True)
        if argument.parse
        and not argument.children
        and not (argument.parameter.help and (argument.required or shows_default(argument)))
    ]


def shows_default(argument: Argument) -> bool:
    """Tell whether the help shows a default; of files that are named in a row it need not."""
    shown = argument.show_default
    return (
        isinstance(shown, str) or bool(shown) or argument.field_info.kind.name == "VAR_POSITIONAL"
    )


def test_every_option_of_every_command_is_described_and_shows_its_default() -> None:
    commands = all_commands(program.app)
    assert {"train", "data fetch", "demo", "settings", "screen perovskites"} <= set(commands)
    for name in commands:
        _, apps, _ = program.app.parse_commands(name.split())
        assert undescribed(apps[-1]) == [], name


def test_the_check_of_options_sees_a_gap() -> None:
    app = App()

    @app.default
    def command(*, one: int, two: int, three: int | None = None, four: int = 4) -> None:
        """Do.

        Parameters
        ----------
        one: int
            The first.
        three: int
            The third.
        """

    assert undescribed(app) == ["--two", "--three", "--four"]


def help_texts(text: str) -> list[str]:
    """Give the help of each option that a file of commands describes."""
    tree = ast.parse(text)
    nodes = [node for node in ast.walk(tree) if isinstance(node, DOCUMENTED)]
    docstrings = [ast.get_docstring(node) or "" for node in nodes]
    described = [
        re.findall(r"^\w+: \S.*\n((?:    .*\n?)+)", part, re.MULTILINE)
        for docstring in docstrings
        for part in [docstring.partition("Parameters\n----------\n")[2].partition("\n\n")[0]]
    ]
    given = [
        node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "help"
        if isinstance(node.value, ast.Constant)
    ]
    return [" ".join(one.split()) for one in [*itertools.chain(*described), *given]]


def test_every_help_text_stands_once() -> None:
    folder = Path(program.__file__).parent
    texts = [text for path in folder.glob("*.py") for text in help_texts(path.read_text("utf-8"))]
    assert len(texts) > 60
    assert [text for text, count in Counter(texts).items() if count > 1] == []


def test_a_help_text_that_stands_twice_is_found() -> None:
    text = '''
def f():
    """Do.

    Parameters
    ----------
    one: int
        The first
        of all.
    """
x = Parameter(help="The first of all.")
'''
    assert help_texts(text) == ["The first of all."] * 2


def test_every_command_ends_its_help_with_an_example_that_is_legal(call: Call) -> None:
    for name in all_commands(program.app):
        shown = " ".join(call(*name.split(), "--help").out.partition("Examples:")[2].split())
        examples = shown.replace(" \\ ", " ").split("xtalgraph ")[1:]
        assert examples, name
        for example in examples:
            assert example.startswith(name), name
            program.app.parse_args(example.split(), exit_on_error=False, print_error=False)


@pytest.mark.parametrize("option", ["lr", "batch-size", "gpus", "hidden-dim", "max_num_nbr"])
def test_an_option_of_another_program_is_answered_with_ours(call: Call, option: str) -> None:
    outcome = call(
        "compare", "tiny", "--target", "y", "--vary", "model.pooling=mean", f"--{option}"
    )
    assert outcome.status == 2
    assert "In xtalgraph this option is written --" in outcome.err


def test_what_options_of_other_programs_are_answered_with_is_legal() -> None:
    config = preset("default")
    for here in program._ELSEWHERE:
        option, value = here.split()
        if option == "--set":
            assert apply_overrides(config, [value])
        else:
            program.app.parse_args(
                ["compare", "d", "--target", "y", "--vary", "a.b=1", option, value]
                if option != "--device"
                else ["train", "d", "--target", "y", option, value],
                exit_on_error=False,
                print_error=False,
            )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("chek tiny", 'Did you mean "check"?'),
        ("check", "DATA requires an argument"),
        ("train tiny --taget x", "Did you mean --target?"),
        ("check tiny --cutoff far", "--cutoff"),
        ("data lst", 'Did you mean "list"?'),
        ("train", "name the data and a --target, or a run folder to --resume"),
        ("train tiny", "name a --target. `xtalgraph check tiny` shows the numeric columns"),
        ("train --resume run --epochs 3 --set a.b=1", "leave out --set, --epochs"),
        ("predict run", "nothing to predict"),
        ("predict run file --threads 0", "Must be >= 1"),
    ],
)
def test_wrong_use_is_2_and_nothing_on_stdout(call: Call, words: str, message: str) -> None:
    outcome = call(*words.split())
    assert outcome.status == 2
    assert message in " ".join(outcome.err.replace("│", " ").split())
    assert not outcome.out


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def check_dataset(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr("xtalgraph.data.check_dataset", check_dataset)


def test_an_internal_error_is_3_with_the_traceback(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(monkeypatch, ZeroDivisionError("by [nothing]"))
    outcome = call("check", "anything")
    assert outcome.status == 3
    assert "ZeroDivisionError: by [nothing]" in outcome.err
    assert "Traceback" in outcome.err
    assert "internal error: please report it" in outcome.err
    assert not outcome.out


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (BadDataset("[red] is broken"), 1, "error: [red] is broken"),
        (UsageError("not so"), 2, "error: not so"),
        (KeyboardInterrupt(), 1, "interrupted"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 0, ""),
        (
            PermissionError(errno.EACCES, "Permission denied", "/x/y"),
            1,
            "error: /x/y: Permission denied. Give another path, or fix its permissions",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            1,
            "No space left on device. Free some space",
        ),
        (MemoryError(), 1, "not enough memory. Use fewer neighbours"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 1, "not enough memory"),
        (RuntimeError("shapes cannot be multiplied"), 3, "internal error"),
        (FileNotFoundError(2, "No such file", program.__file__), 3, "internal error"),
        (OSError(errno.EBADF, "Bad file descriptor"), 3, "internal error"),
    ],
)
def test_an_error_has_its_status_and_no_traceback(
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    status: int,
    message: str,
) -> None:
    fail_with(monkeypatch, error)
    monkeypatch.setattr(program, "_forget_stdout", lambda: None)
    outcome = call("check", "anything")
    assert outcome.status == status
    assert message in outcome.err
    assert ("Traceback" in outcome.err) == (status == 3)


def test_main_leaves_with_the_status() -> None:
    with pytest.raises(SystemExit) as leaving:
        program.main(["data", "info", "nothing_like_it"])
    assert leaving.value.code == 1


def test_the_program_seldom_looks_for_rings_of_dead_objects_and_not_at_its_end() -> None:
    tell = "atexit.register(lambda: print('AT END', gc.get_threshold()[0], gc.get_freeze_count()))"
    code = f"import atexit, gc\n{tell}\nfrom xtalgraph.cli import main\n"
    code += "from xtalgraph.cli.app import run\n"
    threshold, n_frozen = python(f"{code}main(['--version'])").stdout.split("AT END")[1].split()
    assert (int(threshold), int(n_frozen) > 1000) == (50_000, True)
    # as a function in the process of somebody else it changes nothing
    threshold, n_frozen = python(f"{code}run(['--version'])").stdout.split("AT END")[1].split()
    assert (int(threshold), int(n_frozen)) == (700, 0)


def start(*arguments: str, stdout: int, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "xtalgraph.cli", *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=os.environ | environment,
    )


def test_a_reader_that_has_had_enough_is_no_fault() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = start("data", "list", stdout=writing)
    os.close(writing)
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_told() -> None:
    with open("/dev/full", "wb") as full:
        process = start("data", "list", stdout=full.fileno())
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert b"No space left on device. Free some space." in errors


def test_a_terminal_without_the_letter_gets_its_code() -> None:
    process = start("train", "--help", stdout=subprocess.PIPE, PYTHONIOENCODING="ascii")
    shown, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert b"\\u2026" in shown
