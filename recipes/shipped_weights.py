"""How every model that comes with the package was trained and packed: one command each.

    python -m recipes.shipped_weights pack band-gap --data ../shared/data --runs runs/shipped

makes the tables that it needs, trains what is not trained yet (a run that was broken off goes on),
and packs the networks with uncertainty, domain and card. `train RUN --seed N` does one run alone,
so that several machines can share the work. `restore MODEL` writes the run folders of what is
packed already, so that it can be packed anew, or gone on with, without training it again. The data
are those of the Materials Project and of Castelli as `docs/data.md` describes them; where there is
an accelerator, the same commands use it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from recipes import materials_project, perovskite_or_oxide, shipped_runs, total_energy
from xtalgraph.data import read_dataset
from xtalgraph.training.run_folder import is_finished

HERE = Path(__file__).parent
SHIPPED = HERE.parent / "src/xtalgraph/models/shipped"


@dataclass(frozen=True)
class Run:
    """One training, for each of some seeds."""

    table: str  # a file of the data folder, or one that `make_table` makes
    target: str
    options: tuple[str, ...]  # of `xtalgraph train`
    n_seeds: int = 3
    start: str = ""  # another run, whose weights it begins with


@dataclass(frozen=True)
class Model:
    """One shipped model: what is packed of which run."""

    run: str
    notes: str  # a file of recipes/card_notes
    target: str = ""  # of a run of several targets
    members: str = ""  # folder of the networks that several models share
    also: tuple[str, ...] = ()  # other runs of the same targets, whose networks join
    n_members: int = 0  # how many networks of each run; 0 = all
    baselines: str = "mean,composition_boosting"
    weights: str = "float16"  # how they are stored; a byte each where the networks are many


SEVERAL = "formation_energy_per_atom,band_gap,fermi_energy,log10_K_VRH,log10_G_VRH,poisson_ratio"
JOINED, SPLIT = "materials_project.parquet", ("--split", "column:split")
CASTELLI = ("--split", "column:split:train=train,test=validation")
TUNING = (*SPLIT, "--set", "train.batch_size=128", "--set", "train.warm_up=0.1")
MODULI = "log10_K_VRH,log10_G_VRH,poisson_ratio"
AGAIN = ("--set", "train.learning_rate=3e-3", "--set", "train.weight_decay=0.1")
AGAIN += ("--set", "train.gradient_clip=2.0")
FERMI = (*TUNING, *AGAIN, "--epochs", "8")
FEW_LABELS = (*SPLIT, *AGAIN, "--epochs", "10", "--set", "train.warm_up=0.1")
FEW_LABELS += ("--set", "train.batch_size=64", "--set", "train.weight_averaging=0.99")
SMALL = ("--config", str(HERE / "castelli.toml"))
HULL = (*CASTELLI, *SMALL)
OXIDES, BY_FORMULA = "perovskite_or_oxide.parquet", "group:formula:0.8,0.1,0.1"
SYMMETRY = ("--set", "model.distance_degeneracy=true", "--set", "model.n_convolutions=3")
SYMMETRY += ("--set", "model.dropout=0.1", "--set", "train.weight_decay=0.05")

RUNS = {
    "several": Run(JOINED, SEVERAL, (*SPLIT, "--config", str(HERE / "materials_project.toml"))),
    "energies": Run(
        JOINED,
        "formation_energy_per_atom",
        (*TUNING, "--set", "train.learning_rate=1e-3", "--epochs", "6"),
        start="several",
    ),
    "more_energies": Run(
        JOINED,
        "formation_energy_per_atom",
        (*TUNING, "--set", "train.learning_rate=2e-3", "--epochs", "6"),
        start="energies",
    ),
    "electronic": Run(
        JOINED,
        "band_gap,fermi_energy",
        (*TUNING, "--set", "train.learning_rate=1e-3", "--epochs", "5"),
        start="several",
    ),
    "fermi": Run(JOINED, "fermi_energy", FERMI, start="electronic"),
    "moduli": Run(JOINED, MODULI, FEW_LABELS, start="energies"),
    "more_moduli": Run(JOINED, MODULI, FEW_LABELS, start="electronic"),
    "is_metal": Run(
        JOINED,
        "is_metal",
        (*TUNING, "--task", "classification", "--set", "train.learning_rate=1e-3", "--epochs", "3"),
        n_seeds=1,
        start="several",
    ),
    "crystal_system": Run(
        "materials_project_36k.parquet",
        "crystal_system",
        ("--task", "classification", "--split", BY_FORMULA, *SYMMETRY, "--epochs", "25"),
        n_seeds=1,
    ),
    "is_perovskite": Run(
        OXIDES,
        "kind",
        ("--task", "classification", "--split", BY_FORMULA, *SMALL, "--epochs", "16"),
        n_seeds=1,
    ),
    "hull": Run("castelli_perovskites.parquet", "energy_above_hull", HULL, n_seeds=1),
    "sites": Run(
        "castelli_perovskites.parquet",
        "energy_above_hull",
        (*HULL, "--set", "model.n_hidden=0"),
    ),
}

MORE, MP_NOTES, ENERGIES = ("more_moduli",), "materials_project.md", "_energies"
MODELS = {
    "formation-energy": Model(
        "more_energies", MP_NOTES, "formation_energy_per_atom", ENERGIES, weights="int8"
    ),
    "total-energy": Model("more_energies", MP_NOTES, "energy_per_atom", ENERGIES, weights="int8"),
    "band-gap": Model("electronic", MP_NOTES, "band_gap", "_electronic", weights="int8"),
    "fermi-energy": Model("fermi", MP_NOTES, members="_fermi", weights="int8"),
    "bulk-modulus": Model("moduli", MP_NOTES, "log10_K_VRH", "_moduli", MORE, weights="int8"),
    "shear-modulus": Model("moduli", MP_NOTES, "log10_G_VRH", "_moduli", MORE, weights="int8"),
    "poisson-ratio": Model("moduli", MP_NOTES, "poisson_ratio", "_moduli", MORE, weights="int8"),
    "is-metal": Model("is_metal", MP_NOTES, baselines="most_common,composition_boosting"),
    "crystal-system": Model(
        "crystal_system", "symmetry.md", baselines="most_common,composition_boosting"
    ),
    "is-perovskite": Model(
        "is_perovskite", "oxides.md", baselines="most_common,composition_boosting"
    ),
    "perovskite-hull": Model("sites", "castelli.md", members="_perovskites", also=("hull",)),
    "perovskite-sites": Model("sites", "castelli.md", members="_perovskites", n_members=1),
}


def find_table(name: str, data: Path, runs: Path) -> Path:
    """Give the file of a table, made where it is one of several joined."""
    if (data / name).is_file():
        return data / name
    made = runs / name
    runs.mkdir(parents=True, exist_ok=True)
    if not made.is_file() and name == JOINED:
        materials_project.write_table(data, made)
    if not made.is_file() and name == OXIDES:
        perovskite_or_oxide.write_table(data, made)
    return made


def train(name: str, seed: int, data: Path, runs: Path) -> Path:
    """Train one run to its end, and first the one it starts from; give its folder."""
    run, out = RUNS[name], runs / f"{name}-{seed}"
    if (out / "model.json").is_file() and (out / "metrics.json").is_file():
        return out
    if (out / "last.ckpt").is_file():
        _command("train", "--resume", str(out))
        return out
    table = find_table(run.table, data, runs)
    start = ("--from", str(train(run.start, seed, data, runs))) if run.start else ()
    options = ("--target", run.target, *run.options, *start)
    _command("train", str(table), *options, "--seed", str(seed), "--out", str(out))
    return out


def pack(name: str, data: Path, runs: Path, out: Path) -> None:
    """Train what a model needs, and pack it into the folder of its name."""
    model = MODELS[name]
    folders = [train(run, seed, data, runs) for run, seed in list_runs(model)]
    if model.members == ENERGIES:
        folders = [_find_total(folder) for folder in folders]
    options = ["--card-notes", str(HERE / "card_notes" / model.notes)]
    options += ["--baselines", model.baselines, "--weights", model.weights]
    if model.target:
        options += ["--target", model.target]
    if model.members:
        options += ["--members", str(out / model.members)]
    _command("ensemble", *map(str, folders), "--out", str(out / name), *options)


def restore(name: str, data: Path, runs: Path, packed: Path) -> None:
    """Write the run folders of a packed model's networks where they are not there."""
    model = MODELS[name]
    folders = [runs / f"{run}-{seed}" for run, seed in list_runs(model)]
    table = find_table(RUNS[model.run].table, data, runs)
    for folder in shipped_runs.restore_runs(packed / name, folders, read_dataset(str(table))):
        print(folder)


def list_runs(model: Model) -> list[tuple[str, int]]:
    """Give name and seed of each run whose network is packed, in the order of the members."""
    return [
        (run, seed)
        for run in (model.run, *model.also)
        for seed in range(model.n_members or RUNS[run].n_seeds)
    ]


def _find_total(run: Path) -> Path:
    """Give the run folder whose network gives the total energy too, made where it is not there."""
    out = run.with_name(f"{run.name}-and-total")
    return out if is_finished(out) else total_energy.add_total_energy(run)


def _command(*words: str) -> None:
    print("xtalgraph", *words, flush=True)
    subprocess.run([sys.executable, "-m", "xtalgraph.cli", *words], check=True)


def main() -> None:
    """Train, pack or restore."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("action", choices=["train", "pack", "restore"])
    parser.add_argument("name", choices=[*RUNS, *MODELS])
    parser.add_argument("--data", type=Path, required=True, help="folder of the tables")
    parser.add_argument("--runs", type=Path, required=True, help="folder for tables and runs")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="where packed models go")
    parser.add_argument("--seed", type=int, default=0, help="of the run to train")
    options = parser.parse_args()
    if options.action == "train":
        train(options.name, options.seed, options.data, options.runs)
    elif options.action == "restore":
        restore(options.name, options.data, options.runs, options.out)
    else:
        pack(options.name, options.data, options.runs, options.out)


if __name__ == "__main__":
    main()
