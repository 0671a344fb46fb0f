"""What fine-tuning gains over training from scratch, on the homework's 670 perovskites.

Learned is the total energy per atom. The test part are the crystals of formulas that the source has
not learned; from the others 50, 100 or 300 are drawn, a fifth of them for validation, three times.
Each draw is learned from scratch, from the weights of a source, and from them with the convolutions
frozen, all with the source's network and the same settings but for the learning rate, of which each
takes the better of two by its validation part. A part that is broken off goes on where it was.

    python -m recipes.fine_tuning_gain --data DATA --source formation-energy \
        --learned runs/shipped/materials_project.parquet --out runs/fine_tuning_gain

The table of `--learned` is what the source was trained on, with a column `split`, as
`recipes.materials_project` writes it.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from xtalgraph import Dataset, RunConfig, Split, load_model, preset, read_dataset, start_from, train
from xtalgraph.data.composition import reduced_formulas
from xtalgraph.report.figures import save_figure
from xtalgraph.report.figures.style import DASHES, MARKERS, SERIES, label, new_figure, styled
from xtalgraph.units import KNOWN_TARGETS

TARGET = KNOWN_TARGETS["energy_per_atom"]
WAYS = {"from scratch": "scratch", "fine-tuned": "none", "fine-tuned, frozen": "convolutions"}
RATES = (5e-3, 1e-3)
VALIDATION_SHARE = 1 / 5  # of the crystals drawn
BATCH_SIZE = 8  # so that few crystals are many steps


def read_homework(data: Path) -> Dataset:
    """Give the perovskites with their energy per atom, in eV; the file has it per cell."""
    dataset = read_dataset(data / "cs182_perovskites")
    energies = dataset.values(["target"])[:, 0] / dataset.crystals.n_atoms
    columns = pd.DataFrame({TARGET.name: energies})
    return replace(dataset, columns=columns, targets={TARGET.name: TARGET})


def read_learned(table: Path) -> set[str]:
    """Give the formulas that a source has learned: those of the part `train` of its table."""
    dataset = read_dataset(table)
    is_learned = dataset.columns["split"].to_numpy() == "train"
    return set(reduced_formulas(dataset.crystals.take(np.flatnonzero(is_learned))))


def split_test(formulas: list[str], learned: set[str]) -> tuple[np.ndarray, np.ndarray]:
    """Give the rows that may be learned, and the test part: formulas new to the source."""
    is_new = np.array([formula not in learned for formula in formulas])
    return np.flatnonzero(~is_new), np.flatnonzero(is_new)


def draw_split(pool: np.ndarray, test: np.ndarray, size: int, seed: int) -> Split:
    """Draw `size` rows of the pool, the first of them for validation."""
    drawn = np.random.default_rng([seed, size]).permutation(pool)[:size]
    n_validation = round(VALIDATION_SHARE * size)
    return Split(np.sort(drawn[n_validation:]), np.sort(drawn[:n_validation]), test)


def make_config(source: str, way: str, rate: float, seed: int, epochs: int) -> RunConfig:
    """Give the settings of one run: all have the source's network and graphs."""
    scratch = WAYS[way] == "scratch"
    config = start_from(source, preset("default"), freeze="none" if scratch else WAYS[way])
    optimisation = replace(
        config.train,
        start_from="" if scratch else config.train.start_from,
        learning_rate=rate,
        batch_size=BATCH_SIZE,
        epochs=epochs,
        seed=seed,
        tensorboard=False,
    )
    return replace(config, train=optimisation)


def measure(
    dataset: Dataset,
    parts: tuple[np.ndarray, np.ndarray],
    source: str,
    sizes: list[int],
    seeds: list[int],
    epochs: int,
    out: Path,
) -> Iterator[dict[str, object]]:
    """Train all runs; give one row each, with the errors of validation and test in eV/atom."""
    pool, test = parts
    for size in sizes:
        for seed in seeds:
            split = draw_split(pool, test, size, seed)
            for way in WAYS:
                for rate in RATES:
                    config = make_config(source, way, rate, seed, epochs)
                    folder = out / f"{size}-{seed}-{WAYS[way]}-{rate:g}"
                    begun = (folder / "config.toml").exists()
                    run = train(
                        dataset, TARGET.name, out=folder, config=config, split=split, resume=begun
                    )
                    errors = {
                        part: run.metrics[part][TARGET.name]["mean_absolute_error"]
                        for part in ("validation", "test")
                    }
                    print(folder.name, errors, flush=True)
                    yield {"size": size, "seed": seed, "way": way, "rate": rate, **errors}


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """Give the mean and the spread of the test errors over the seeds, the rate chosen before."""
    best = rows.loc[rows.groupby(["size", "seed", "way"])["validation"].idxmin()]
    return best.groupby(["way", "size"], sort=False)["test"].agg(["mean", "std"]).reset_index()


def score_untuned(dataset: Dataset, test: np.ndarray, model: str) -> float | None:
    """Give the error of a model as it is on the test part, if it predicts the same target."""
    predictor = load_model(model)
    if predictor.task.targets != (TARGET,):
        return None
    found = predictor.predict(dataset.crystals.take(test)).values[:, 0]
    return float(np.abs(found - dataset.values([TARGET.name])[test, 0]).mean())


@styled
def draw(table: pd.DataFrame, untuned: float | None, path: Path) -> None:
    """Draw the errors over the number of crystals, the spread of the seeds as bars."""
    figure, axes = new_figure()
    for i, way in enumerate(WAYS):
        part = table[table["way"] == way]
        bars = {"marker": MARKERS[i], "linestyle": DASHES[i], "color": SERIES[i], "capsize": 2}
        axes.errorbar(part["size"], part["mean"], part["std"], label=way, **bars)
    if untuned is not None:
        axes.axhline(untuned, color="0.5", linewidth=0.8, label="not tuned")
    axes.set(xscale="log", xlabel="labelled crystals")
    axes.set_ylim(bottom=0)
    axes.set_ylabel(label("mean absolute error, test", TARGET.unit))
    sizes = sorted(set(table["size"]))
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    axes.legend()
    save_figure(figure, path)


def main() -> None:
    """Train, and write the runs, a table and a figure."""
    parser = argparse.ArgumentParser(description="Measure what fine-tuning gains.")
    parser.add_argument("--data", type=Path, required=True, help="folder with cs182_perovskites")
    parser.add_argument("--source", required=True, help="a trained model: a folder or a name")
    parser.add_argument("--learned", type=Path, required=True, help="table it was trained on")
    parser.add_argument("--untuned", default="total-energy", help="a model used as it is")
    parser.add_argument("--out", type=Path, required=True, help="folder for runs and results")
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 100, 300])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=100)
    options = parser.parse_args()
    dataset = read_homework(options.data)
    parts = split_test(reduced_formulas(dataset.crystals), read_learned(options.learned))
    print(f"{len(parts[1])} crystals of formulas that the source has not learned are the test part")
    rows = pd.DataFrame(
        measure(
            dataset,
            parts,
            options.source,
            options.sizes,
            options.seeds,
            options.epochs,
            options.out / "runs",
        )
    )
    rows.to_csv(options.out / "runs.csv", index=False)
    table = summarise(rows)
    untuned = score_untuned(dataset, parts[1], options.untuned)
    table.to_csv(options.out / "table.csv", index=False)
    draw(table, untuned, options.out / "fine_tuning_gain")
    shown = table.assign(result=[f"{m:.4f} ± {s:.4f}" for m, s in table[["mean", "std"]].values])
    print(shown.pivot(index="size", columns="way", values="result")[list(WAYS)].to_string())
    print(f"{options.untuned} as it is: {'-' if untuned is None else f'{untuned:.4f}'}")


if __name__ == "__main__":
    main()
