"""A fitted baseline in two files: `baseline.json` and `baseline.safetensors`, neither a pickle."""

import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from xtalgraph.errors import BadCheckpoint
from xtalgraph.evaluation.baselines.registry import BASELINES, Baseline
from xtalgraph.nn import Task
from xtalgraph.units import Target

FORMAT = 1
DESCRIPTION, ARRAYS = "baseline.json", "baseline.safetensors"


def save_baseline(name: str, baseline: Baseline, task: Task, folder: str | Path) -> Path:
    """Write a fitted baseline, under its name in `BASELINES`, into a folder, and give the folder.

    Of the composition models the training table is saved, and they are fitted again when read.
    """
    from safetensors.numpy import save_file

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(baseline.state(), folder / ARRAYS)
    description = {
        "format": FORMAT,
        "baseline": name,
        "settings": baseline.settings,
        "task": asdict(task),
        "versions": {name: version(name) for name in ("xtalgraph", "scikit-learn", "torch")},
    }
    text = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
    (folder / DESCRIPTION).write_text(text, encoding="utf-8")
    return folder


def read_baseline(folder: str | Path) -> tuple[Baseline, Task]:
    """Read a baseline that `save_baseline` wrote, ready to predict, with its task."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    folder = Path(folder)
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        state = load_file(folder / ARRAYS)
    except FileNotFoundError as error:
        raise BadCheckpoint(
            f"{error.filename or folder} does not exist. Give the folder of a saved baseline."
        ) from None
    except (ValueError, SafetensorError) as error:
        raise BadCheckpoint(f"{folder}: broken ({error}). Save the baseline again.") from None
    if description.get("format") != FORMAT or description.get("baseline") not in BASELINES:
        raise BadCheckpoint(
            f"{folder / DESCRIPTION}: format {description.get('format')!r}, baseline "
            f"{description.get('baseline')!r}; expected format {FORMAT} and one of "
            f"{', '.join(BASELINES)}. Save it again with this version."
        )
    baseline = BASELINES[description["baseline"]](**description["settings"])
    written = description["task"]
    targets = tuple(Target(**target) for target in written["targets"])
    task = Task(written["kind"], targets, tuple(written["classes"]))
    baseline.restore(state, task)
    return baseline, task
