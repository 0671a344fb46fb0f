"""Chunks on a Ray cluster: actors that load the models once each, wherever there is room."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import torch

from xtalgraph.errors import BadConfig, MissingExtra, XtalgraphError
from xtalgraph.screening.candidates import Chunk
from xtalgraph.screening.judging import Judge, Question, Verdict
from xtalgraph.screening.local_engine import AHEAD


class RayWorker:
    """A judge in a process of the cluster."""

    def __init__(self, question: Question) -> None:
        torch.set_num_threads(1)
        self.question = question

    @cached_property
    def judge_all(self) -> Judge:
        """The models, loaded with the first chunk: what is wrong with them is its error."""
        return Judge(self.question)

    def judge(self, chunk: Chunk) -> Verdict:
        """Judge one chunk."""
        return self.judge_all.judge(chunk)


def judge_with_ray(
    question: Question,
    chunks: Iterator[tuple[int, Chunk]],
    n_workers: int | None,
    address: str | None,
) -> Iterator[tuple[int, Verdict]]:
    """Judge chunks with Ray's actors, and give them as they are finished.

    `address` is that of a cluster (`auto`, or `ray://host:10001`); without one Ray is begun on this
    machine. A worker takes one core, or one GPU where the device is `cuda`; without `n_workers`
    there are as many as the cluster has. An actor that dies is begun again elsewhere, and Ray gives
    it its chunk once more.
    """
    ray = _import_ray()
    if not ray.is_initialized():
        _refuse_dead_address(address)
        try:
            ray.init(address=address, log_to_driver=False, include_dashboard=False)
        except (ConnectionError, ValueError) as error:
            raise BadConfig(f"no Ray cluster at {address!r} ({error}). Is it running?") from error
    device = "GPU" if question.device.startswith("cuda") else "CPU"
    n_workers = n_workers or max(1, int(ray.cluster_resources().get(device, 1)))
    options: dict[str, Any] = {"num_cpus": 1, "num_gpus": 1 if device == "GPU" else 0}
    actor = ray.remote(RayWorker).options(max_restarts=-1, max_task_retries=-1, **options)
    asked = ray.put(question)  # once for all actors: known crystals may be many
    workers = [actor.remote(asked) for _ in range(n_workers)]
    free = workers * AHEAD
    under_way: dict[Any, tuple[int, Any]] = {}
    try:
        while True:
            while free and (item := next(chunks, None)) is not None:
                worker = free.pop()
                under_way[worker.judge.remote(item[1])] = item[0], worker
            if not under_way:
                return
            for reference in ray.wait(list(under_way), num_returns=1)[0]:
                number, worker = under_way.pop(reference)
                verdict = _get(ray, reference)
                free.append(worker)
                yield number, verdict
    finally:
        for worker in workers:
            ray.kill(worker)


def _refuse_dead_address(address: str | None) -> None:
    """Refuse an address at which nobody answers: Ray itself would try for some minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise BadConfig(f"no Ray cluster at {address!r} ({error}). Is it running?") from error


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingExtra("--engine ray", "scale") from error
    return ray


def _get(ray: Any, reference: Any) -> Verdict:
    """Give the result of a task; an error of ours comes out as itself."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, XtalgraphError):
            raise error.cause from error
        raise
