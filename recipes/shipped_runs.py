"""The run folders of networks that are packed already, without training them again.

A packed model knows what `xtalgraph ensemble` needs of a run: the weights as they are stored, seed
and settings of each network, the split as it was asked for, and the checksum of the data. With the
same data that is a run folder, which can be packed anew (with other networks beside it, in another
form of weights) or gone on with. What is not known any more, the course of the training, is left
out; the weights are those that were stored, not those that were trained.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xtalgraph.data import Dataset, make_split
from xtalgraph.data.splits import checksum_split, write_split
from xtalgraph.nn import SavedModel, read_model, save_model
from xtalgraph.nn.resolve import read_ensemble_description
from xtalgraph.nn.saved_model import select_targets
from xtalgraph.training import format_config, read_config
from xtalgraph.training.run_folder import CONFIG, HISTORY, METRICS, SPLITS, is_finished, write_text


def restore_runs(packed: Path, runs: Sequence[Path], dataset: Dataset) -> list[Path]:
    """Write the run folders of a packed model's networks, and give those that were not there.

    `runs` are their folders in the order in which they were packed, each ending in its seed. A
    network with a total energy beside the formation energy gives two: that of the run that was
    trained, and what `total_energy` made of it.
    """
    description = read_ensemble_description(packed)
    facts = description["facts"]
    places = [record["path"] for record in description["members"]]
    if facts["data"]["checksum"] != dataset.checksum:
        raise ValueError(f"{dataset.source} is not the data set that {packed} was trained on.")
    written = []
    for place, member, out in zip(places, facts["members"], runs, strict=True):
        if int(out.name.rsplit("-", 1)[-1]) != member["seed"]:
            raise ValueError(f"{packed / place} has the seed {member['seed']}: not that of {out}.")
        saved = read_model(packed / place)
        names = [target.name for target in saved.task.targets]
        folders = {out: names}
        if names == ["formation_energy_per_atom", "energy_per_atom"]:
            folders = {out: names[:1], out.with_name(f"{out.name}-and-total"): names}
        for folder, targets in folders.items():
            if not is_finished(folder):
                write_run(select_targets(saved, targets), member, facts["split"], dataset, folder)
                written.append(folder)
    return written


def write_run(
    saved: SavedModel,
    member: dict[str, Any],
    split: dict[str, Any],
    dataset: Dataset,
    folder: Path,
) -> None:
    """Write one run folder: what `member` and `split` of a card's facts say, and the network."""
    save_model(saved, folder)
    write_text(folder / CONFIG, member["settings"])
    config = read_config(folder / CONFIG)
    parts = make_split(dataset, split["asked"], config.train.split_seed)
    record = {
        "name": dataset.name,
        "source": dataset.source,
        "checksum": dataset.checksum,
        "n_crystals": len(dataset),
        "targets": [target.name for target in saved.task.targets],
        "units": [target.unit for target in saved.task.targets],
        "task": saved.task.kind,
        "split": split["asked"],
        "split_checksum": checksum_split(dataset, parts),
    }
    write_split(folder / SPLITS, dataset, parts)
    write_text(folder / CONFIG, format_config(config, record))
    write_text(folder / HISTORY, "epoch\n")
    known = {name: member[name] for name in ("epochs", "best_epoch", "seconds")}
    write_text(folder / METRICS, json.dumps({"task": saved.task.kind, **known}, indent=2) + "\n")
