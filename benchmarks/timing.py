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

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

LEAST_SECONDS = 0.25
RESULTS = Path(__file__).parent / "results"
CLOCKS = {"cpu": time.process_time, "cuda": time.perf_counter}
"""By device: on a busy machine processor time says more than the clock, but a card has none."""


def seconds(work: Callable[[], object], device: str = "cpu") -> float:
    """Seconds of one call.

    Short work is repeated for a quarter of a second, so that the caches are its own and not those
    of what ran before.
    """
    clock = CLOCKS[device]
    begin, n_calls = clock(), 0
    while n_calls == 0 or clock() - begin < LEAST_SECONDS:
        work()
        n_calls += 1
    return (clock() - begin) / n_calls


def alternate(
    ways: dict[str, Callable[[], object]], rounds: int, device: str = "cpu"
) -> dict[str, float]:
    """Median seconds of each way, run in turn."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()  # imports and compilation are not what is measured
    for _ in range(rounds):
        for name, way in ways.items():
            times[name].append(seconds(way, device))
    return {name: statistics.median(values) for name, values in times.items()}


def describe_run() -> dict:
    """Say when and on what it is measured, and what else the machine was doing."""
    cores = os.cpu_count() or 1
    load = os.getloadavg()[0]
    return {
        "date": date.today().isoformat(),
        "machine": f"{_processor()}, {cores} cores, one thread",
        "python": platform.python_version(),
        "load": round(load, 1),
        "busy": load > cores / 2,
    }


def say_run(run: dict) -> str:
    """Give the same as a line of text."""
    line = f"{run['date']}, {run['machine']}, Python {run['python']}"
    if run["busy"]:
        line += f"; the machine was busy (load {run['load']})"
    return line + "."


def write_results(name: str, lines: list[str], rows: list[dict]) -> None:
    """Print a table and store it as Markdown and JSON, with the date and the machine."""
    run = describe_run()
    write_files(name, [*lines, "", say_run(run)], {**run, "rows": rows})


def write_files(name: str, lines: list[str], content: dict) -> None:
    """Print lines, and store them as Markdown and the content as JSON, each file whole."""
    RESULTS.mkdir(exist_ok=True)
    for suffix, text in ((".md", "\n".join(lines)), (".json", json.dumps(content, indent=2))):
        unfinished = RESULTS / f"{name}{suffix}.part"
        unfinished.write_text(text + "\n")
        unfinished.replace(RESULTS / f"{name}{suffix}")
    print("\n".join(lines))


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.machine()
