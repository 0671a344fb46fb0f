"""Chunks on a Ray cluster, as a stream of Ray Data: one task reads, a pool screens.

What crosses between processes is one row a chunk, pickled: number and chunk there, number and
result back. Ray Data holds the reader back while the workers are behind, so memory does not grow
with the number of chunks; it begins a worker that died again, and gives it its chunks once more.
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

from xtalgraph.compiling import limit_threads
from xtalgraph.errors import BadConfig, LostWorkers, MissingExtra, XtalgraphError
from xtalgraph.screening.candidates import Chunk, Source
from xtalgraph.screening.screener import ChunkResult, Screener, ScreenSpec
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
        """The models, loaded with the first chunk: what is wrong with them is its error."""
        return Screener(self.spec).screen

    def __call__(self, items: pa.Table) -> pa.Table:
        """Screener one chunk; an error of ours is given back, or Ray would wrap it in its own."""
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
    """Screener the chunks of a source that are not done, and give each as it is finished.

    `address` is that of a cluster (`auto`, or `host:6379`); without one Ray is begun on this
    machine. A worker takes one core, or one GPU where the device is `cuda`; without `n_workers`
    there are as many as the cluster has. What is read by name (models, tables, files) must lie
    where the workers can read it.
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
            f"workers died {MOST_LOSSES + 1} times on one chunk: killed for lack of memory, "
            "perhaps. What is finished is kept: rerun with fewer (--workers). Ray says: "
            f"{error}"
        ) from error


def _plan(
    ray: Any, spec: ScreenSpec, source: Source, done: Container[int], n_workers: int | None
) -> Any:
    """Return the data set of results, none of which is there before it is asked for."""
    device = "GPU" if spec.device.startswith("cuda") else "CPU"
    n_workers = n_workers or max(1, int(ray.cluster_resources().get(device, 1)))
    here = os.getcwd()
    chunks = ray.data.from_items([0]).map_batches(
        _read_chunks, fn_args=(source, done, here), batch_format="pyarrow", num_cpus=0
    )
    with warnings.catch_warnings():  # `max_task_retries` has another name from Ray 2.64 on
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
    results.context.target_max_block_size = 1  # byte: a chunk crosses as soon as it is there
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
    """Let paths mean in a worker what they mean in the command, where there is such a folder."""
    if os.path.isdir(folder):
        os.chdir(folder)


def _connect(address: str | None) -> Any:
    """Return Ray, begun on this machine or connected to a cluster."""
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtra("--engine ray", "scale") from error
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    if (address or "").startswith("ray://"):
        raise BadConfig(
            f"--address {address}: Ray Data does not work through Ray's client. Give the command "
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
    """Refuse an address at which nobody answers: Ray itself would try for some minutes."""
    host, _, port = (address or "").rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise BadConfig(f"no Ray cluster at {address!r} ({error}). Is it running?") from error
