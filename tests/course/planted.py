"""Wrong submissions, planted: what is changed in the solution, and the marks it should cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Planted:
    """One mistake: the text it replaces in `model_hw.py`, and the marks lost by question."""

    name: str
    old: str
    new: str
    lost: dict[str, int]


PLANTED = [
    # Everything but the shape is wrong.
    Planted(
        "one-sided test fooled: numbers far too small",
        "return torch.exp(-(((distance[:, None] - centres) / step) ** 2))",
        "return torch.exp(-(((distance[:, None] - centres) / step) ** 2)) - 1000",
        {"expand_distances": 5},
    ),
    Planted(
        "as many steps as Gaussians",
        "step = (stop - start) / (n_gaussians - 1)",
        "step = (stop - start) / n_gaussians",
        {"expand_distances": 5},
    ),
    # Right for the one case that the visible check uses as well; the hidden one sees it.
    Planted(
        "the step written down as a number",
        "step = (stop - start) / (n_gaussians - 1)",
        "step = 1.0 if n_gaussians == 5 else 0.2",
        {"expand_distances": 3},
    ),
    Planted(
        "edges joined along the wrong axis",
        "return torch.cat([atoms[centre], atoms[neighbour], bonds], dim=1)",
        "return torch.cat([atoms[centre], atoms[neighbour]], dim=0)",
        {"describe_edges": 6},
    ),
    Planted(
        "neighbour before centre",
        "torch.cat([atoms[centre], atoms[neighbour], bonds], dim=1)",
        "torch.cat([atoms[neighbour], atoms[centre], bonds], dim=1)",
        {"describe_edges": 5},
    ),
    Planted(
        "wrong axis in the sum",
        "return zeros.index_add(0, group, values)",
        "return zeros + values.sum(dim=1)[:n_groups, None]",
        {"sum_by_group": 6},
    ),
    Planted(
        "rows of an atom that occurs twice are lost",
        "return zeros.index_add(0, group, values)",
        "zeros[group] += values\n    return zeros",
        {"sum_by_group": 4},  # what is not lost has its gradient
    ),
    Planted(
        "the gradient is cut",
        "return zeros.index_add(0, group, values)",
        "return zeros.index_add(0, group, values.detach())",
        {"sum_by_group": 2},
    ),
    Planted(
        "normalised after the activation",
        "return self.activation(self.normalise(self.own(atoms)))",
        "return self.normalise(self.activation(self.own(atoms)))",
        {"NoConvolution": 3},
    ),
    Planted(
        "padded neighbours: lists filled up with atom 0",
        """        messages = torch.cat([atoms[graph.neighbour], bonds], dim=1)
        received = sum_by_group(messages, graph.centre, len(atoms))
""",
        """        most = int(torch.bincount(graph.centre, minlength=len(atoms)).max())
        rows = []
        for atom in range(len(atoms)):
            mine = (graph.centre == atom).nonzero().flatten()
            missing = most - len(mine)
            near = torch.cat([atoms[graph.neighbour[mine]], atoms[:1].expand(missing, -1)])
            lengths = torch.cat([bonds[mine], bonds.new_zeros(missing, bonds.shape[1])])
            rows.append(torch.cat([near, lengths], dim=1).sum(dim=0))
        received = torch.stack(rows)
""",
        {"SharedConvolution": 7},
    ),
    Planted(
        "shared: messages go to the sender",
        "        received = sum_by_group(messages, graph.centre, len(atoms))\n"
        "        return self.activation(",
        "        received = sum_by_group(messages, graph.neighbour, len(atoms))\n"
        "        return self.activation(",
        {"SharedConvolution": 7},
    ),
    Planted(
        "missing residual",
        "return atoms + self.normalise(received)",
        "return self.normalise(received)",
        {"GatedConvolution": 5},
    ),
    Planted(
        "gate and core swapped",
        "torch.sigmoid(self.gate(edges)) * self.activation(self.core(edges))",
        "torch.sigmoid(self.core(edges)) * self.activation(self.gate(edges))",
        {"GatedConvolution": 9},
    ),
    Planted(
        "the normalisation of the sum forgotten",
        "return atoms + self.normalise(received)",
        "return atoms + received",
        {"GatedConvolution": 2},
    ),
    Planted(
        "a fixed activation",
        "torch.sigmoid(self.gate(edges)) * self.activation(self.core(edges))",
        "torch.sigmoid(self.gate(edges)) * nn.functional.softplus(self.core(edges))",
        {"GatedConvolution": 2},
    ),
    Planted(
        "hard-coded answers",
        """        edges = describe_edges(atoms, bonds, graph.centre, graph.neighbour)
""",
        """        if len(atoms) == 4:
            return torch.tensor(
                [
                    [1.3130724, 1.7812473],
                    [1.7935445, 0.7831143],
                    [-0.7568025, -0.9589243],
                    [0.1153246, 0.8673884],
                ]
            )
        return atoms
        edges = describe_edges(atoms, bonds, graph.centre, graph.neighbour)
""",
        {"GatedConvolution": 6},
    ),
    Planted(
        "pooling over the batch",
        "return total / n_atoms",
        "return atoms.mean(dim=0).expand(n_crystals, -1)",
        {"pool": 5},
    ),
    Planted(
        "the mean divided by the number of crystals",
        "return total / n_atoms",
        "return total / n_crystals",
        {"pool": 5},
    ),
    Planted(
        "the largest value never below zero",
        "include_self=False",
        "include_self=True",
        {"pool": 2},
    ),
    Planted(
        "only the first convolution",
        "            atoms = convolve(atoms, bonds, graph)\n",
        "            atoms = convolve(atoms, bonds, graph)\n            break\n",
        {"CrystalNetwork": 7},
    ),
    Planted(
        "no activation before the output",
        "return self.output(self.activation(self.hidden(crystals)))",
        "return self.output(self.hidden(crystals))",
        {"CrystalNetwork": 7},
    ),
    Planted(
        "pooled over the whole batch in the network",
        "crystals = pool(atoms, graph.crystal, graph.n_crystals, self.pooling)",
        "crystals = pool(atoms, 0 * graph.crystal, 1, self.pooling).expand(graph.n_crystals, -1)",
        {"CrystalNetwork": 7},
    ),
    Planted(
        "gradients pile up",
        "    optimiser.zero_grad()\n",
        "",
        {"training_step": 6},
    ),
    Planted(
        "no training mode",
        "    network.train()\n",
        "",
        {"training_step": 2},
    ),
    Planted(
        "the loss goes back as a tensor",
        "return loss.item()",
        "return loss",
        {"training_step": 2},
    ),
    Planted(
        "no step is taken",
        "    optimiser.step()\n",
        "",
        {"training_step": 6},
    ),
]
