"""Chunks on a Ray cluster, as a Ray Data stream: one task reads, a pool of workers screens.

Processes exchange one pickled row per chunk: its number and the chunk, then its number and the
result. Ray Data slows the reader down while the workers are behind, so memory does not grow with
the number of chunks; it restarts a worker that died and gives it its chunks again.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
import warnings
from collections.abc import Callable, Container, Iterator
from functools import cached_property
from typing import Any

import pyarrow as pa

from xtalgraph.errors import BadConfig, LostWorkers, MissingExtra, XtalgraphError
from xtalgraph.screening.candidates import Chunk, Source
from xtalgraph.screening.screener import ChunkResult, Screener, ScreenSpec
from xtalgraph.threads import limit_threads
from xtalgraph.workers import AHEAD, MOST_LOSSES

ITEM = "item"  # the one column


class RayWorker:
    """A `Screener` in a process of the cluster."""

    def __init__(self, spec: ScreenSpec, here: str) -> None:
        _go_to(here)
        limit_threads(1)
        self.spec = spec

    @cached_property
    def screen(self) -> Callable[[Chunk], ChunkResult]:
        """The models, loaded with the first chunk, which reports what is wrong with them."""
        return Screener(self.spec).screen

    def __call__(self, items: pa.Table) -> pa.Table:
        """Screen one chunk; our own errors are returned, since Ray would wrap them in its own."""
        item = _unpack(items)
        if isinstance(item, XtalgraphError):
            return items
        number, chunk = item
        try:
            return _pack((number, self.screen(chunk)))
        except XtalgraphError as error:
            return _pack(error)


def screen_with_ray(
    spec: ScreenSpec,
    source: Source,
    done: Container[int],
    n_workers: int | None,
    address: str | None,
) -> Iterator[tuple[int, ChunkResult]]:
    """Screen the chunks of a source that are not done, and yield each result.

    `address` is that of a cluster (`auto`, or `host:6379`); without one, Ray is started on this
    machine. A worker uses one core, or one GPU if the device is `cuda`; without `n_workers` there
    are as many as the cluster has. Models, tables and files must be under paths that the workers
    can read.
    """
    ray = _connect(address)
    results = _plan(ray, spec, source, done, n_workers)
    try:
        for items in results.iter_batches(
            batch_size=None, batch_format="pyarrow", prefetch_batches=0
        ):
            item = _unpack(items)
            if isinstance(item, XtalgraphError):
                raise item
            yield item
    except ray.exceptions.RayActorError as error:
        raise LostWorkers(
            f"workers died {MOST_LOSSES + 1} times on one chunk, possibly for lack of memory. "
            "Finished chunks are kept: rerun with fewer workers (--workers). Ray reports: "
            f"{error}"
        ) from error


def _plan(
    ray: Any, spec: ScreenSpec, source: Source, done: Container[int], n_workers: int | None
) -> Any:
    """Return the lazy Ray data set of results."""
    device = "GPU" if spec.device.startswith("cuda") else "CPU"
    n_workers = n_workers or max(1, int(ray.cluster_resources().get(device, 1)))
    here = os.getcwd()
    chunks = ray.data.from_items([0]).map_batches(
        _read_chunks, fn_args=(source, done, here), batch_format="pyarrow", num_cpus=0
    )
    with warnings.catch_warnings():  # `max_task_retries` was renamed in Ray 2.64
        warnings.simplefilter("ignore", DeprecationWarning)
        results = chunks.map_batches(
            RayWorker,
            fn_constructor_args=(spec, here),
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=n_workers, max_tasks_in_flight_per_actor=AHEAD),
            num_cpus=1,
            num_gpus=1 if device == "GPU" else 0,
            max_task_retries=MOST_LOSSES,
        )
    results.context.target_max_block_size = 1  # byte: a chunk is sent as soon as it is ready
    results.context.enable_progress_bars = False
    return results


def _read_chunks(
    _: pa.Table, source: Source, done: Container[int], here: str
) -> Iterator[pa.Table]:
    """Yield number and chunk of each that is not done, or the error that ended it."""
    _go_to(here)
    try:
        for item in source.chunks(done):
            yield _pack(item)
    except XtalgraphError as error:
        yield _pack(error)


def _pack(item: object) -> pa.Table:
    return pa.table({ITEM: pa.array([pickle.dumps(item)], pa.large_binary())})


def _unpack(items: pa.Table) -> Any:
    return pickle.loads(items[ITEM][0].as_py())


def _go_to(folder: str) -> None:
    """Resolve relative paths in a worker as in the command, if there is such a folder."""
    if os.path.isdir(folder):
        os.chdir(folder)


def _connect(address: str | None) -> Any:
    """Return Ray, started on this machine or connected to a cluster."""
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtra("--engine ray", "scale") from error
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    if (address or "").startswith("ray://"):
        raise BadConfig(
            f"--address {address}: Ray Data does not work through Ray's client. Run the command "
            "on a machine of the cluster, with --address auto or HOST:6379."
        )
    if not ray.is_initialized():
        _refuse_dead_address(address)
        try:
            ray.init(address=address, log_to_driver=False, include_dashboard=False)
        except (ConnectionError, ValueError) as error:
            raise BadConfig(f"no Ray cluster at {address!r} ({error}). Is it running?") from error
    return ray


def _refuse_dead_address(address: str | None) -> None:
    """Refuse an address that does not respond: Ray itself would retry for minutes."""
    host, _, port = (address or "").rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise BadConfig(f"no Ray cluster at {address!r} ({error}). Is it running?") from error
