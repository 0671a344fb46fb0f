"""The total energy of a crystal, from a network that predicts its formation energy.

In the Materials Project table the total energy an atom is the formation energy plus, for each
atom, the reference energy of its element: exactly, since that is how formation energies are made.
So the networks of the formation energy get a second output, the first plus a term of the
composition, and nothing is trained. The references come from the training part by least squares.
Rows of the joined table whose two energies are of one release (`mp-…`) have to be given to 1e-6
eV/atom; the others, whose formation energy is of another release and differs by some 0.005, only
help with elements that are in no such row.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from xtalgraph.data import read_dataset
from xtalgraph.data.splits import read_split
from xtalgraph.nn import NETWORKS, Normaliser, SavedModel, Task, network_name, save_model
from xtalgraph.structures import CrystalStore
from xtalgraph.training.run_folder import SPLITS, read_record, read_run

FORMATION, TOTAL = "formation_energy_per_atom", "energy_per_atom"
EXACT = 1e-6  # eV/atom
MUCH = 1e4  # how much more a row of one release counts than one of two
N_ATOMIC_NUMBERS = 119


def count_shares(crystals: CrystalStore) -> np.ndarray:
    """Give the share of each atomic number in each crystal."""
    shares = np.zeros((len(crystals), N_ATOMIC_NUMBERS))
    owner = np.repeat(np.arange(len(crystals)), crystals.n_atoms)
    np.add.at(shares, (owner, crystals.atomic_numbers), 1.0)
    return shares / shares.sum(axis=1, keepdims=True)


def find_references(
    crystals: CrystalStore, difference: np.ndarray, is_exact: np.ndarray
) -> np.ndarray:
    """Give the reference energy of each atomic number in eV, 0 for those that do not occur."""
    shares = count_shares(crystals)
    weight = np.where(is_exact, MUCH, 1.0)
    references = np.linalg.lstsq(shares * weight[:, None], difference * weight, rcond=None)[0]
    error = np.abs(shares @ references - difference)[is_exact].max()
    if error > EXACT:
        raise ValueError(f"total energies are {error:.1e} eV/atom off the sum of references")
    return np.where(shares.sum(axis=0) > 0, references, 0.0)


def add_output(saved: SavedModel, references: np.ndarray, std: float) -> SavedModel:
    """Give the model with a second output, normalised by the first one's mean and by `std`."""
    assert saved.normaliser is not None
    mean, first_std = saved.normaliser.mean[0], saved.normaliser.std[0]
    state = dict(saved.network.state_dict())
    last = f"output.{len(saved.network.output) - 1}."
    for name, value in state.items():
        if name.startswith(last):
            state[name] = torch.cat([value, value * (first_std / std)])
        elif name == "composition.weight":
            shift = torch.from_numpy(references / std).to(value.dtype)[:, None]
            state[name] = torch.cat([value, value * (first_std / std) + shift], dim=1)
    vectors = state.get("element_vectors.vectors")
    network = NETWORKS[network_name(saved.model_config)].build(saved.model_config, 2, vectors)
    network.load_state_dict(state)
    return replace(
        saved,
        weights=network.eval(),
        task=Task("regression", (*saved.task.targets, replace(saved.task.targets[0], name=TOTAL))),
        normaliser=Normaliser((mean, mean), (first_std, std)),
    )


def add_total_energy(run: Path) -> Path:
    """Write a run folder beside that of a formation energy, whose model gives the total one too."""
    out = run.with_name(f"{run.name}-and-total")
    _, record = read_record(run)
    dataset = read_dataset(record["source"])
    train = read_split(run / SPLITS, dataset).train
    values = dataset.values([FORMATION, TOTAL])[train]
    known = ~np.isnan(values).any(axis=1)
    difference = values[known, 1] - values[known, 0]
    is_exact = np.strings.startswith(dataset.ids[train[known]], "mp-")
    references = find_references(dataset.crystals.take(train[known]), difference, is_exact)
    saved = add_output(read_run(run).model, references, float(values[known, 1].std()))
    shutil.copytree(run, out, dirs_exist_ok=True)
    save_model(saved, out)
    text = (out / "config.toml").read_text(encoding="utf-8")
    text = text.replace(f'targets = ["{FORMATION}"]', f'targets = ["{FORMATION}", "{TOTAL}"]')
    text = text.replace('units = ["eV/atom"]', 'units = ["eV/atom", "eV/atom"]')
    (out / "config.toml").write_text(text, encoding="utf-8")
    return out
