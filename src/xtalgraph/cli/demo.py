"""`xtalgraph demo`: the main job from beginning to end, on the embedded data set."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree

from xtalgraph.cli.options import Positive
from xtalgraph.cli.output import print_lines, print_table, say
from xtalgraph.cli.progress import training_bar
from xtalgraph.errors import BadConfig

FOLDER = Path("runs/demo")
TARGET = "formation_energy_per_atom"
# Cubic perovskites of the Materials Project that are not in the sample: A, B, X, edge in Å, and
# the formation energy by DFT in eV/atom. The sample has SrTiO3 in another form; of the other two
# it has no crystal.
NEW_CRYSTALS = {
    "SrTiO3": ("Sr", "Ti", "O", 3.945, -3.568),
    "CsPbI3": ("Cs", "Pb", "I", 6.414, -1.002),
    "KCoF3": ("K", "Co", "F", 4.105, -2.501),
}


def demo(*, out: Path = FOLDER, epochs: Positive = 60) -> int:
    """Check the embedded data, train, compare with baselines, predict three new crystals.

    The data are 1,700 perovskites and other oxides of the Materials Project with formation
    energies by DFT; they come with the package and need no download.

    Parameters
    ----------
    out: Path
        The run folder. An earlier demo in runs/demo is replaced; any other folder must be new.
    epochs: int
        Passes over the training set.

    Examples
    --------
    xtalgraph demo
    """
    from xtalgraph.data import check_dataset, read_sample_dataset
    from xtalgraph.evaluation import evaluate, report_run
    from xtalgraph.graphs import nearest_distances
    from xtalgraph.training import apply_overrides, preset, train

    if out.exists():
        if out != FOLDER or not (out / "config.toml").exists():
            raise BadConfig(f"{out} is there already. Give another --out, or remove it.")
        rmtree(out)
    say("1. the data: formation energies of the Materials Project (DFT)")
    dataset = read_sample_dataset()
    print_lines(check_dataset(dataset, target=TARGET, nearest_distances=nearest_distances).lines())
    say(f"2. training a network on {TARGET}")
    config = apply_overrides(preset("default"), [f"train.epochs={epochs}"])
    with training_bar() as show:
        run = train(dataset, TARGET, config=config, out=out, on_progress=show)
    say("3. the error on the test set, next to baselines; composition_forest knows no structure")
    evaluation = evaluate(run.folder, dataset, baselines=("mean", "median", "composition_forest"))
    print_table(evaluation.table())
    say(f"report: {report_run(run.folder, dataset, evaluation=evaluation)}")
    say("4. three crystals that are not in the data")
    predict_new(out)
    return 0


def predict_new(folder: Path) -> None:
    """Write three perovskites as CIFs, read them as a user's files, and predict them."""
    from xtalgraph.prediction import load_model
    from xtalgraph.structures import Crystal, read_crystals, write_crystal

    sites = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    crystals = folder / "new_crystals"
    crystals.mkdir()
    for name, (a_site, b_site, anion, edge, _) in NEW_CRYSTALS.items():
        lattice = [[edge, 0, 0], [0, edge, 0], [0, 0, edge]]
        symbols = [a_site, b_site, anion, anion, anion]
        write_crystal(Crystal.from_symbols(lattice, sites, symbols, name), crystals / f"{name}.cif")
    result = load_model(folder).predict(read_crystals(crystals)).to_frame()
    result["DFT [eV/atom]"] = [NEW_CRYSTALS[id][-1] for id in result["id"]]
    print_table(result)
    say(f"the same from a shell: xtalgraph predict {folder} {crystals}")
