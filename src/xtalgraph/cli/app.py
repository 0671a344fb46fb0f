"""The program: its commands, and what its exit status means."""

import errno
import inspect
import os
import sys
import traceback
import warnings
from pathlib import Path
from typing import TextIO

from cyclopts import App, CycloptsError, UnknownOptionError
from rich.console import Console

from xtalgraph import __version__
from xtalgraph.cli.options import UsageError
from xtalgraph.errors import CrystalWarning, XtalgraphError
from xtalgraph.extras import explain_missing

_SHOWN_WARNINGS = 10
DONE, BAD_INPUT, WRONG_USE, INTERNAL_ERROR = 0, 1, 2, 3
HELP = ("--help", "-h")
_PACKAGE = Path(__file__).resolve().parents[1]
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_TOO_LARGE = (
    "not enough memory. Use fewer neighbours, a smaller cutoff, batch or network, or data without "
    "the largest crystals."
)
COMMANDS = (  # a file is loaded when its command is called, or when the help lists them all
    "check train predict models convert evaluate ensemble publish explain cross_validate matbench "
    "compare learning_curve tune screen settings data demo"
)
_FUNCTIONS = {name: f"{name}:app" for name in ("screen", "data")}  # with commands of their own
_FILES = {  # of commands whose file has another name
    "studies": "compare cross_validate learning_curve matbench tune",
    "models": "convert ensemble publish",
    "evaluate": "explain",
}
_FUNCTIONS |= {name: f"{file}:{name}" for file, names in _FILES.items() for name in names.split()}
_FIRST = "xtalgraph demo\nxtalgraph predict formation-energy crystal.cif\nxtalgraph train --help"
_ELSEWHERE = {  # options as other programs name them, by what to write here
    "--set train.learning_rate=0.001": "lr learning-rate",
    "--set train.batch_size=128": "batch-size bs",
    "--set train.epochs=100": "epochs n-epochs max-epochs",
    "--set train.weight_decay=0.01": "weight-decay wd",
    "--set train.optimiser=adamw": "optim optimizer",
    "--set train.patience=20": "patience early-stopping",
    "--set model.hidden_width=128": "hidden-dim hidden-size h-fea-len",
    "--set model.atom_width=64": "hidden-channels atom-fea-len embedding-dim",
    "--set model.n_convolutions=3": "n-conv num-layers n-layers",
    "--set graph.n_neighbours=12": "max-num-nbr max-neighbors k",
    "--set graph.cutoff=8.0": "radius cutoff r-max",
    "--device cuda": "gpu gpus cuda",
    "--out FOLDER": "output output-dir outdir save-dir",
    "--jobs 4": "n-jobs num-workers workers",
}

app = App(
    name="xtalgraph",
    help="Crystal graph neural networks: train, predict, evaluate, explain and screen.",
    version=__version__,
    result_action="return_value",
    suppress_keyboard_interrupt=False,  # `run` says how to resume
)
for _name in COMMANDS.split():
    _place = _FUNCTIONS.get(_name, f"{_name}:{_name}")
    app.command(f"xtalgraph.cli.{_place}", name=_name.replace("_", "-"))


def main(arguments: list[str] | None = None) -> None:
    """Run the program and leave with its exit status."""
    for stream in (sys.stdout, sys.stderr):  # a terminal that has no Å shows \xc5, without an error
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run the program and give its exit status."""
    errors = Console(stderr=True, soft_wrap=True, highlight=False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default", CrystalWarning)
            warnings.showwarning = _Warnings(errors)
            status = _call(arguments)
        sys.stdout.flush()  # here, so that an error of it is reported as others are
        return status or DONE
    except UnknownOptionError as error:
        name = str(error.token.keyword).lstrip("-").replace("_", "-")
        for here, names in _ELSEWHERE.items():
            if name in names.split():
                errors.print(f"In xtalgraph this option is written {here}", markup=False)
        return WRONG_USE
    except CycloptsError:
        return WRONG_USE
    except UsageError as error:
        errors.print(f"error: {error}", style="red", markup=False)
        return WRONG_USE
    except XtalgraphError as error:
        errors.print(f"error: {error}", style="red", markup=False)
        return BAD_INPUT
    except KeyboardInterrupt:
        errors.print("interrupted", style="red")
        return BAD_INPUT
    except BrokenPipeError:  # as in `xtalgraph predict … | head`: the reader has closed the pipe
        _forget_stdout()
        return DONE
    except Exception as error:  # whatever comes here is an internal error, and shown as one
        if isinstance(error, OSError) and _is_of_the_machine(error):
            errors.print(f"error: {_describe(error)}", style="red", markup=False)
            return BAD_INPUT
        if _is_out_of_memory(error):
            errors.print(f"error: {_TOO_LARGE} ({error})", style="red", markup=False)
            return BAD_INPUT
        missing = explain_missing(error, f"xtalgraph {arguments[0]}" if arguments else "")
        if missing is not None:
            errors.print(f"error: {missing}", style="red", markup=False)
            return BAD_INPUT
        errors.print(traceback.format_exc(), markup=False)
        errors.print("internal error: please report it with the lines above.")
        return INTERNAL_ERROR


class _Warnings:
    """Writes what was guessed in crystals as lines to stderr, the first of many; others as ever."""

    def __init__(self, errors: Console) -> None:
        self.errors, self.n_seen, self.show_other = errors, 0, warnings.showwarning

    def __call__(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        """Show one warning."""
        if not issubclass(category, CrystalWarning):
            self.show_other(message, category, filename, lineno, file, line)
            return
        self.n_seen += 1
        if self.n_seen <= _SHOWN_WARNINGS:
            self.errors.print(f"warning: {message}", style="yellow", markup=False)
        elif self.n_seen == _SHOWN_WARNINGS + 1:
            self.errors.print("warning: … and more; read the files one by one to see all")


def _call(arguments: list[str]) -> int | None:
    if not arguments or arguments[0].startswith("-"):
        app.resolved_commands()  # loads all commands, whose help lists what each does
        app.help_epilogue = _show_examples(_FIRST)
    elif any(word in HELP for word in arguments):
        _, apps, _ = app.parse_commands([word for word in arguments if word not in HELP])
        apps[-1].help_epilogue = _read_examples(apps[-1].default_command)
    boxes = Console(stderr=True)
    return app(arguments, exit_on_error=False, print_error=True, error_console=boxes)


def _read_examples(command: object) -> str:
    """Return the section `Examples` of a command, for the end of its help."""
    return _show_examples((inspect.getdoc(command) or "").partition("Examples\n--------\n")[2])


def _show_examples(lines: str) -> str:
    return f"Examples:\n```\n{lines}\n```" if lines else ""


def _is_of_the_machine(error: OSError) -> bool:
    """Return whether the system refused a file of the user, not one of the package.

    Such as a file without permission to write, a folder that cannot be made, a full disk.
    """
    if error.errno in _NO_SPACE:
        return True
    named = isinstance(error.filename, str | bytes | os.PathLike)
    return named and _PACKAGE not in Path(os.fsdecode(error.filename)).resolve().parents


def _is_out_of_memory(error: Exception) -> bool:
    """Return whether memory ran out, by the name of the error: torch's own is not imported here."""
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))


def _describe(error: OSError) -> str:
    where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
    remedy = (
        "Free some space."
        if error.errno in _NO_SPACE
        else "Give another path, or fix its permissions."
    )
    return f"{where}{error.strerror}. {remedy}"


def _forget_stdout() -> None:
    """Point stdout to nowhere, because Python flushes it once more at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
