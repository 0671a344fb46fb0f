"""Timing in turn: processor seconds of several ways of the same work, in one process.

Import this before numpy or torch: it pins every library to one thread.
"""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

LEAST_SECONDS = 0.25
RESULTS = Path(__file__).parent / "results"


def seconds(work: Callable[[], None]) -> float:
    """Processor time of one call: on a busy machine it says more than the clock.

    Short work is repeated for a quarter of a second, so that the caches are its own and not those
    of what ran before.
    """
    begin, n_calls = time.process_time(), 0
    while n_calls == 0 or time.process_time() - begin < LEAST_SECONDS:
        work()
        n_calls += 1
    return (time.process_time() - begin) / n_calls


def alternate(ways: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Median seconds of each way, run in turn."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()  # imports and compilation are not what is measured
    for _ in range(rounds):
        for name, way in ways.items():
            times[name].append(seconds(way))
    return {name: statistics.median(values) for name, values in times.items()}


def write_results(name: str, lines: list[str], rows: list[dict]) -> None:
    """Print a table and store it as Markdown and JSON, with the date and the machine."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text("\n".join(lines) + "\n")
    machine = f"{platform.machine()}, one core, Python {platform.python_version()}"
    result = {"date": date.today().isoformat(), "machine": machine, "rows": rows}
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    print("\n".join(lines))
