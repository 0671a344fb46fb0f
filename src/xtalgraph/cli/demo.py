"""`xtalgraph demo`: the main job from beginning to end, on the embedded data set."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree

from xtalgraph.cli.output import print_lines, say
from xtalgraph.cli.progress import training_bar
from xtalgraph.cli.train import finish
from xtalgraph.errors import BadConfig

FOLDER = Path("runs/demo")
TARGET = "ionic_energy_per_atom"
NEW_CRYSTALS = {
    "SrTiO3": ("Sr", "Ti", 3.905),
    "CaZrO3": ("Ca", "Zr", 4.11),
    "KMgF3": ("K", "Mg", 3.99),
}


def demo(*, out: Path = FOLDER, epochs: int = 60) -> int:
    """Check the embedded data, train, compare with baselines, predict three new crystals.

    The embedded data are perovskites and other oxides with the lattice energy of a classical ionic
    model. They are made by the package, need no download, and are not DFT.

    Parameters
    ----------
    out: Path
        The run folder. An earlier demo in runs/demo is replaced, another folder must be new.
    epochs: int
        Passes over the training part.
    """
    from xtalgraph.data import check_dataset, make_ionic_dataset
    from xtalgraph.graphs import nearest_distances
    from xtalgraph.training import apply_overrides, preset, train

    if out.exists():
        if out != FOLDER or not (out / "config.toml").exists():
            raise BadConfig(f"{out} is there already. Give another --out, or remove it.")
        rmtree(out)
    say("1. the data: an ionic model, not DFT")
    dataset = make_ionic_dataset()
    print_lines(check_dataset(dataset, target=TARGET, nearest_distances=nearest_distances).lines())
    say(f"2. training a network on {TARGET}")
    config = apply_overrides(preset("default"), [f"train.epochs={epochs}"])
    with training_bar() as show:
        run = train(dataset, TARGET, config=config, out=out, on_progress=show)
    say("3. how good is it, beside trivial baselines?")
    finish(run, dataset)
    say("4. three crystals that it has not seen in this form")
    predict_new(out)
    return 0


def predict_new(folder: Path) -> None:
    """Write three perovskites as CIFs, read them as a user's files, and predict them."""
    from xtalgraph.prediction import load_model
    from xtalgraph.structures import Crystal, read_crystals, write_crystal

    sites = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    crystals = folder / "new_crystals"
    crystals.mkdir()
    for name, (a_site, b_site, length) in NEW_CRYSTALS.items():
        anion = name[-2]
        lattice = [[length, 0, 0], [0, length, 0], [0, 0, length]]
        symbols = [a_site, b_site, anion, anion, anion]
        write_crystal(Crystal.from_symbols(lattice, sites, symbols, name), crystals / f"{name}.cif")
    result = load_model(folder).predict(read_crystals(crystals)).to_frame()
    print_lines(result.to_string(index=False).split("\n"))
    say(f"the same from a shell: xtalgraph predict {folder} {crystals}")
