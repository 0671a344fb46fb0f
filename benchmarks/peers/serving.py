"""The conversation with a peer, its side: tasks come as lines of JSON, seconds go back.

A task is a function of options that prepares work and gives it as a function without arguments.
It is prepared once for the same options and run once before it is measured, so that imports and
compilation do not count. What goes wrong is an answer too: the table then says so.
"""

import json
import resource
import sys
import traceback
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.timing import seconds

Work = Callable[[], object]
Task = Callable[[dict], Work]


def serve(tasks: dict[str, Task], packages: tuple[str, ...]) -> None:
    """Answer until the other side closes; what a peer prints goes to stderr."""
    answers, sys.stdout = sys.stdout, sys.stderr
    prepared: dict[str, Work] = {}
    for line in sys.stdin:
        try:
            answer = _answer(json.loads(line), tasks, prepared, packages)
        except (Exception, SystemExit) as error:  # of another program: it is what is reported
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
        print(json.dumps(answer), file=answers, flush=True)


def _answer(
    request: dict, tasks: dict[str, Task], prepared: dict[str, Work], packages: tuple[str, ...]
) -> dict:
    name, options = request["task"], request.get("options", {})
    if name == "versions":
        return {"versions": dict(_versions(packages))}
    if name not in tasks:
        return {"absent": f"has no {name}"}
    device = options.get("device", "cpu")
    if device == "cuda":
        _refuse_no_card()
    if request.get("only_value"):
        return {"value": tasks[name](options)()}
    key = json.dumps(request, sort_keys=True)
    if key not in prepared:
        prepared[key] = tasks[name](options)
        prepared[key]()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds(prepared[key], device), "peak_MB": peak}


def _refuse_no_card() -> None:
    import torch

    if not torch.cuda.is_available():
        raise RuntimeError("no accelerator at hand: nothing is measured on one")


def _versions(packages: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for package in packages:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            yield package, "a clone"


def read_texts(folder: str) -> list[str]:
    """Give the CIF texts of a folder, in the order of their names."""
    return [path.read_text() for path in sorted(Path(folder).glob("*.cif"))]


def say_csv(path: str, rows: dict[str, float]) -> None:
    """Write ids and predictions."""
    lines = [f"{id},{value}" for id, value in rows.items()]
    Path(path).write_text("\n".join(["id,prediction", *lines]) + "\n")
