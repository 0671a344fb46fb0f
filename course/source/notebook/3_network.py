# %% [markdown]
# # 3. The network
#
# ## 3.1 What an edge knows
#
# $z_{(ij)_k} = v_i \oplus v_j \oplus u_{(ij)_k}$: the vector of the atom that receives, that of the
# neighbour, and that of the bond, one after another. `centre` and `neighbour` hold the numbers of
# the atoms, so an index does it for all edges at once.
#
# **Write `describe_edges`.**

# %%
check("describe_edges")

# %% [markdown]
# ## 3.2 Sums over neighbours
#
# Atoms have different numbers of neighbours. We do not pad them to one number, which would ask for
# made-up neighbours; messages are *added at the atom that receives them*. A sum forgets the order,
# and that is what we want.
#
# **Write `sum_by_group`.**

# %%
check("sum_by_group")

# %%
# Do not use `sums[group] += values`: where an atom occurs twice, one of its rows is lost.
values, group = torch.ones(4, 1), torch.tensor([0, 0, 0, 1])
lost = torch.zeros(2, 1)
lost[group] += values
print("sums[group] += values:", lost.flatten().tolist())
print("sum_by_group:         ", model_hw.sum_by_group(values, group, 2).flatten().tolist())

# %% [markdown]
# ## 3.3 Three convolutions, side by side
#
# | | equation | what an atom hears |
# |---|---|---|
# | none | $v_i \leftarrow g[v_i W_s + b]$ | nothing: composition alone |
# | shared (eq. 4) | $v_i \leftarrow g[(\sum_{j,k} v_j \oplus u_{(ij)_k}) W_c + v_i W_s + b]$ | all neighbours alike, with the same weights |
# | gated (eq. 5) | $v_i \leftarrow v_i + \sum_{j,k} \sigma(z W_f + b_f) \odot g(z W_s + b_s)$ | each as much as its gate lets through; the gate looks at both atoms and the bond |
#
# In the shared one, all distances are summed up before a weight sees them: it cannot say "oxygen at
# 2 Å", only "there is oxygen" and "something is at 2 Å". The gate can, because $z$ has both.
#
# **Write the three `forward`s in `model_hw.py`.**

# %%
check("NoConvolution")

# %%
check("SharedConvolution")

# %%
check("GatedConvolution")

# %% [markdown]
# Your gated convolution and xtalgraph's own, with the same weights, on a batch of real graphs. The
# package splits the product $zW$ so that it is faster; the numbers are the same.

# %%
settings = xtalgraph.CgcnnConfig(atom_width=32, activation="softplus", normalisation="none")
theirs, mine = (
    GatedConvolution(settings),
    model_hw.GatedConvolution(32, 41, torch.nn.Softplus(), torch.nn.Identity()),
)
with torch.no_grad():
    theirs.gate_and_message.weight.copy_(torch.cat([mine.gate.weight, mine.core.weight]))
    theirs.gate_and_message.bias.copy_(torch.cat([mine.gate.bias, mine.core.bias]))
    graph = build_graphs(data.take(range(20)).crystals, harness.SHELL)
    atoms = torch.randn(graph.n_atoms, 32)
    bonds = model_hw.expand_distances(graph.distance.float())
    difference = (mine(atoms, bonds, graph) - theirs(atoms, bonds, graph)).abs().max()
print(f"{graph.n_edges} edges, largest difference {difference:.1e}")

# %% [markdown]
# What the gate does, seen: for each kind of edge of one crystal, how far each of the 32 components
# of a message is let through (dark: not at all, bright: whole), in a network that has not learned
# anything yet. We look at it again after training.


# %%
def draw_gate(network, crystal, title):
    graph = build_graphs(crystal, harness.SHELL)
    with torch.no_grad():
        atoms = network.embedding(network.element_vectors[graph.atomic_numbers])
        bonds = model_hw.expand_distances(graph.distance.float(), 0.0, network.longest)
        z = model_hw.describe_edges(atoms, bonds, graph.centre, graph.neighbour)
        opening = torch.sigmoid(network.convolutions[0].gate(z))
    symbols = crystal.symbols
    kinds = [
        f"{symbols[i]} hears {symbols[j]} at {d:.2f} Å"
        for i, j, d in zip(graph.centre.tolist(), graph.neighbour.tolist(), graph.distance.tolist())
    ]
    rows = [kinds.index(kind) for kind in sorted(set(kinds))]
    pictures.draw_gate(opening[rows], sorted(set(kinds)), title)


example_crystal = data.crystals[int(np.argmin(data.crystals.n_atoms))]
torch.manual_seed(0)
draw_gate(model_hw.CrystalNetwork(harness.ELEMENT_VECTORS), example_crystal, "before training")

# %% [markdown]
# ## 3.4 Pooling
#
# A crystal's vector is made of its atoms' vectors. The mean does not grow with the cell and suits
# an energy *per atom*; the sum does grow; the largest value of each component says whether there is
# *any* atom of a kind.
#
# **Write `pool`.**

# %%
check("pool")

# %% [markdown]
# ## 3.5 The whole network, and a step of training
#
# **Write `CrystalNetwork.forward` and `training_step`.**

# %%
check("CrystalNetwork")

# %%
check("training_step")

# %%
checks.check(model_hw)  # all of them once more
network = model_hw.CrystalNetwork(harness.ELEMENT_VECTORS)
print(network)
print(sum(weights.numel() for weights in network.parameters()), "weights")
