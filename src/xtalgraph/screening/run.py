"""A screen: candidates through filters and models, the best of them kept, resumed where it was."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xtalgraph.errors import BadConfig, BadDataset, UnknownName
from xtalgraph.nn.resolve import find_weights, resolve_model
from xtalgraph.screening.candidates import Source
from xtalgraph.screening.local_engine import count_cores, judge_here, judge_in_processes
from xtalgraph.screening.page import Asked, write_page
from xtalgraph.screening.parts import PartFolder, read_counts
from xtalgraph.screening.ray_engine import judge_with_ray
from xtalgraph.screening.results import ScreenResult, finish
from xtalgraph.screening.screener import Judge, Question, Verdict

ENGINES = ("local", "ray")


@dataclass(frozen=True)
class ScreenProgress:
    """How far a screen is, told after each chunk."""

    n_candidates: int  # done, with those of earlier calls
    n_all: int | None  # None where the source does not know
    n_passed: int
    candidates_per_second: float  # of this call

    @property
    def seconds_remaining(self) -> float | None:
        """Time left at the rate of this call, where the number of candidates is known."""
        if self.n_all is None or not self.candidates_per_second:
            return None
        return (self.n_all - self.n_candidates) / self.candidates_per_second


def screen(
    source: Source,
    question: Question,
    *,
    out: str | Path,
    n_top: int = 100,
    engine: str = "local",
    n_workers: int | None = None,
    address: str | None = None,
    command: str = "",
    on_progress: Callable[[ScreenProgress], None] | None = None,
) -> ScreenResult:
    """Judge every candidate of a source, and write what passes and the best into a folder.

    Called again with the same folder and question it goes on where it was, also after it was
    killed, and gives the same result. `report.html` in it shows the result, with the `command` that
    does it again where one is given. `n_workers` is the number of processes: by itself as many as
    there are cores, or one where a GPU does the work. Memory does not grow with the number of
    candidates.
    """
    if engine not in ENGINES:
        raise UnknownName("engine", engine, ENGINES)
    if n_top < 1 or (n_workers is not None and n_workers < 1):
        raise BadConfig("the number of the best and of workers must be 1 or more.")
    first = next(source.chunks(()), None)
    if first is None:
        raise BadDataset("there are no candidates.")
    judge = Judge(question)
    judge.prepare(first[1].make())  # a mistake in an expression is told before any work
    asked = describe(source, question)
    parts = PartFolder(Path(out), asked)
    done = parts.done()
    tell = _Teller(source.n_candidates, on_progress)
    for path in done.values():
        tell.count(read_counts(path))
    for number, verdict in _start(engine, question, source, frozenset(done), n_workers, address):
        parts.write(number, verdict)
        tell.advance(verdict)
    result = finish(parts.folder, parts.done(), n_top, may_repeat=source.may_repeat)
    page = Asked(
        source.title,
        asked,
        judge,
        command,
        tell.rate_in_words,
    )
    write_page(page, result, [parts.predicted / path.name for path in parts.done().values()])
    return result


def describe(source: Source, question: Question) -> dict[str, Any]:
    """Give what decides the result, as JSON knows it: a screen goes on only under the same."""
    return {
        "candidates": source.describe(),
        "models": {name: checksum_model(name) for name in question.models},
        "where": question.where,
        "rank_by": question.rank_by,
        "exclude": list(question.exclude),
        "charge_balance": question.charge_balance,
        "known": question.known.checksum if question.known else "",
    }


def checksum_model(name: str) -> str:
    """Give the SHA-256 of a model's weights, all networks of an ensemble together."""
    total = hashlib.sha256()
    for file in find_weights(resolve_model(name)):
        total.update(file.read_bytes())
    return total.hexdigest()


def _start(
    engine: str,
    question: Question,
    source: Source,
    done: frozenset[int],
    n_workers: int | None,
    address: str | None,
) -> Iterator[tuple[int, Verdict]]:
    if engine == "ray":
        return judge_with_ray(question, source, done, n_workers, address)
    chunks = source.chunks(done)
    n_workers = n_workers or (count_cores() if question.device == "cpu" else 1)
    if n_workers == 1:
        return judge_here(question, chunks)
    return judge_in_processes(question, chunks, n_workers)


class _Teller:
    """Counts what is done, and tells it."""

    def __init__(
        self, n_all: int | None, on_progress: Callable[[ScreenProgress], None] | None
    ) -> None:
        self.n_all, self.on_progress = n_all, on_progress
        self.n_done = self.n_passed = self.n_now = 0
        self.begin = time.monotonic()

    def count(self, counts: dict[str, int]) -> None:
        """Add a part."""
        self.n_done += counts["candidates"]
        self.n_passed += counts["passed"]

    @property
    def rate_in_words(self) -> str:
        """Say for the page how fast it was."""
        seconds = time.monotonic() - self.begin
        if not self.n_now:
            return ""
        before = self.n_done - self.n_now
        return (
            f"{self.n_now:,} candidates took {seconds:,.0f} s, {self.n_now / seconds:,.0f} a second"
            + (f"; {before:,} had been judged before." if before else ".")
        )

    def advance(self, verdict: Verdict) -> None:
        """Add a part of this call, and tell."""
        self.count(dict(verdict.counts))
        self.n_now += verdict.counts["candidates"]
        if self.on_progress is not None:
            rate = self.n_now / max(time.monotonic() - self.begin, 1e-9)
            self.on_progress(ScreenProgress(self.n_done, self.n_all, self.n_passed, rate))
