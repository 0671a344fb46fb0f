"""A screen: run candidates through filters and models, and keep the best; resumable."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xtalgraph.errors import BadConfig, BadDataset, UnknownName
from xtalgraph.files import lock_folder
from xtalgraph.nn.resolve import find_weights, resolve_model
from xtalgraph.screening.candidates import Chunk, Source
from xtalgraph.screening.page import Asked, write_page
from xtalgraph.screening.ray_engine import screen_with_ray
from xtalgraph.screening.results import WORK, PartFolder, ScreenResult, finish, read_counts
from xtalgraph.screening.screener import ChunkResult, Screener, ScreenSpec
from xtalgraph.workers import count_cores, work_in_processes

ENGINES = ("local", "ray")


@dataclass(frozen=True)
class ScreenProgress:
    """The progress of a screen, reported after each chunk.

    Attributes:
        n_candidates: Number of candidates done, including those of earlier calls.
        n_all: Number of all candidates; None if the source does not know.
        n_passed: Number of candidates that passed.
        candidates_per_second: Rate of this call.
    """

    n_candidates: int
    n_all: int | None
    n_passed: int
    candidates_per_second: float

    @property
    def seconds_remaining(self) -> float | None:
        """Remaining time at the rate of this call, if the number of candidates is known."""
        if self.n_all is None or not self.candidates_per_second:
            return None
        return (self.n_all - self.n_candidates) / self.candidates_per_second


def screen(
    source: Source,
    spec: ScreenSpec,
    *,
    out: str | Path,
    n_top: int = 100,
    engine: str = "local",
    n_workers: int | None = None,
    address: str | None = None,
    command: str = "",
    on_progress: Callable[[ScreenProgress], None] | None = None,
) -> ScreenResult:
    """Screen every candidate of a source and write the results to a folder.

    If interrupted or killed, call it again with the same folder to resume; the result is the same
    as without the interruption. Memory does not grow with the number of candidates.

    Args:
        source: The candidates: a space, or the result of `read_candidates`.
        spec: The models, the condition, the ranking and the filters.
        out: The output folder, new or of the same screen; it gets a page `report.html`.
        n_top: Number of the best candidates to list, with their CIFs.
        engine: `local`, or `ray` for a cluster (extra `scale`).
        n_workers: Number of processes; by default one per core, or one if a GPU is used.
        address: Address of a Ray cluster, `auto` or `host:6379`.
        command: The command that reproduces the screen, shown on the page.
        on_progress: Called after each chunk.

    Returns:
        The counts and the best candidates.

    Raises:
        FolderInUse: Another process is using `out`.
        BadConfig: `out` contains another screen, or an option is invalid.
        LostWorkers: Worker processes died repeatedly; finished chunks are kept.
    """
    if engine not in ENGINES:
        raise UnknownName("engine", engine, ENGINES)
    if n_top < 1 or (n_workers is not None and n_workers < 1):
        raise BadConfig("the number of top candidates and of workers must be 1 or more.")
    first = next(source.chunks(()), None)
    if first is None:
        raise BadDataset("there are no candidates.")
    screener = Screener(spec)
    screener.prepare(first[1].make())  # report mistakes in an expression before any work
    identity = describe(source, spec)
    with lock_folder(out, WORK):
        parts = PartFolder(Path(out), identity)
        done = parts.done()
        progress = _Counter(source.n_candidates, on_progress)
        for path in done.values():
            progress.count(read_counts(path))
        chunks = _start(engine, spec, source, frozenset(done), n_workers, address)
        for number, chunk_result in chunks:
            parts.write(number, chunk_result)
            progress.advance(chunk_result)
        result = finish(parts.folder, parts.done(), n_top, may_repeat=source.may_repeat)
        page = Asked(source.title, identity, screener, command, progress.rate_in_words)
        write_page(page, result, [parts.predicted / path.name for path in parts.done().values()])
    return result


def describe(source: Source, spec: ScreenSpec) -> dict[str, Any]:
    """Return what determines the result, as JSON values; only the same screen can be resumed."""
    return {
        "candidates": source.describe(),
        "models": {name: checksum_model(name) for name in spec.models},
        "where": spec.where,
        "rank_by": spec.rank_by,
        "exclude": list(spec.exclude),
        "charge_balance": spec.charge_balance,
        "known": spec.known.checksum if spec.known else "",
    }


def checksum_model(name: str) -> str:
    """Return the SHA-256 of a model's weights, over all networks of an ensemble."""
    total = hashlib.sha256()
    for file in find_weights(resolve_model(name)):
        total.update(file.read_bytes())
    return total.hexdigest()


def _start(
    engine: str,
    spec: ScreenSpec,
    source: Source,
    done: frozenset[int],
    n_workers: int | None,
    address: str | None,
) -> Iterator[tuple[int, ChunkResult]]:
    if engine == "ray":
        return screen_with_ray(spec, source, done, n_workers, address)
    n_workers = n_workers or (count_cores() if spec.device == "cpu" else 1)
    return screen_here(spec, source.chunks(done), n_workers)


def screen_here(
    spec: ScreenSpec, chunks: Iterator[tuple[int, Chunk]], n_workers: int
) -> Iterator[tuple[int, ChunkResult]]:
    """Screen chunks in this process, or in several on this machine; yield each result.

    If a worker dies, its chunks are given to a new one.
    """
    if n_workers == 1:
        work = _load(spec)
        yield from ((item[0], work(item)) for item in chunks)
        return
    for (number, _), result in work_in_processes(_load, (spec,), chunks, n_workers):
        yield number, result


def _load(spec: ScreenSpec) -> Callable[[tuple[int, Chunk]], ChunkResult]:
    screener = Screener(spec)
    return lambda item: screener.screen(item[1])


class _Counter:
    """Counts and reports the progress."""

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
        """Return the speed as a sentence for the page."""
        seconds = time.monotonic() - self.begin
        if not self.n_now:
            return ""
        before = self.n_done - self.n_now
        return (
            f"{self.n_now:,} candidates took {seconds:,.0f} s, {self.n_now / seconds:,.0f} per s"
            + (f"; {before:,} had been screened before." if before else ".")
        )

    def advance(self, result: ChunkResult) -> None:
        """Add a chunk of this call, and report."""
        self.count(dict(result.counts))
        self.n_now += result.counts["candidates"]
        if self.on_progress is not None:
            rate = self.n_now / max(time.monotonic() - self.begin, 1e-9)
            self.on_progress(ScreenProgress(self.n_done, self.n_all, self.n_passed, rate))
