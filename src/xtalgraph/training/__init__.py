"""Training: settings, the run from a data set to a run folder, and its resumption."""

from xtalgraph.training.config import PRESETS, RunConfig, TrainConfig, preset
from xtalgraph.training.config_toml import apply_overrides, format_config, read_config
from xtalgraph.training.progress import Progress
from xtalgraph.training.run_folder import TrainedRun, read_run, read_run_dataset
from xtalgraph.training.starting import start_from
from xtalgraph.training.train import resume_run, train

__all__ = [
    "PRESETS",
    "Progress",
    "RunConfig",
    "TrainConfig",
    "TrainedRun",
    "apply_overrides",
    "format_config",
    "preset",
    "read_config",
    "read_run",
    "read_run_dataset",
    "resume_run",
    "start_from",
    "train",
]
