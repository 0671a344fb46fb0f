"""The search of 2018, repeated: which perovskites are stable, found by a network that saw 60 %.

Of the table of Castelli's perovskites 60 % of the rows are learned, the rest is put in order by
prediction, and counted is how many of the truly stable ones come first. Three ways, because in a
search for new crystals nobody has their relaxed structures:

- relaxed: trained on relaxed structures, and given those of the held rows, as the paper does;
- relaxed on built: the same network, given ideal cubic cells whose lattice constants were learned
  from the 60 %;
- built: trained on such ideal cells, and given such.

The whole space of 52 × 52 × 7 compositions is screened; scored are the held rows of the table.

    python -m recipes.perovskite_search castelli_perovskites.parquet --out runs/search

With a model, instead, the compositions are listed that it finds stable and the table does not have:

    python -m recipes.perovskite_search castelli_perovskites.parquet --out runs/new --model NAME
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from xtalgraph import Dataset, read_dataset, train
from xtalgraph.data import write_parquet
from xtalgraph.report.figures import save_figure
from xtalgraph.report.figures.style import DASHES, SERIES, styled
from xtalgraph.screening import (
    DatasetCandidates,
    KnownCrystals,
    LearnedCells,
    PerovskiteSpace,
    ScreenSpec,
    Source,
    learn_cells,
    screen,
)
from xtalgraph.training import apply_overrides, preset

TARGET, LEARNED_SHARE, SEED = "energy_above_hull", 0.6, 0
THRESHOLDS = (0.0, 0.1, 0.2)  # eV/atom
COUNTS = (10, 20, 50, 100, 200, 500, 1000)
RANKINGS = {
    "relaxed": "network, relaxed structures",
    "relaxed_on_built": "the same network on built cells",
    "built": "network trained on built cells",
    "neutral_tolerance": "charge balance, then |t - 1|",
    "tolerance": "|t - 1|",
}


def composition_ids(dataset: Dataset) -> np.ndarray:
    """Give A, B and X of each row (in the order A B X3) as the candidates' ids have them."""
    names = {tuple(sorted(read)): text for text, read in _anion_texts().items()}
    ids = []
    for crystal in dataset.crystals:
        a, b, *x = crystal.symbols
        ids.append(a + b + names[tuple(sorted(x))])
    return np.array(ids, dtype=object)


def _anion_texts() -> dict[str, tuple[str, ...]]:
    from xtalgraph.screening.perovskite_space import CASTELLI_ANIONS, read_anions

    return {text: read_anions(text) for text in CASTELLI_ANIONS}


def build_all(cells: LearnedCells) -> tuple[Dataset, pd.DataFrame]:
    """Give the ideal cells of the whole space, and their columns, by id."""
    space = PerovskiteSpace(cells=cells)
    made = space.make(0, len(space))
    frame = made.columns.assign(id=made.crystals.ids.astype(object)).set_index("id")
    nothing = pd.DataFrame(index=range(len(frame)))
    return Dataset("built", made.crystals, nothing, {}, "", ""), frame


def rebuild(dataset: Dataset, ids: np.ndarray, built: Dataset) -> Dataset:
    """Give the same rows with ideal cells in the place of the relaxed structures."""
    place = {id: row for row, id in enumerate(built.ids.tolist())}
    store = built.crystals.take([place[id] for id in ids])
    return replace(dataset, crystals=replace(store, ids=dataset.crystals.ids))


def train_on(dataset: Dataset, out: Path, epochs: int) -> Path:
    """Train the default network; a tenth of the rows chooses its best epoch."""
    table = read_dataset(write_parquet(dataset, out.with_suffix(".parquet")))
    config = apply_overrides(preset("default"), [f"train.epochs={epochs}"])
    if not (out / "metrics.json").is_file():
        train(table, TARGET, config=config, split="0.9,0.1,0", out=out)
    return out


def rank(source: Source, model: Path, out: Path) -> pd.Series:
    """Screen all of a source, and give the predicted energy by id."""
    screen(source, ScreenSpec((str(model),)), out=out)
    table = pd.read_parquet(out / "passed.parquet", columns=["material_id", f"{TARGET} [eV/atom]"])
    return table.set_index("material_id").iloc[:, 0]


def score_rankings(
    energies: np.ndarray, rankings: dict[str, np.ndarray]
) -> tuple[pd.DataFrame, dict[tuple[str, float], np.ndarray]]:
    """Give recall, precision and enrichment of each ranking, and how many are found by each k.

    Enrichment is the precision over the share of stable ones among all, which is what chance gives.
    """
    rows, found = [], {}
    for threshold in THRESHOLDS:
        stable = energies < threshold
        for name, score in rankings.items():
            hits = np.cumsum(stable[np.argsort(score, kind="stable")])
            found[name, threshold] = hits
            for k in COUNTS:
                precision = hits[k - 1] / k
                rows.append(
                    {
                        "ranking": name,
                        "threshold [eV/atom]": threshold,
                        "stable": int(stable.sum()),
                        "k": k,
                        "found": int(hits[k - 1]),
                        "recall": hits[k - 1] / stable.sum(),
                        "precision": precision,
                        "enrichment": precision / stable.mean(),
                    }
                )
    return pd.DataFrame(rows), found


@styled
def draw(found: dict[tuple[str, float], np.ndarray], energies: np.ndarray, out: Path) -> None:
    """Draw recall and precision over the number of candidates looked at, a column a threshold."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.4), layout="constrained")
    axes = figure.subplots(2, len(THRESHOLDS), sharex=True, sharey="row")
    k = np.arange(1, len(energies) + 1)
    for column, threshold in enumerate(THRESHOLDS):
        n_stable = int((energies < threshold).sum())
        for number, (name, words) in enumerate(RANKINGS.items()):
            look = {"color": SERIES[number], "linestyle": DASHES[number], "label": words}
            axes[0, column].plot(k, found[name, threshold] / n_stable, **look)
            axes[1, column].plot(k, found[name, threshold] / k, **look)
        share = n_stable / len(energies)
        chance = {"color": "#8A8A8A", "linewidth": 0.9, "label": "chance"}
        axes[0, column].plot(k, k / len(energies), **chance)
        axes[1, column].plot(k, np.full(len(k), share), **chance)
        axes[0, column].set(title=f"below {threshold:g} eV/atom ({n_stable})", xscale="log")
        axes[1, column].set(xlabel="candidates looked at", xlim=(1, len(energies)))
    axes[0, 0].set(ylabel="recall", ylim=(0, 1.02))
    axes[1, 0].set(ylabel="precision", ylim=(0, 1.02))
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    save_figure(figure, out)


def repeat_search(data: Path, out: Path, epochs: int) -> pd.DataFrame:
    """Train, screen, score and draw."""
    dataset = read_dataset(data)
    order = np.random.default_rng(SEED).permutation(len(dataset))
    n_learned = round(LEARNED_SHARE * len(dataset))
    learned, held = np.sort(order[:n_learned]), np.sort(order[n_learned:])
    ids = composition_ids(dataset)
    cells = learn_cells(dataset.take(learned))
    built, columns = build_all(cells)
    out.mkdir(parents=True, exist_ok=True)
    on_relaxed = train_on(dataset.take(learned), out / "trained_on_relaxed", epochs)
    rebuilt = rebuild(dataset.take(learned), ids[learned], built)
    on_built = train_on(rebuilt, out / "trained_on_built", epochs)
    space = PerovskiteSpace(cells=cells)
    relaxed = rank(DatasetCandidates(dataset.take(held)), on_relaxed, out / "relaxed")
    predicted = {
        "relaxed": relaxed[dataset.ids[held].astype(object)].to_numpy(),
        "relaxed_on_built": rank(space, on_relaxed, out / "relaxed_on_built")[ids[held]].to_numpy(),
        "built": rank(space, on_built, out / "built")[ids[held]].to_numpy(),
    }
    strain = (columns["tolerance_factor"] - 1).abs().fillna(np.inf)[ids[held]].to_numpy()
    neutral = columns["is_neutral"][ids[held]].to_numpy()
    energies = dataset.values([TARGET])[held, 0]
    table, found = score_rankings(
        energies,
        {
            **predicted,
            "tolerance": strain,
            "neutral_tolerance": np.where(neutral, strain, strain + 1e3),
        },
    )
    draw(found, energies, out / "perovskite_search")
    table.to_csv(out / "perovskite_search.csv", index=False)
    errors = {name: np.abs(values - energies).mean() for name, values in predicted.items()}
    print(f"{len(learned)} learned, {len(held)} held; cells learned to {cells.error:.3f} Å")
    print("mean absolute error, eV/atom:", {name: round(float(e), 4) for name, e in errors.items()})
    return table


def list_new(data: Path, out: Path, model: str, threshold: float) -> pd.DataFrame:
    """Give the compositions that a model finds stable and the table does not have."""
    dataset = read_dataset(data)
    spec = ScreenSpec(
        (model,),
        where=f"{TARGET} < {threshold} and known == ''",
        known=KnownCrystals.from_dataset(dataset),
    )
    return screen(PerovskiteSpace(cells=learn_cells(dataset)), spec, out=out).top


def main() -> None:
    """Repeat the search, or list new compositions."""
    parser = argparse.ArgumentParser(description="Search stable perovskites.")
    parser.add_argument("data", type=Path, help="the table of Castelli's perovskites")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--model", help="list what this model finds, in the place of the search")
    parser.add_argument("--threshold", type=float, default=0.1, help="eV/atom, with --model")
    options = parser.parse_args()
    if options.model:
        print(list_new(options.data, options.out, options.model, options.threshold).to_string())
        return
    table = repeat_search(options.data, options.out, options.epochs)
    print(table.pivot(index=["threshold [eV/atom]", "ranking"], columns="k", values="found"))


if __name__ == "__main__":
    main()
