"""Your part of the homework: a crystal graph convolutional network, in plain PyTorch.

Write the functions in their order; the notebook says what each is for, and

    checks.check(model_hw, "expand_distances")

says whether it is right. Only `torch` is needed here: no loop over atoms or edges, no other
package, and no change to the names, arguments and `__init__`s that are given.

The notation is the paper's (Xie and Grossman, Phys. Rev. Lett. 120, 145301, 2018). A batch of
crystals is one graph with

    graph.atomic_numbers   (n_atoms,)   the element of each atom
    graph.crystal          (n_atoms,)   the number of the crystal to which each atom belongs
    graph.centre           (n_edges,)   the atom that receives, for each edge
    graph.neighbour        (n_edges,)   the atom at the other end
    graph.distance         (n_edges,)   its length in Å
    graph.n_crystals                    how many crystals there are

Two atoms can be joined by several edges, because every periodic image of a neighbour counts.
"""

import torch
from torch import Tensor, nn


def expand_distances(
    distance: Tensor, start: float = 0.0, stop: float = 8.0, n_gaussians: int = 41
) -> Tensor:
    """Turn each distance d (Å) into a bond vector, u_k = exp(-(d - μ_k)² / s²).

    The centres μ_k are `n_gaussians` equally spaced distances from `start` to `stop`, both ends
    among them, and s is the step from one centre to the next.

    (n_edges,) -> (n_edges, n_gaussians)
    """
    # Hint: torch.linspace gives the centres. How many steps lie between n_gaussians centres?
    # Hint: A column minus a row gives a table: distance[:, None] has the shape (n_edges, 1).
    # YOUR CODE HERE (ours has 3 lines)
    raise NotImplementedError


def describe_edges(atoms: Tensor, bonds: Tensor, centre: Tensor, neighbour: Tensor) -> Tensor:
    """Put together what is known of each edge, z = v_i ⊕ v_j ⊕ u: centre, neighbour, bond.

    (n_atoms, atom_width), (n_edges, bond_width) -> (n_edges, 2 * atom_width + bond_width)
    """
    # Hint: An index tensor takes rows, one as often as it occurs: table[rows].
    # Hint: torch.cat joins tensors; along which dimension do vectors become longer?
    # YOUR CODE HERE (ours has 1 line)
    raise NotImplementedError


def sum_by_group(values: Tensor, group: Tensor, n_groups: int) -> Tensor:
    """Add up the rows that belong to the same group; a group without rows gives zeros.

    `group[e]` is the number of the group of row e. This one function adds messages at the atoms
    that receive them, and atoms to crystals.

    (n_rows, width), (n_rows,) -> (n_groups, width)
    """
    # Hint: Begin with zeros of the right shape, of the same type as `values` (values.new_zeros).
    # Hint: Tensor.index_add(dim, index, source) adds rows of `source` where `index` says.
    # YOUR CODE HERE (ours has 2 lines)
    raise NotImplementedError


class NoConvolution(nn.Module):
    """Each atom alone, its neighbours unseen: v_i ← g[N(v_i W_s + b)].

    g is the activation, N the normalisation (which may be none).
    """

    def __init__(
        self, atom_width: int, bond_width: int, activation: nn.Module, normalise: nn.Module
    ) -> None:
        super().__init__()
        self.own = nn.Linear(atom_width, atom_width)  # W_s and b
        self.activation = activation
        self.normalise = normalise

    def forward(self, atoms: Tensor, bonds: Tensor, graph) -> Tensor:
        """(n_atoms, atom_width) -> (n_atoms, atom_width)."""
        # Hint: A module is called like a function: self.own(...) gives v_i W_s + b for all atoms.
        # YOUR CODE HERE (ours has 1 line)
        raise NotImplementedError


class SharedConvolution(nn.Module):
    """One weight matrix for all neighbours, equation 4 of the paper.

    v_i ← g[N((Σ_jk v_j ⊕ u_(ij)k) W_c + v_i W_s + b)]
    """

    def __init__(
        self, atom_width: int, bond_width: int, activation: nn.Module, normalise: nn.Module
    ) -> None:
        super().__init__()
        self.around = nn.Linear(atom_width + bond_width, atom_width, bias=False)  # W_c
        self.own = nn.Linear(atom_width, atom_width)  # W_s and b
        self.activation = activation
        self.normalise = normalise

    def forward(self, atoms: Tensor, bonds: Tensor, graph) -> Tensor:
        """(n_atoms, atom_width), (n_edges, bond_width) -> (n_atoms, atom_width)."""
        # Hint: Join the vectors of the neighbours and of the bonds, then use sum_by_group.
        # Hint: Who receives the sum, graph.centre or graph.neighbour?
        # YOUR CODE HERE (ours has 3 lines)
        raise NotImplementedError


class GatedConvolution(nn.Module):
    """A gate for each neighbour, equation 5 of the paper.

    v_i ← v_i + N(Σ_jk σ(z W_f + b_f) ⊙ g(z W_s + b_s)),  z = v_i ⊕ v_j ⊕ u_(ij)k
    """

    def __init__(
        self, atom_width: int, bond_width: int, activation: nn.Module, normalise: nn.Module
    ) -> None:
        super().__init__()
        self.gate = nn.Linear(2 * atom_width + bond_width, atom_width)  # W_f and b_f
        self.core = nn.Linear(2 * atom_width + bond_width, atom_width)  # W_s and b_s
        self.activation = activation
        self.normalise = normalise

    def forward(self, atoms: Tensor, bonds: Tensor, graph) -> Tensor:
        """(n_atoms, atom_width), (n_edges, bond_width) -> (n_atoms, atom_width)."""
        # Hint: describe_edges gives z. The gate says how much of the core's message goes through.
        # Hint: ⊙ is the product component by component, σ is torch.sigmoid.
        # Hint: What does an atom without neighbours keep?
        # YOUR CODE HERE (ours has 4 lines)
        raise NotImplementedError


CONVOLUTIONS = {"none": NoConvolution, "shared": SharedConvolution, "gated": GatedConvolution}


def pool(atoms: Tensor, crystal: Tensor, n_crystals: int, how: str) -> Tensor:
    """Make one vector a crystal of the vectors of its atoms; `how` is "mean", "sum" or "max".

    (n_atoms, width), (n_atoms,) -> (n_crystals, width)
    """
    # Hint: "sum" is sum_by_group; for "mean" the number of atoms of each crystal is needed as well:
    # Hint: what does sum_by_group give for a column of ones?
    # Hint: For "max", look up Tensor.scatter_reduce with "amax" and include_self=False. The index
    # Hint: needs the shape of `atoms`: crystal[:, None].expand_as(atoms).
    # YOUR CODE HERE (ours has 9 lines)
    raise NotImplementedError


class CrystalNetwork(nn.Module):
    """From a graph to one row of outputs a crystal: elements, convolutions, pooling, two layers."""

    def __init__(
        self,
        element_vectors: Tensor,
        *,
        convolution: str = "gated",
        n_convolutions: int = 3,
        atom_width: int = 32,
        n_gaussians: int = 41,
        longest: float = 8.0,
        activation: type[nn.Module] = nn.Softplus,
        batch_normalisation: bool = True,
        pooling: str = "mean",
        hidden_width: int = 32,
        n_outputs: int = 1,
    ) -> None:
        """`element_vectors` has the vector of element Z in row Z; `longest` is in Å."""
        super().__init__()
        self.register_buffer("element_vectors", element_vectors)
        self.embedding = nn.Linear(element_vectors.shape[1], atom_width)
        self.n_gaussians, self.longest, self.pooling = n_gaussians, longest, pooling
        self.convolutions = nn.ModuleList(
            CONVOLUTIONS[convolution](
                atom_width,
                n_gaussians,
                activation(),
                nn.BatchNorm1d(atom_width) if batch_normalisation else nn.Identity(),
            )
            for _ in range(n_convolutions)
        )
        self.hidden = nn.Linear(atom_width, hidden_width)
        self.activation = activation()
        self.output = nn.Linear(hidden_width, n_outputs)

    def forward(self, graph) -> Tensor:
        """Give the outputs, (n_crystals, n_outputs).

        1. the row of each atom's element in `self.element_vectors`, through `self.embedding`
        2. the bond vectors, `self.n_gaussians` Gaussians from 0 to `self.longest`
        3. the convolutions, one after another
        4. `pool`
        5. `self.hidden`, `self.activation`, `self.output`
        """
        # Hint: Lengths come in double precision: graph.distance.to(atoms.dtype).
        # Hint: A ModuleList can be walked through with `for`.
        # YOUR CODE HERE (ours has 7 lines)
        raise NotImplementedError


def training_step(network: nn.Module, graph, targets: Tensor, optimiser, loss_function) -> float:
    """Take one step of gradient descent on a batch; give the loss before it, as a plain number.

    `loss_function(outputs, targets)` gives a tensor with one number.
    """
    # Hint: Five things, in order: training mode, old gradients away, loss, its gradients, the step.
    # Hint: A tensor with one number becomes a plain number by .item().
    # YOUR CODE HERE (ours has 6 lines)
    raise NotImplementedError
