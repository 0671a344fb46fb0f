"""Given: data, training runs and comparisons around your `model_hw`. Nothing to write here."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import model_hw
import numpy as np
import pandas as pd
import torch
from torch import nn

import xtalgraph
from xtalgraph import Crystal, CrystalStore, GraphConfig, build_graphs
from xtalgraph.nn import paper_vectors

SHORT = bool(os.environ.get("XTALGRAPH_COURSE_SHORT"))  # one epoch, few crystals: does it all run?
IONIC = Path(__file__).with_name("ionic.jsonl")  # lattice energies of an ionic model, not DFT
ELEMENT_VECTORS = paper_vectors().nan_to_num()  # row Z, the 92 components of element Z
SHELL = GraphConfig(rule="shell", n_neighbours=12, cutoff=8.0)

torch.set_num_threads(1)  # batches are small: a second thread gains nothing


@dataclass(frozen=True)
class Data:
    """Crystals with one value each: a quantity in its unit, or the number of a class."""

    crystals: CrystalStore
    values: np.ndarray
    quantity: str
    unit: str
    source: str
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Iterable[int]) -> Data:
        """Give the data of these rows, in this order."""
        rows = np.asarray(list(rows), dtype=np.int64)
        return Data(
            self.crystals.take(rows),
            self.values[rows],
            self.quantity,
            self.unit,
            self.source,
            self.classes,
        )

    def per_cell(self) -> Data:
        """Give the same energies for whole cells, in eV, instead of eV/atom."""
        values = self.values * self.crystals.n_atoms
        return Data(self.crystals, values, self.quantity + " of the cell", "eV", self.source)


def read_perovskites(
    source: str | Path = "ionic",
    target: str | None = None,
    *,
    per_cell: bool = False,
    most: int = 710,
) -> Data:
    """Read about 700 crystals with an energy per atom.

    `source` is `ionic`, the table beside this file, or whatever `xtalgraph.read_dataset` reads: a
    folder of CIFs with `id_prop.csv`, or a table. `per_cell` says that the values are for whole
    cells, and divides them by the number of atoms. Of more than `most`, these are drawn at random.
    """
    if source == "ionic":
        dataset = xtalgraph.read_dataset(IONIC)
        is_perovskite = dataset.columns["prototype"].str.endswith("perovskite").to_numpy()
        dataset, target = dataset.take(np.flatnonzero(is_perovskite)), "ionic_energy_per_atom"
    else:
        dataset = xtalgraph.read_dataset(source)
        target = target or next(iter(dataset.targets))
    values = dataset.values([target])[:, 0]
    rows = np.flatnonzero(~np.isnan(values))
    rows = np.random.default_rng(0).permutation(rows)[: 120 if SHORT else most]
    unit = dataset.targets[target].unit or "eV/atom"
    if per_cell:
        values, unit = values / dataset.crystals.n_atoms, "eV/atom"
    quantity = "energy per atom" if "energy" in target or per_cell else target.replace("_", " ")
    return Data(dataset.crystals.take(rows), values[rows], quantity, unit, str(source))


def read_oxides(source: str | Path = "mp-sample") -> Data:
    """Read oxides with the classes `other oxide` (0) and `perovskite` (1), as many of each.

    `source` is `mp-sample`, real crystals that come with xtalgraph, or a table that has these two
    words in the column `kind`.
    """
    dataset = xtalgraph.read_dataset(source)
    labels = dataset.labels("kind")
    mix, classes = np.random.default_rng(1), ("other oxide", "perovskite")
    rows = [mix.permutation(np.flatnonzero(labels == name)) for name in classes]
    size = 40 if SHORT else min(len(part) for part in rows)
    chosen = mix.permutation(np.concatenate([part[:size] for part in rows]))
    values = (labels[chosen] == classes[1]).astype(np.int64)
    return Data(dataset.crystals.take(chosen), values, "class", "", str(source), classes)


def replace_oxygen(crystals: Iterable[Crystal], element: int = 16, swell: float = 1.2) -> list:
    """Give the crystals with sulfur in place of oxygen, and the cell larger to hold it."""
    made = []
    for crystal in crystals:
        numbers = np.where(crystal.atomic_numbers == 8, element, crystal.atomic_numbers)
        lattice, positions = swell * crystal.lattice, crystal.fractional_positions
        made.append(Crystal(lattice, positions, numbers, f"{crystal.id} with S"))
    return made


@dataclass(frozen=True)
class Split:
    """The rows to learn from, to choose the best epoch by, and to test on once."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split(data: Data, seed: int = 0) -> Split:
    """Give 70 % of the crystals for training, 10 % for validation and 20 % for the test.

    All crystals of one formula are on the same side: the cubic and the tilted form of a compound
    are so alike that one in training would give away the other in the test.
    """
    formulas = np.array([crystal.reduced_formula for crystal in data.crystals])
    names = np.random.default_rng(seed).permutation(np.unique(formulas))
    first, second = round(0.7 * len(names)), round(0.8 * len(names))
    parts = (names[:first], names[first:second], names[second:])
    return Split(*(np.flatnonzero(np.isin(formulas, part)) for part in parts))


@dataclass
class Fitted:
    """A trained network, with all that is needed to predict with it, and how it got there."""

    network: nn.Module
    data: Data
    parts: Split
    graph: GraphConfig
    mean: float
    scale: float
    history: pd.DataFrame = field(default_factory=pd.DataFrame)
    seconds: float = 0.0

    @property
    def score_name(self) -> str:
        """What `score` gives, with its unit."""
        return "accuracy" if self.data.classes else f"MAE ({self.data.unit})"

    def outputs(self, crystals: CrystalStore | list[Crystal]) -> torch.Tensor:
        """Give what the network gives, before any unit."""
        self.network.eval()
        with torch.no_grad():
            return self.network(build_graphs(crystals, self.graph))

    def predict(self, crystals: CrystalStore | list[Crystal]) -> np.ndarray:
        """Give values in the unit of the data; for classes, the probability of the second one."""
        outputs = self.outputs(crystals)
        if self.data.classes:
            return outputs.softmax(dim=1)[:, 1].numpy()
        return (outputs[:, 0] * self.scale + self.mean).numpy()

    def score(self, rows: np.ndarray | None = None) -> float:
        """Give the mean absolute error on rows (the test part), or the accuracy for classes."""
        part = self.data.take(self.parts.test if rows is None else rows)
        predicted = self.predict(part.crystals)
        if self.data.classes:
            return float(((predicted > 0.5) == part.values).mean())
        return float(np.abs(predicted - part.values).mean())

    def table(self) -> pd.DataFrame:
        """Give the test part with its structures, values and predictions, worst first."""
        part = self.data.take(self.parts.test)
        predicted = self.predict(part.crystals)
        unit = f" ({self.data.unit})" if self.data.unit else ""
        rows = [
            {
                "id": crystal.id,
                "formula": crystal.reduced_formula,
                "atoms": crystal.n_atoms,
                "volume per atom (Å³)": round(crystal.volume / crystal.n_atoms, 2),
                f"true{unit}": value,
                f"predicted{unit}": guess,
                f"error{unit}": guess - value,
            }
            for crystal, value, guess in zip(part.crystals, part.values, predicted, strict=True)
        ]
        table = pd.DataFrame(rows)
        return table.iloc[table.iloc[:, -1].abs().argsort()[::-1]].reset_index(drop=True)


def fit(
    data: Data,
    parts: Split,
    *,
    epochs: int = 30,
    learning_rate: float = 5e-3,
    batch_size: int = 16,
    graph: GraphConfig = SHELL,
    start_from: Fitted | None = None,
    change: Callable[[CrystalStore, np.random.Generator], CrystalStore] | None = None,
    seed: int = 0,
    **network_settings: object,
) -> Fitted:
    """Train your `CrystalNetwork` with your `training_step`; give the epoch best in validation.

    `start_from` takes over the weights of another network. `change` makes other crystals of each
    batch, as augmentation does. The rate falls to zero along a cosine. Values are standardised
    with the mean and the spread of the training part alone.
    """
    began = time.process_time()
    torch.manual_seed(seed)
    n_outputs = 2 if data.classes else 1
    network = model_hw.CrystalNetwork(ELEMENT_VECTORS, n_outputs=n_outputs, **network_settings)
    if start_from is not None:
        network.load_state_dict(start_from.network.state_dict())
    known = data.values[parts.train]
    mean, scale = (0.0, 1.0) if data.classes else (float(known.mean()), float(known.std()))
    fitted = Fitted(network, data, parts, graph, mean, scale)
    epochs = 1 if SHORT else epochs
    optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    loss_function = nn.functional.cross_entropy if data.classes else nn.functional.l1_loss
    mix, best, history = np.random.default_rng(seed), None, []
    for epoch in range(epochs):
        losses = []
        for rows in _batches(mix.permutation(parts.train), batch_size):
            crystals = data.crystals.take(rows)
            crystals = crystals if change is None else change(crystals, mix)
            targets = _targets(data, rows, mean, scale)
            losses.append(
                model_hw.training_step(
                    network, build_graphs(crystals, graph), targets, optimiser, loss_function
                )
            )
        schedule.step()
        loss = _validation_loss(fitted, loss_function)
        history.append({"epoch": epoch + 1, "training": np.mean(losses), "validation": loss})
        if best is None or loss < best[0]:
            best = loss, copy.deepcopy(network.state_dict())
    network.load_state_dict(best[1])
    fitted.history, fitted.seconds = pd.DataFrame(history), time.process_time() - began
    return fitted


def _batches(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return np.array_split(rows, max(1, round(len(rows) / size)))


def _targets(data: Data, rows: np.ndarray, mean: float, scale: float) -> torch.Tensor:
    if data.classes:
        return torch.from_numpy(data.values[rows])
    return torch.from_numpy((data.values[rows, None] - mean) / scale).float()


def _validation_loss(fitted: Fitted, loss_function: Callable) -> float:
    rows = fitted.parts.validation
    outputs = fitted.outputs(fitted.data.crystals.take(rows))
    return float(loss_function(outputs, _targets(fitted.data, rows, fitted.mean, fitted.scale)))


def compare(
    data: Data, parts: Split, settings: dict[str, dict[str, object]], *, epochs: int = 10
) -> dict[str, Fitted]:
    """Train one network for each of the named settings, on the same split from the same seed."""
    return {name: fit(data, parts, **{"epochs": epochs, **one}) for name, one in settings.items()}


def scores(runs: dict[str, Fitted]) -> pd.DataFrame:
    """Give the table of a comparison: training and test score, weights, processor seconds."""
    return pd.DataFrame(
        [
            {
                "setting": name,
                f"training {run.score_name}": run.score(run.parts.train),
                f"test {run.score_name}": run.score(),
                "weights": sum(weights.numel() for weights in run.network.parameters()),
                "seconds": round(run.seconds, 1),
            }
            for name, run in runs.items()
        ]
    )


def predict_mean(data: Data, parts: Split) -> float:
    """Give the test error of always predicting the mean of the training part."""
    return float(np.abs(data.values[parts.test] - data.values[parts.train].mean()).mean())


def rattle(amount: float) -> Callable[[CrystalStore, np.random.Generator], CrystalStore]:
    """Give a `change` that moves each atom at random, `amount` Å along each axis on average."""

    def change(crystals: CrystalStore, mix: np.random.Generator) -> CrystalStore:
        moved = []
        for crystal in crystals:
            places = crystal.cartesian_positions + mix.normal(0, amount, (crystal.n_atoms, 3))
            fractional = places @ np.linalg.inv(crystal.lattice)
            moved.append(Crystal(crystal.lattice, fractional, crystal.atomic_numbers, crystal.id))
        return CrystalStore.from_crystals(moved)

    return change


def find_shipped(name: str) -> xtalgraph.Predictor | None:
    """Give a network that xtalgraph ships, or None where there is none by that name."""
    try:
        return xtalgraph.load_model(name)
    except xtalgraph.XtalgraphError:
        return None


def find_judge(gaps: str | Path | None, fitted: Fitted) -> tuple[Callable, str, float]:
    """Give what judges new materials: a function of crystals, the quantity, the value wanted.

    With a table of band gaps a network is trained on it; else a shipped one is taken; without
    either, `fitted` predicts the energy, and the median of its data is what is wanted.
    """
    if gaps is not None:
        known = read_perovskites(gaps)
        judge = fit(known, split(known), epochs=30)
        print(f"trained on {len(known)} gaps; test MAE {judge.score():.2f} eV")
        return judge.predict, "band gap (eV)", 1.3
    shipped = find_shipped("band-gap")
    if shipped is not None:
        return lambda crystals: shipped.predict(crystals).values[:, 0], "band gap (eV)", 1.3
    unit = fitted.data.unit
    return fitted.predict, f"energy per atom ({unit})", float(np.median(fitted.data.values))


def substitute(crystals: CrystalStore) -> list[Crystal]:
    """Give cubic ABX₃ that are not among the crystals, with an A′ in place of an A.

    A′ may stand for A where both occur with the same B and X. The edge of the cell is α_A + β_B +
    γ_X, fitted to the cubic perovskites that are there.
    """
    known = [roles for roles in map(_cubic_roles, crystals) if roles is not None]
    there = {roles[:3] for roles in known}
    share = _fit_edges(known)
    new = set()
    for a, b, x in there:
        partners = {b2 for a2, b2, x2 in there if (a2, x2) == (a, x)}
        alike = {a2 for a2, b2, x2 in there if b2 in partners and x2 == x}
        new |= {(other, b, x) for other in alike} - there
    return [
        _cubic(a, b, x, share["A", a] + share["B", b] + share["X", x]) for a, b, x in sorted(new)
    ]


def _fit_edges(known: list[tuple[int, int, int, float]]) -> dict[tuple[str, int], float]:
    """Give what each element adds to the edge of the cell on each site, by least squares."""
    sites = [list(zip("ABX", roles[:3], strict=True)) for roles in known]
    names = sorted({site for row in sites for site in row})
    table = np.array([[name in row for name in names] for row in sites], dtype=float)
    edges = np.array([roles[3] for roles in known])
    return dict(zip(names, np.linalg.lstsq(table, edges, rcond=None)[0], strict=True))


def _cubic_roles(crystal: Crystal) -> tuple[int, int, int, float] | None:
    """Give A, B, X and the edge of a cubic perovskite of five atoms; None for another crystal."""
    lattice, numbers = crystal.lattice, crystal.atomic_numbers
    edge = float(np.linalg.norm(lattice[0]))
    if crystal.n_atoms != 5 or not np.allclose(lattice @ lattice.T, edge**2 * np.eye(3), atol=0.05):
        return None
    kinds, counts = np.unique(numbers, return_counts=True)
    if sorted(counts) != [1, 1, 3]:
        return None
    anion = kinds[counts == 3][0]
    graph = build_graphs(crystal, GraphConfig("shell", n_neighbours=1))
    first = {z: int(np.flatnonzero(numbers == z)[0]) for z in kinds}
    nearest = {z: float(graph.distance[graph.centre == atom].min()) for z, atom in first.items()}
    b, a = sorted(kinds[counts == 1], key=lambda z: nearest[z])
    return int(a), int(b), int(anion), edge


def _cubic(a: int, b: int, x: int, edge: float) -> Crystal:
    positions = [[0.5, 0.5, 0.5], [0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]]
    return Crystal(edge * np.eye(3), positions, [a, b, x, x, x], "new")


def enter_leaderboard(
    name: str,
    data: Data,
    parts: Split,
    settings: dict[str, object],
    seeds: Iterable[int],
    board: str | Path = "leaderboard.csv",
) -> pd.DataFrame:
    """Train from several seeds, add a line to the table, and give the table, best first.

    The error is that of the validation part, of each network and of their mean.
    """
    runs = [fit(data, parts, **{**settings, "seed": seed}) for seed in seeds]
    part = data.take(parts.validation)
    guesses = np.stack([run.predict(part.crystals) for run in runs])
    line = {
        "name": name,
        "validation MAE": float(np.abs(guesses - part.values).mean()),
        "of the mean network": float(np.abs(guesses.mean(axis=0) - part.values).mean()),
        "unit": data.unit,
        "weights": sum(weights.numel() for weights in runs[0].network.parameters()),
        "seconds": round(sum(run.seconds for run in runs), 1),
        "settings": str(settings),
    }
    lines = [pd.DataFrame([line])]
    if Path(board).exists():
        lines.insert(0, pd.read_csv(board))
    table = pd.concat(lines, ignore_index=True).drop_duplicates("name", keep="last")
    table = table.sort_values("validation MAE").reset_index(drop=True)
    table.to_csv(board, index=False)
    return table
