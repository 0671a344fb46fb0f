from .config import (
    PRESETS as PRESETS,
    RunConfig as RunConfig,
    TrainConfig as TrainConfig,
    apply_overrides as apply_overrides,
    format_config as format_config,
    preset as preset,
    read_config as read_config,
)
from .finetune import (
    start_from as start_from,
)
from .loop import (
    Progress as Progress,
)
from .run import (
    resume_run as resume_run,
    train as train,
)
from .run_folder import (
    TrainedRun as TrainedRun,
    read_run as read_run,
    read_run_dataset as read_run_dataset,
)
