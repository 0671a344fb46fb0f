"""The contribution of each site to a prediction.

A site's contribution is its vector times the weights that the head applies to the pooled vector. A
linear head (`model.n_hidden = 0`) has constant weights, and the contributions are exact. For any
other head, the weights are those of integrated gradients (Sundararajan, Taly and Yan, ICML 2017):
the mean gradient on the straight line from the zero vector to that of the crystal, which for a
linear head equals its weights. The output for the zero vector belongs to no site and is shared
equally.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor, nn

from xtalgraph.errors import BadConfig, BadCrystal, MissingExtra, Rejected, UnknownName, summarise
from xtalgraph.graphs import CrystalGraph, build_graphs
from xtalgraph.nn import SavedModel, Task
from xtalgraph.nn.registry import Pooling, load_form, pooling_of
from xtalgraph.prediction import Predictor
from xtalgraph.structures import Crystal, CrystalStore, pack
from xtalgraph.units import Target

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas

MEAN, SUM = "mean", "sum"  # how the contributions of sites add up to the prediction
LINEAR = "exact: the head is linear"
GRADIENTS = "integrated gradients on the way from the zero vector"
N_STEPS = 256  # points on that line; 64 suffice unless the head normalises (steep near zero)
CRYSTALS_PER_BATCH = 256


@dataclass(frozen=True, eq=False)
class SiteContributions:
    """The contribution of every site of some crystals, in the unit of the target.

    Attributes:
        crystals: The explained crystals.
        values: One number per atom, in the order of `crystals`.
        predictions: The prediction for each crystal.
        target: The explained quantity; for a class its score, the logit minus the mean of the other
            classes' logits, before any calibration of probabilities.
        rule: `mean` if a prediction is the mean of the contributions of the sites, `sum` if their
            sum.
        method: How the contributions were computed.
        rejected: Crystals that could not be predicted, and why.
    """

    crystals: CrystalStore
    values: Float64[np.ndarray, "n_atoms"]
    predictions: Float64[np.ndarray, "n_crystals"]
    target: Target
    rule: str  # MEAN | SUM
    method: str  # LINEAR | GRADIENTS
    rejected: tuple[Rejected, ...] = ()

    @property
    def totals(self) -> Float64[np.ndarray, "n_crystals"]:
        """The mean or the sum of the contributions of each crystal."""
        sums = np.add.reduceat(self.values, self.crystals.offsets[:-1])
        return sums / self.crystals.n_atoms if self.rule == MEAN else sums

    @property
    def gaps(self) -> Float64[np.ndarray, "n_crystals"]:
        """Difference between prediction and contributions of each crystal: zero up to rounding.

        A larger value means that the integral needs more points.
        """
        return self.totals - self.predictions

    def of_crystal(self, row: int) -> Float64[np.ndarray, "n_atoms"]:
        """Return the contributions of the sites of one crystal, in the order of its atoms."""
        return self.values[self.crystals.offsets[row] : self.crystals.offsets[row + 1]]

    def to_frame(self) -> pandas.DataFrame:
        """Return one row per site: id, site (from 0), element, x, y, z, contribution."""
        import pandas as pd

        n_atoms = self.crystals.n_atoms
        owner = np.repeat(np.arange(len(self.crystals)), n_atoms)
        positions = np.einsum(
            "ai,aij->aj", self.crystals.fractional_positions, self.crystals.lattices[owner]
        )
        frame = pd.DataFrame(
            {"id": np.repeat(np.array(self.crystals.ids.tolist(), object), n_atoms)}
        )
        frame["site"] = np.arange(len(owner)) - self.crystals.offsets[owner]
        frame["element"] = [s for crystal in self.crystals for s in crystal.symbols]
        for axis, name in enumerate("xyz"):
            frame[f"{name} [Å]"] = positions[:, axis]
        frame[contribution_column(self.target)] = self.values
        return frame


def contribution_column(target: Target) -> str:
    """Return the header of the contributions: the target with its unit.

    >>> contribution_column(Target("band_gap", "eV"))
    'contribution to band_gap [eV]'
    """
    return f"contribution to {target.column}"


def explain_sites(
    predictor: Predictor,
    crystals: Crystal | Iterable[Crystal] | CrystalStore,
    *,
    target: str | None = None,
    rejected: list[Rejected] | None = None,
) -> SiteContributions:
    """Return the contribution of every site to the prediction of each crystal.

    Args:
        predictor: A model whose pooling defines the fraction of each atom.
        crystals: One or several, with unique ids.
        target: One of the targets of the model, or one of its classes; the first target or the
            last class if None.
        rejected: List to which the crystals that cannot be predicted are added.

    Returns:
        One number an atom, in the unit of the target.

    Raises:
        BadCrystal: A crystal cannot be predicted, and `rejected` is None.
        BadConfig: The model cannot be explained by sites.
        MissingExtra: The head is not linear, and captum is not installed.
    """
    store = pack(crystals)
    output = _choose_output(predictor.task, target)
    bad: list[Rejected] = []
    predictions = predictor.predict(store, rejected=bad)
    if bad and rejected is None:
        raise BadCrystal(
            f"{len(bad)} of {len(store)} crystals cannot be explained:\n{summarise(bad)}",
            remedy="Correct them or leave them out (--skip-bad; in Python: rejected=[]).",
        )
    if rejected is not None:
        rejected += bad
    kept = store.take(_rows_of(predictions.ids, store))
    members = predictor.ensemble.members  # a prediction is their mean
    if len({_rule(one) for one in members}) > 1:
        raise BadConfig("some members of this ensemble pool means and some sums. Explain one.")
    found = [_explain(one, kept, output, predictor.device) for one in members]
    values, stated = (np.mean(arrays, axis=0) for arrays in zip(*found, strict=True))
    is_regression = predictor.task.kind == "regression"
    return SiteContributions(
        kept,
        values,
        predictions.values[:, output] if is_regression else stated,
        _describe_output(predictor.task, output),
        _rule(members[0]),
        LINEAR if all(_is_linear(one) for one in members) else GRADIENTS,
        tuple(bad),
    )


def _explain(
    saved: SavedModel, store: CrystalStore, output: int, device: str
) -> tuple[Float64[np.ndarray, "n_atoms"], Float64[np.ndarray, "n_crystals"]]:
    """Return the contributions and predictions of one network, batch by batch."""
    readout, offset = _read_out(saved, output)
    saved.network.to(device).eval()
    values, stated = [np.empty(0)], [np.empty(0)]
    for first in range(0, len(store), CRYSTALS_PER_BATCH):
        batch = store.take(range(first, min(first + CRYSTALS_PER_BATCH, len(store))))
        graph = build_graphs(batch, saved.graph_config).to(device)  # a node a site
        parts, totals = _explain_batch(saved, graph, readout.to(device), offset)
        values.append(parts.cpu().numpy())
        stated.append(totals.cpu().numpy())
    return np.concatenate(values), np.concatenate(stated)


def _explain_batch(
    saved: SavedModel, graph: CrystalGraph, readout: Float64[Tensor, "n_outputs"], offset: float
) -> tuple[Float64[Tensor, "n_atoms"], Float64[Tensor, "n_crystals"]]:
    with torch.no_grad():
        atoms = saved.network.atom_vectors(graph).double()
    pooling = _find_pooling(saved)
    pooled = load_form(pooling.in_torch)(atoms, graph)
    head = _Head(saved.network.output, readout)
    if _is_linear(saved):
        pooled.requires_grad_()
        (weights,) = torch.autograd.grad(head(pooled).sum(), pooled)
    else:
        weights = _integrate_gradients(head, pooled)
    with torch.no_grad():
        fractions = load_form(pooling.fractions)(atoms, pooled, graph)
        parts = (fractions * atoms * weights[graph.crystal]).sum(dim=1)
        rest = head(torch.zeros_like(pooled[:1])).item() + offset
        stated = head(pooled) + offset
    n_atoms = torch.bincount(graph.crystal, minlength=graph.n_crystals)[graph.crystal]
    values = parts * n_atoms + rest if _find_pooling(saved).is_mean else parts + rest / n_atoms
    return values, stated


class _Head(nn.Module):
    """The layers after pooling in double precision, read out as one number per crystal."""

    def __init__(self, output: nn.Module, readout: Float64[Tensor, "n_outputs"]) -> None:
        super().__init__()
        self.output = deepcopy(output).double().eval()
        self.readout = readout

    def forward(self, pooled: Float64[Tensor, "n_crystals width"]) -> Float64[Tensor, "n_crystals"]:
        return self.output(pooled) @ self.readout


def _integrate_gradients(
    head: nn.Module, pooled: Float64[Tensor, "n_crystals width"]
) -> Float64[Tensor, "n_crystals width"]:
    """Return the mean gradient of the head on the way from zero to each pooled vector."""
    try:
        from captum.attr import IntegratedGradients
    except ImportError as error:
        raise MissingExtra("explaining a model whose head is not linear", "explain") from error
    integrate = IntegratedGradients(head, multiply_by_inputs=False)
    return integrate.attribute(pooled, n_steps=N_STEPS, method="gausslegendre").detach()


def _is_linear(saved: SavedModel) -> bool:
    """Return whether everything after the atom vectors is linear: pooling and one linear layer."""
    layers = [layer for layer in saved.network.output.modules() if not list(layer.children())]
    is_one_map = len(layers) == 1 and isinstance(layers[0], nn.Linear)
    return is_one_map and _find_pooling(saved).is_linear


def _rule(saved: SavedModel) -> str:
    return MEAN if _find_pooling(saved).is_mean else SUM


def _find_pooling(saved: SavedModel) -> Pooling:
    """Return the pooling of a network, which must define the fraction of each atom."""
    pooling = pooling_of(saved.model_config)
    if pooling is None or pooling.fractions is None:
        raise BadConfig(
            "this model cannot be explained by sites: its network does not name a pooling whose "
            "entry says which fraction of each site is in the pooled vector (`Pooling.fractions`)."
        )
    return pooling


def _choose_output(task: Task, name: str | None) -> int:
    """Return the column of the network's output that is explained."""
    if task.kind == "classification":
        return _find_name(name, task.classes, "class", len(task.classes) - 1)
    return _find_name(name, [target.name for target in task.targets], "target", 0)


def _find_name(name: str | None, legal: Any, kind: str, default: int) -> int:
    if name is None:
        return default
    if name not in legal:
        raise UnknownName(kind, name, legal)
    return list(legal).index(name)


def _describe_output(task: Task, output: int) -> Target:
    if task.kind == "regression":
        return task.targets[output]
    return Target(f"score of {task.targets[0].name} = {task.classes[output]}")


def _read_out(saved: SavedModel, output: int) -> tuple[Float64[Tensor, "n_outputs"], float]:
    """Return the weights and the offset that map outputs to the explained quantity."""
    n_outputs = saved.task.n_outputs
    if saved.normaliser is None:
        readout = torch.full((n_outputs,), -1 / (n_outputs - 1), dtype=torch.float64)
        readout[output] = 1.0
        return readout, 0.0
    readout = torch.zeros(n_outputs, dtype=torch.float64)
    readout[output] = saved.normaliser.std[output]
    return readout, saved.normaliser.mean[output]


def _rows_of(ids: tuple[str, ...], store: CrystalStore) -> list[int]:
    rows = {id: row for row, id in enumerate(store.ids.tolist())}
    if len(rows) < len(store):
        raise BadConfig("two crystals have the same id. Use Dataset.with_unique_ids().")
    return [rows[id] for id in ids]
