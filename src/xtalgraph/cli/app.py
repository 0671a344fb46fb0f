"""The program: its commands, and what its exit status means."""

import errno
import os
import sys
import traceback
from pathlib import Path

from cyclopts import App, CycloptsError
from rich.console import Console

from xtalgraph import __version__
from xtalgraph.cli.usage_error import UsageError
from xtalgraph.errors import XtalgraphError

DONE, BAD_INPUT, WRONG_USE, OUR_FAULT = 0, 1, 2, 3
_PACKAGE = Path(__file__).resolve().parents[1]
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_TOO_LARGE = (
    "the memory does not suffice. Take fewer neighbours or a smaller cutoff, batch or network, or "
    "data without the largest crystals."
)

app = App(
    name="xtalgraph",
    help="Crystal graphs, and networks that learn the properties of crystals from them.",
    version=__version__,
    result_action="return_value",
    suppress_keyboard_interrupt=False,  # `run` says how to go on
)
COMMANDS = (  # a file is loaded when its command is called, or the help lists them all
    "check train predict models convert evaluate ensemble publish explain cross_validate matbench "
    "compare learning_curve tune screen data demo"
)
OF_SEVERAL = ("screen", "data")  # commands that have commands of their own
for _name in COMMANDS.split():
    _function = "app" if _name in OF_SEVERAL else _name
    app.command(f"xtalgraph.cli.{_name}:{_function}", name=_name.replace("_", "-"))


def main(arguments: list[str] | None = None) -> None:
    """Run the program and leave with its exit status."""
    for stream in (sys.stdout, sys.stderr):  # a terminal that has no Å shows \xc5, and no error
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run the program and give its exit status."""
    errors = Console(stderr=True, soft_wrap=True, highlight=False)
    try:
        status = _call(arguments)
        sys.stdout.flush()  # here, so that what goes wrong with it is reported as the rest
        return status or DONE
    except CycloptsError:
        return WRONG_USE
    except UsageError as error:
        errors.print(f"error: {error}", style="red", markup=False)
        return WRONG_USE
    except XtalgraphError as error:
        errors.print(f"error: {error}", style="red", markup=False)
        return BAD_INPUT
    except KeyboardInterrupt:
        errors.print("stopped", style="red")
        return BAD_INPUT
    except BrokenPipeError:  # as in `xtalgraph predict … | head`: the reader has had enough
        _forget_stdout()
        return DONE
    except Exception as error:  # the border: what comes here is a fault of ours, and shown as one
        if isinstance(error, OSError) and _is_of_the_machine(error):
            errors.print(f"error: {_describe(error)}", style="red", markup=False)
            return BAD_INPUT
        if _is_out_of_memory(error):
            errors.print(f"error: {_TOO_LARGE} ({error})", style="red", markup=False)
            return BAD_INPUT
        errors.print(traceback.format_exc(), markup=False)
        errors.print("This is a fault of xtalgraph, please report it with the lines above.")
        return OUR_FAULT


def _call(arguments: list[str]) -> int | None:
    if not arguments or arguments[0].startswith("-"):
        app.resolved_commands()  # for the help of them all: each says what it does
    boxes = Console(stderr=True)
    return app(arguments, exit_on_error=False, print_error=True, error_console=boxes)


def _is_of_the_machine(error: OSError) -> bool:
    """Tell whether the system refused a file of the user's, rather than us a file of the package.

    That is so for files that may not be written, folders that cannot be made, a full disk.
    """
    if error.errno in _NO_SPACE:
        return True
    named = isinstance(error.filename, str | bytes | os.PathLike)
    return named and _PACKAGE not in Path(os.fsdecode(error.filename)).resolve().parents


def _is_out_of_memory(error: Exception) -> bool:
    """Tell it by the name, since torch has its own error and is not loaded for it here."""
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))


def _describe(error: OSError) -> str:
    where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
    remedy = "Make room." if error.errno in _NO_SPACE else "Give another path, or mend its rights."
    return f"{where}the system says: {error.strerror}. {remedy}"


def _forget_stdout() -> None:
    """Point stdout nowhere: Python writes what is left in it once more at the very end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
