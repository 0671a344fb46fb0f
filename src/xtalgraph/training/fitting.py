"""Lightning's Trainer, made quiet and put to work."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from xtalgraph.errors import BadCheckpoint, BadConfig
from xtalgraph.training.config import TrainConfig
from xtalgraph.training.lightning import (
    Callback,
    CPUAccelerator,
    MisconfigurationException,
    SLURMEnvironment,
    Trainer,
)
from xtalgraph.training.module import TrainingModule

_LOGGERS = ("lightning.pytorch", "lightning.fabric")
_PROCESSES_PER_CORE = 4  # on the CPU; a typing error must not start thousands of processes


def make_trainer(config: TrainConfig, folder: Path, callbacks: list[Callback]) -> Trainer:
    """Make the Trainer that the config asks for, or say what cannot be had on this machine."""
    # a job that SLURM starts again resumes from our checkpoint, which stands at an epoch's end;
    # Lightning's own would be in the middle of one
    slurm = [SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else []
    try:
        trainer = Trainer(
            accelerator=config.accelerator,
            devices=config.devices,
            num_nodes=config.num_nodes,
            strategy=config.strategy,
            precision=config.precision,
            max_epochs=config.epochs,
            gradient_clip_val=config.gradient_clip or None,
            callbacks=callbacks,
            plugins=slurm,
            default_root_dir=folder,
            use_distributed_sampler=False,  # the loader gives each process its share
            num_sanity_val_steps=0,
            inference_mode=False,  # so that the validated weights can be kept
            logger=False,  # history.py writes the logs
            enable_checkpointing=False,  # checkpoint.py does
            enable_progress_bar=False,  # progress.py does
            enable_model_summary=False,
        )
    except (TypeError, ValueError, RuntimeError, MisconfigurationException) as error:
        settings = ", ".join(
            f"{name} = {getattr(config, name)!r}"
            for name in ("accelerator", "devices", "num_nodes", "strategy", "precision")
        )
        raise BadConfig(f"[train] {settings}: {error}") from error
    most = _PROCESSES_PER_CORE * (os.cpu_count() or 1)
    if isinstance(trainer.accelerator, CPUAccelerator) and trainer.num_devices > most:
        raise BadConfig(
            f"[train] devices = {config.devices!r}: {trainer.num_devices} processes, and this "
            f"machine has {os.cpu_count()} cores. Give {most} or fewer."
        )
    return trainer


def fit(trainer: Trainer, module: TrainingModule, checkpoint: Path | None) -> None:
    """Train to the end, from the state of a checkpoint where one is given.

    Only tensors and plain values are read from a checkpoint, never a pickled object. Ctrl-C leaves
    as `KeyboardInterrupt`, with the handler of the signal as it was; the run can then be resumed.
    """
    if checkpoint is not None:
        _refuse_broken(checkpoint)
    in_main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, ckpt_path=checkpoint, weights_only=True if checkpoint else None)
    except SystemExit as error:
        # Lightning turns Ctrl-C into an exit of the whole program, and ignores the signal after
        if trainer.interrupted:
            raise KeyboardInterrupt from error
        raise
    finally:
        if in_main_thread and handler is not None:
            signal.signal(signal.SIGINT, handler)


def _refuse_broken(checkpoint: Path) -> None:
    try:
        torch.load(checkpoint, map_location="meta", weights_only=True)
    except (RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise BadCheckpoint(
            f"{checkpoint} cannot be read ({type(error).__name__}). Remove it: the run then begins "
            "again with the same settings, and ends in the same result."
        ) from error


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Keep Lightning's notes and advertisements off stderr; its warnings and errors still come.

    One warning is about Lightning's own use of torch, and is kept back with them.
    """
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r".*isinstance\(treespec, LeafSpec\)", FutureWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
