"""The program: its commands, and what its exit status means."""

import sys
import traceback

from cyclopts import App, CycloptsError
from rich.console import Console

from xtalgraph import __version__
from xtalgraph.cli import check, data, demo, evaluate, predict, train
from xtalgraph.errors import XtalgraphError

DONE, BAD_INPUT, WRONG_USE, OUR_FAULT = 0, 1, 2, 3

app = App(
    name="xtalgraph",
    help="Crystal graphs, and networks that learn the properties of crystals from them.",
    version=__version__,
    result_action="return_value",
)
app.command(check.check)
app.command(train.train)
app.command(predict.predict)
app.command(evaluate.evaluate)
app.command(data.app)
app.command(demo.demo)


def main(arguments: list[str] | None = None) -> None:
    """Run the program and leave with its exit status."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run the program and give its exit status."""
    errors = Console(stderr=True, soft_wrap=True, highlight=False)
    try:
        return app(arguments, exit_on_error=False, print_error=True, error_console=errors) or DONE
    except CycloptsError:
        return WRONG_USE
    except XtalgraphError as error:
        errors.print(f"error: {error}", style="red", markup=False)
        return BAD_INPUT
    except KeyboardInterrupt:
        errors.print("stopped", style="red")
        return BAD_INPUT
    except Exception:  # the border: whatever comes here is a fault of ours, and is shown as one
        errors.print(traceback.format_exc(), markup=False)
        errors.print("This is a fault of xtalgraph, please report it with the lines above.")
        return OUR_FAULT
