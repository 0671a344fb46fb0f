"""The device, the precision and the processes of a run.

Several processes can be started in three ways. By this module: with `train.devices` above 1, the
first process runs its own command again for each of the others, with torch's variables set (RANK,
WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT). By torchrun, which sets the same variables. By
SLURM's srun, which sets equivalent ones (SLURM_PROCID, SLURM_NTASKS, SLURM_LOCALID).
"""

from __future__ import annotations

import atexit
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed

from xtalgraph.errors import BadConfig, LostWorkers
from xtalgraph.training.config import TrainConfig

_PROCESSES_PER_CORE = 4  # on the CPU; a typo must not start thousands of processes
_PARENT = "XTALGRAPH_PARENT"  # process id of the first process, in those that it started
_SECONDS_TO_END = 10.0  # that the other processes have to exit if one has failed


@dataclass(frozen=True)
class Place:
    """The device of one process of a run, its rank, and the number of processes."""

    device: torch.device
    rank: int = 0
    n_processes: int = 1
    rendezvous: Mapping[str, str] | None = None  # variables for torch; None: not started yet

    @property
    def is_first(self) -> bool:
        """Whether this process writes and reports."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over all processes, each of which must call it."""
        if self.n_processes > 1:
            values = values.clone()
            distributed.all_reduce(values)
        return values


def find_place(config: TrainConfig) -> Place:
    """Return where this process trains, from the settings and the environment.

    Raises:
        BadConfig: The machine does not have the device, or torchrun or SLURM has started another
            number of processes.
    """
    devices = _list_devices(config)
    n_wanted = len(devices) * config.num_nodes
    started = _find_started(n_wanted)
    if started is None:
        if config.num_nodes > 1:
            raise BadConfig(
                f"train.num_nodes = {config.num_nodes}: several machines need torchrun or SLURM's "
                "srun, which start the processes on each of them (docs/scale.md)."
            )
        return Place(devices[0], 0, n_wanted)
    name, rank, n_processes, local_rank, rendezvous = started
    if n_wanted != n_processes and config.devices != "auto":
        raise BadConfig(
            f"{name} started {n_processes} processes, but train.devices × train.num_nodes = "
            f"{n_wanted}. Set them to the same number."
        )
    # SLURM may show each process only its own GPU
    return Place(devices[local_rank % len(devices)], rank, n_processes, rendezvous)


def _find_started(n_wanted: int) -> tuple[str, int, int, int, dict[str, str]] | None:
    """Return what started this process as one of several, and its rank; None if nothing did."""
    variables = os.environ
    if int(variables.get("WORLD_SIZE", "1")) > 1 and "RANK" in variables:
        name = "the first process" if _PARENT in variables else "torchrun"
        rank, n_processes = int(variables["RANK"]), int(variables["WORLD_SIZE"])
        return name, rank, n_processes, int(variables.get("LOCAL_RANK", "0")), {}
    n_processes = int(variables.get("SLURM_NTASKS", "1"))
    if n_wanted == 1 or n_processes == 1 or "SLURM_PROCID" not in variables:
        return None  # each task of a job may train its own network
    nodes = variables.get("SLURM_STEP_NODELIST") or variables.get("SLURM_NODELIST", "127.0.0.1")
    port = int(variables.get("SLURM_JOB_ID", "0")) * 8 + int(variables.get("SLURM_STEP_ID", "0"))
    rendezvous = {
        "MASTER_ADDR": variables.get("MASTER_ADDR") or _first_node(nodes),
        "MASTER_PORT": variables.get("MASTER_PORT") or str(15000 + port % 15000),
        "RANK": variables["SLURM_PROCID"],
        "WORLD_SIZE": str(n_processes),
    }
    rank, local_rank = int(variables["SLURM_PROCID"]), int(variables.get("SLURM_LOCALID", "0"))
    return "srun", rank, n_processes, local_rank, rendezvous


def _first_node(nodes: str) -> str:
    """Return the first machine of SLURM's list.

    >>> _first_node("gpu[07-09,12],login1"), _first_node("a1,a2")
    ('gpu07', 'a1')
    """
    return re.sub(r"^([^,\[]*)\[(\d+)[^\]]*\]([^,]*).*$|^([^,\[]+),.*$", r"\1\2\3\4", nodes)


def _list_devices(config: TrainConfig) -> list[torch.device]:
    """Return the device of each process on this machine."""
    kind = config.accelerator
    n_gpus, has_mps = torch.cuda.device_count(), torch.backends.mps.is_available()
    if kind in ("auto", "gpu"):
        kind = "cuda" if n_gpus else "mps" if has_mps else "cpu" if kind == "auto" else ""
    if not kind or (kind == "mps" and not has_mps):
        raise BadConfig(
            f"train.accelerator = {config.accelerator!r}: torch finds none on this machine. Use "
            "cpu, or install a build of torch for this GPU (pytorch.org)."
        )
    if config.precision == "16-mixed" and kind == "cpu":
        raise BadConfig("train.precision = '16-mixed' needs a GPU; on a CPU use bf16-mixed.")
    wanted = str(config.devices).strip()
    if kind == "cuda":
        return [torch.device("cuda", number) for number in _choose_gpus(wanted, n_gpus)]
    n_processes = 1 if wanted == "auto" else _read_number(wanted)
    most = 1 if kind == "mps" else _PROCESSES_PER_CORE * (os.cpu_count() or 1)
    if n_processes > most:
        machine = "one Apple GPU" if kind == "mps" else f"{os.cpu_count()} cores"
        raise BadConfig(
            f"train.devices = {config.devices!r}: {n_processes} processes, but this machine has "
            f"{machine}. Use {most} or fewer."
        )
    return [torch.device(kind)] * n_processes


def _choose_gpus(wanted: str, n_gpus: int) -> list[int]:
    if "," in wanted:  # "0,2", or "1," for one GPU by its number
        numbers = [_read_number(number, least=0) for number in wanted.rstrip(",").split(",")]
    else:
        numbers = list(range(n_gpus if wanted == "auto" else _read_number(wanted)))
        if n_gpus == 1 and _find_started(len(numbers)) is not None:
            return [0] * len(numbers)  # each process sees its own alone
    if max(numbers) >= n_gpus or len(set(numbers)) < len(numbers):
        raise BadConfig(
            f"train.devices = {wanted!r}: this machine has {n_gpus} GPUs, numbered from 0."
        )
    return numbers


def _read_number(text: str, least: int = 1) -> int:
    if not text.strip().isdecimal() or int(text) < least:
        raise BadConfig(
            f'train.devices = {text!r}: write a number of processes, "auto" for every GPU, or "0,2"'
            " for these GPUs."
        )
    return int(text)


@contextmanager
def joined(place: Place) -> Iterator[None]:
    """Connect the processes of a run, starting the others if necessary.

    They stay connected for the next run of the same program. If this process fails, those that it
    started are stopped.

    Raises:
        LostWorkers: One of the other processes died; the message names it.
    """
    if place.n_processes == 1:
        yield
        return
    is_well = False
    try:
        if not distributed.is_initialized():
            _connect(place)
        yield
        is_well = True
    except RuntimeError as error:
        lost = _find_dead(_SECONDS_TO_END) if _others else _find_broken(error)
        if lost:
            raise LostWorkers(
                f"{lost}. Resume the run to continue from the last complete epoch."
            ) from error
        raise
    finally:
        if not is_well:
            _end_others(0.0)
            with suppress(RuntimeError, ValueError, AssertionError):
                distributed.destroy_process_group()


def tell_all(place: Place, text: str) -> str:
    """Return the first process's text on every process."""
    texts = [text]
    if place.n_processes > 1:
        distributed.broadcast_object_list(texts)
    return texts[0]


_others: list[subprocess.Popen] = []  # started by this process, by rank from 1


def _connect(place: Place) -> None:
    backend = "gloo"
    if place.device.type == "cuda":
        backend = "nccl"
        torch.cuda.set_device(place.device)
    ways: dict[str, Any] = {"rank": place.rank, "world_size": place.n_processes}
    if place.rendezvous is None:
        ways["store"] = _start_others(place.n_processes)
    elif _PARENT in os.environ:
        threading.Thread(target=_end_with_parent, daemon=True).start()
        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        ways["store"] = distributed.TCPStore(address, port, is_master=False)
        ways["store"].set(f"process {place.rank}", "is here")
    else:
        os.environ.update(place.rendezvous)
    distributed.init_process_group(backend, **ways)
    atexit.register(_disconnect)


def _start_others(n_processes: int) -> distributed.TCPStore:
    """Run the command of this process again for each of the others, and wait until all connect."""
    if hasattr(sys, "ps1") or "ipykernel" in sys.modules or sys.argv[0] in ("", "-"):
        raise BadConfig(
            f"train.devices asks for {n_processes} processes, each of which runs this program; "
            "this needs a script or the command line, not a notebook or an interactive session."
        )
    store = distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    for rank in range(1, n_processes):
        numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": n_processes}
        numbers |= {"MASTER_PORT": store.port, _PARENT: os.getpid()}
        variables = {name: str(number) for name, number in numbers.items()}
        environment = os.environ | variables | {"MASTER_ADDR": "127.0.0.1"}
        _others.append(subprocess.Popen([sys.executable, *sys.orig_argv[1:]], env=environment))
    while not store.check([f"process {rank}" for rank in range(1, n_processes)]):
        if any(process.poll() is not None for process in _others):
            raise RuntimeError("a process ended before the training began")
        time.sleep(0.02)
    return store


def _end_with_parent() -> None:
    """End this process if the one that started it is gone, however it was killed."""
    while os.getppid() == int(os.environ[_PARENT]):
        time.sleep(0.5)
    os._exit(1)


def _find_dead(seconds: float) -> str:
    """Return which of the other processes has exited, waiting briefly for one to do so."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for rank, process in enumerate(_others, start=1):
            code = process.poll()
            if code is not None:
                how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
                return (
                    f"process {rank} (of 0 to {len(_others)}, process id {process.pid}) of this "
                    f"training has exited: {how}; see its output for the reason"
                )
        time.sleep(0.05)
    return ""


def _find_broken(error: RuntimeError) -> str:
    words = "onnection closed", "onnection reset", "roken pipe"
    if isinstance(error, distributed.DistError) or any(word in str(error) for word in words):
        return "another process of this training has exited; see its output for the reason"
    return ""


def _disconnect() -> None:
    """Disconnect at the end of the program."""
    _end_others(_SECONDS_TO_END)
    if distributed.is_initialized():
        distributed.destroy_process_group()


def _end_others(seconds: float) -> None:
    """Stop the processes that this one started, unless they exit by themselves in time."""
    end = time.monotonic() + seconds
    for process in _others:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, end - time.monotonic()))
    for process in _others:
        process.terminate()
    for process in _others:
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    _others.clear()
