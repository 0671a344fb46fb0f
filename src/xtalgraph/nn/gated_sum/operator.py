"""s_i = Σ_e w_e σ(z_e)_gate ⊙ g(z_e)_message: the sum of the paper's equation 5, in three forms.

w is the weight of an edge, z the normalised argument a_e = v_i W_1 + v_j W_2 + u W_3, which comes
in its three parts: so the wide products run over atoms and only the narrow one over edges.

What the bonds are described as decides the form, and `Backend.select` is where it is chosen:

    NearGaussians   compiled loops, on a CPU              compiled.py, native/
    PlacedBonds     Triton's kernels, if asked for        triton_form.py, triton_kernel.py
    a tensor        plain torch, anywhere                 here

The first two pass over the edges without storing what torch stores in between, at a fraction of the
time; they equal the plain form to the rounding of float32.
"""

from __future__ import annotations

import copy
from typing import TypeAlias, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from xtalgraph.errors import BadConfig
from xtalgraph.graphs import CrystalGraph
from xtalgraph.nn.gated_sum.compiled import can_be_compiled, compiled_gated_sum
from xtalgraph.nn.gated_sum.kernel import NearGaussians
from xtalgraph.nn.gated_sum.triton_form import (
    PlacedBonds,
    place_bonds,
    runs_triton_on,
    takes_type,
    triton_gated_sum,
)
from xtalgraph.nn.registry import RADIAL_BASES, has_near_form, load_form
from xtalgraph.nn.torch_parts import GaussianBasis, make_activation

Parts: TypeAlias = tuple[Tensor, Tensor, Tensor]
Bonds: TypeAlias = Float[Tensor, "n_edges bond_width"] | NearGaussians | PlacedBonds

TOLERANCES = {torch.float32: 1e-4, torch.bfloat16: 1e-2, torch.float16: 1e-2}
"""How far the sums and derivatives of Triton's kernels may be from plain torch's in float32: the
norm of the difference, relative to the norm."""


class Backend:
    """In which form a network computes its gated sums: chosen by `name`, see `CgcnnConfig.backend`.

    Raises `BadConfig` where `triton` is asked for and the kernels lack a part of the network.
    """

    def __init__(
        self,
        name: str,
        radial_basis: str,
        start: float,
        stop: float,
        n_functions: int,
        *,
        can_be_fused: bool = True,
    ) -> None:
        self.name, self.functions = name, (start, stop, n_functions)
        self.entry = RADIAL_BASES[radial_basis]
        self.can_be_fused = can_be_fused and has_near_form(radial_basis, n_functions)
        self.checked: set[str] = set()  # devices whose first batch has been compared
        if name == "triton" and not (self.can_be_fused and self.entry.in_triton):
            raise BadConfig(
                "model.backend = 'triton': the kernels lack a part of this network (convolution, "
                "activation, normalisation or radial basis). Use backend = 'auto'."
            )

    def select(
        self, graph: CrystalGraph, atoms: Float[Tensor, "n_atoms width"], basis: nn.Module
    ) -> Bonds:
        """Describe the bonds for the form that takes these atom vectors on their device.

        It is plain torch where a derivative with respect to distances is wanted, and in double
        precision.

        Raises:
            BadConfig: Triton was asked for and cannot run on the device.
        """
        if self.can_be_fused and not graph.distance.requires_grad:
            if self.name == "triton" and takes_type(atoms):
                return self._place(graph, basis)
            if self.name == "auto" and can_be_compiled(atoms):
                return load_form(self.entry.in_numpy)(graph.to_arrays(), *self.functions)
        return basis(graph.distance.to(atoms.dtype))

    def _place(self, graph: CrystalGraph, basis: nn.Module) -> PlacedBonds:
        device = graph.distance.device
        if not runs_triton_on(device):
            raise BadConfig(
                f"model.backend = 'triton' cannot run on {device}: it needs the package triton and "
                "a CUDA device of compute capability 7.0 or higher. Use backend = 'auto'."
            )
        is_first = str(device) not in self.checked
        self.checked.add(str(device))
        gaussians = cast(GaussianBasis, basis)  # the entry's `in_triton` says so
        return place_bonds(graph, gaussians, gaussians if is_first else None)


def gated_sum(
    from_centre: Float[Tensor, "n_atoms double_width"],
    from_neighbour: Float[Tensor, "n_atoms double_width"],
    bond_weight: Float[Tensor, "bond_width double_width"],
    bonds: Bonds,
    graph: CrystalGraph,
    normalise: nn.Module,
    activation: str,
) -> Float[Tensor, "n_atoms width"]:
    """Return the sum of gated messages that each atom receives.

    Args:
        from_centre: Term of the centre in the argument of gate and message, one row per atom.
        from_neighbour: Term of the neighbour, one row per atom.
        bond_weight: Weights of the bond vectors.
        bonds: The bond vectors of the edges.
        graph: The graph of the edges.
        normalise: The normalisation of the arguments.
        activation: The name of the activation of the message.

    Returns:
        One row per atom.
    """
    parts: Parts = from_centre, from_neighbour, bond_weight
    if isinstance(bonds, PlacedBonds):
        if bonds.unchecked is not None:
            refuse_difference(parts, bonds, graph, normalise, activation)
        return triton_gated_sum(*parts, bonds, normalise, activation)
    if isinstance(bonds, NearGaussians):
        return compiled_gated_sum(*parts, bonds, normalise, activation)
    argument = torch.addmm(
        from_centre.index_select(0, graph.centre) + from_neighbour.index_select(0, graph.neighbour),
        bonds,
        bond_weight,
    )
    gate, message = normalise(argument).chunk(2, dim=1)
    return sum_at_centres(torch.sigmoid(gate) * make_activation(activation)(message), graph)


def refuse_difference(
    parts: Parts,
    bonds: PlacedBonds,
    graph: CrystalGraph,
    normalise: nn.Module,
    activation: str,
) -> None:
    """Compare Triton's sums and derivatives with plain torch's on the same batch.

    Plain torch computes in float32 from the same numbers; the derivative is of the sum of squares.
    See `TOLERANCES`.

    Raises:
        BadConfig: they differ by more, or are not finite where plain torch's are.
    """
    dtype, vectors = parts[0].dtype, load_form(bonds.unchecked)(graph.distance.float())
    found: list[list[Tensor]] = []
    for described, typed in ((bonds.checked(), dtype), (vectors, torch.float32)):
        own: Parts = tuple(part.detach().to(typed) for part in parts)  # type: ignore[assignment]
        module = copy.deepcopy(normalise)  # so that running statistics are not updated twice
        with torch.autocast(own[0].device.type, enabled=False):
            if torch.is_inference_mode_enabled():
                results = [gated_sum(*own, described, graph, module, activation)]
            else:
                results = _differentiate(own, described, graph, module, activation)
        found.append([tensor.detach().float() for tensor in results])
    tolerance = TOLERANCES[dtype]
    for name, ours, plain in zip(_CHECKED, *found, strict=False):
        difference = float((ours - plain).norm() / plain.norm().clamp(min=1e-12))
        if not difference <= tolerance:  # also where it is not a number
            raise BadConfig(
                f"model.backend = 'triton': on the first batch, {name} of Triton's kernels differs "
                f"from plain torch by {difference:.2g} of its norm (at most {tolerance:g} is "
                "accepted). Use backend = 'auto', and please report it with the device's name."
            )


def _differentiate(
    parts: Parts, bonds: Bonds, graph: CrystalGraph, normalise: nn.Module, activation: str
) -> list[Tensor]:
    with torch.enable_grad():
        for part in parts:
            part.requires_grad_()
        sums = gated_sum(*parts, bonds, graph, normalise, activation)
        return [sums, *torch.autograd.grad(sums.float().square().sum(), parts)]


_CHECKED = (
    "the gated sum",
    "the derivative by the atoms' own part",
    "the derivative by the neighbours' part",
    "the derivative by the bonds' weights",
)


def sum_at_centres(
    messages: Float[Tensor, "n_edges width"], graph: CrystalGraph
) -> Float[Tensor, "n_atoms width"]:
    """Return the sum of the messages that each atom receives.

    Args:
        messages: One row per edge.
        graph: The graph of the edges.

    Returns:
        One row per atom; zero without neighbours.
    """
    weighed = messages * graph.edge_weight.to(messages.dtype)[:, None]
    return messages.new_zeros(graph.n_atoms, messages.shape[1]).index_add(0, graph.centre, weighed)
