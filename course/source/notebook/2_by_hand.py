# %% [markdown]
# # 2. From a crystal to a graph, by hand
#
# ## 2.1 Meet the data
#
# `pymatgen` is the common library for crystals. Printed, its `Structure` has one row an atom: the
# number of the atom in the cell (`#`), its element (`SP`, species), and its *fractional*
# coordinates `a`, `b`, `c`: how far it lies along each of the three lattice vectors. 0.5 is the
# middle of the cell whatever its size. `abc` and `angles` above are the lengths (Å) of the three
# lattice vectors and the angles between them.

# %%
example = data.crystals[int(np.argmin(data.crystals.n_atoms))].to_pymatgen()
print(example)

# %% [markdown]
# What you need of it:
#
# | you want | you write |
# |---|---|
# | number of atoms | `len(structure)` |
# | one atom | `structure[i]` |
# | its element | `structure[i].specie`, its symbol `.symbol`, its atomic number `.number` |
# | its place | `structure[i].frac_coords`, in Å: `structure[i].coords` |
# | lattice vectors, as rows, in Å | `structure.lattice.matrix` |
# | neighbours within 3 Å | `structure.get_neighbors(structure[i], 3.0)` |
#
# The table of crystals, elements and values that we learn from:

# %%
pd.DataFrame(
    {
        "id": data.crystals.ids[:8],
        "formula": [crystal.reduced_formula for crystal in data.take(range(8)).crystals],
        "atoms in the cell": data.crystals.n_atoms[:8],
        f"{data.quantity} ({data.unit})": data.values[:8],
    }
)

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 2.6), layout="constrained")
left.hist(data.values, bins=40, color=pictures.BLUE)
left.set(xlabel=f"{data.quantity} ({data.unit})", ylabel="crystals")
sizes, counts = np.unique(data.crystals.n_atoms, return_counts=True)
right.bar(sizes.astype(str), counts, color=pictures.BLUE)
right.set(xlabel="atoms in the cell", ylabel="crystals")
plt.show()

# %% [markdown]
# ## 2.2 Rock salt: atoms as vectors
#
# Rock salt, NaCl, in the cell of eight atoms that everybody draws:

# %%
nacl = Structure.from_spacegroup(
    "Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
)
print(nacl)

# %% [markdown]
# **Your turn.** Make a list `numbers` of the atomic numbers of the eight atoms, in their order.

# %%
# HINT A Structure can be walked through with `for`, and gives its sites one after another.
# BEGIN SOLUTION
numbers = [site.specie.number for site in nacl]
# END SOLUTION

checks.compare(
    "numbers", torch.tensor(numbers), torch.tensor([11] * 4 + [17] * 4), "the table above."
)

# %% [markdown]
# To a network, 11 and 17 are only two numbers; that sodium gives electrons and chlorine takes them
# does not show. So each element becomes a vector of 92 zeros and ones, which says in which bin of
# nine properties it lies: elements that are alike begin alike.

# %%
symbols = ["Na", "K", "Cl", "Br", "O", "Ti"]
element_numbers = [11, 19, 17, 35, 8, 22]
pictures.draw_element_vectors(element_numbers, symbols)
for component in xtalgraph.nn.paper_vectors()[11].nonzero().flatten().tolist():
    print(xtalgraph.nn.describe_components()[component])

# %% [markdown]
# ## 2.3 Neighbours, with periodic images
#
# The crystal goes on beyond its cell: the neighbours of an atom near a face lie in the next cell.
# An atom at the fractional position $f_j$ has an image at $f_j + n$ for all whole numbers
# $n = (n_a, n_b, n_c)$, and its vector from the atom $i$ is, with the rows of $L$ the lattice
# vectors, $(f_j + n - f_i)\, L$.
#
# **Your turn.** Fill `lengths` with the distances from atom 0 to all atoms in the cell and in the
# 26 cells around it, without the atom itself.

# %%
lattice, fractional = nacl.lattice.matrix, nacl.frac_coords
images = [(a, b, c) for a in (-1, 0, 1) for b in (-1, 0, 1) for c in (-1, 0, 1)]
lengths = []
for j in range(len(nacl)):
    for image in images:
        # HINT The formula above, then np.linalg.norm. Leave out lengths below 0.01 Å.
        # BEGIN SOLUTION
        vector = (fractional[j] + np.array(image) - fractional[0]) @ lattice
        if np.linalg.norm(vector) > 0.01:
            lengths.append(np.linalg.norm(vector))
        # END SOLUTION

lengths = np.sort(lengths)
checks.compare(
    "the six shortest lengths",
    torch.tensor(lengths[:6]),
    torch.full((6,), 2.82),
    "half the edge of the cell, six times. Does the image move atom j along all three vectors?",
)
shells, counts = np.unique(lengths.round(3), return_counts=True)
print("shells around Na (Å):", shells[:3], "with", counts[:3], "atoms")

# %% [markdown]
# `xtalgraph` does the same for all atoms, much faster, and gives a **graph**: atoms are its nodes,
# and each image of a neighbour is an edge. An edge has a `centre`, which will receive a message, a
# `neighbour`, an `image` and a `distance`.
#
# Which neighbours count is a rule. The 12 nearest, said the code of 2018. In rock salt the first
# shell has 6 atoms and the second 12: *which* six of those twelve? Our rule, `shell`, takes the
# last shell whole.

# %%
crystal = Crystal.from_pymatgen(nacl, "NaCl")
for rule in ("nearest", "shell"):
    graph = build_graphs(crystal, GraphConfig(rule, n_neighbours=12))
    found, counts = np.unique(
        graph.distance[graph.centre == 0].numpy().round(3), return_counts=True
    )
    print(f"{rule:8s} edges of atom 0:", dict(zip(found.tolist(), counts.tolist())))
graph = build_graphs(crystal, GraphConfig("shell", n_neighbours=6))
pictures.draw_crystal(crystal, graph)

# %% [markdown]
# The smallest cell of rock salt has two atoms. Its graph says everything in two nodes, and it shows
# why edges are counted by images: all six neighbours of Na are *the same* Cl.

# %%
small = Crystal.from_pymatgen(nacl.get_primitive_structure(), "NaCl")
small_graph = build_graphs(small, GraphConfig("shell", n_neighbours=6))
print(
    pd.DataFrame(
        {
            "centre": small_graph.centre,
            "neighbour": small_graph.neighbour,
            "image": small_graph.image.tolist(),
            "distance": small_graph.distance,
        }
    ).head(6)
)
pictures.draw_multigraph(small_graph, small.symbols)

# %% [markdown]
# ## 2.4 Distances as vectors
#
# A single number is a poor thing to give to a layer $d\,W$: whatever the weights, its outcome is
# a straight line in $d$, so that 2 Å and 6 Å cannot both matter with 4 Å in between left out.
# Expanded in Gaussians, the distance says *near which of 41 lengths* it lies; each of them has a
# weight of its own, and their sum can be any smooth curve of the distance.
#
# **Write `expand_distances` in `model_hw.py`, then check it.**

# %%
check("expand_distances")

# %%
three = torch.tensor([2.0, 2.1, 4.73])
pictures.draw_expansion(three, model_hw.expand_distances(three), 8.0)
theirs = xtalgraph.nn.torch_parts.GaussianBasis(0.0, 8.0, 41)(three)
difference = (model_hw.expand_distances(three) - theirs).abs().max()
print(f"largest difference from xtalgraph's own: {difference:.1e}")

# %% [markdown]
# And a straight line against a sum of Gaussians, for a curve that bonds do have: two atoms that
# repel when near and attract farther out. Both are fitted by least squares.

# %%
d = torch.linspace(1.5, 6.0, 200)
curve = (2.4 / d) ** 8 - 2 * (2.4 / d) ** 4
ones = torch.ones(len(d), 1)
figure, axes = plt.subplots(figsize=(5, 2.8), layout="constrained")
axes.plot(d, curve, color=pictures.BLACK, lw=3, label="energy of a pair")
for name, columns, colour in (
    ("d W + b", d[:, None], pictures.ORANGE),
    ("expanded, u W + b", model_hw.expand_distances(d), pictures.BLUE),
):
    table = torch.cat([columns, ones], dim=1)
    fitted_curve = table @ torch.linalg.lstsq(table, curve[:, None], driver="gelsd").solution
    axes.plot(d, fitted_curve, color=colour, ls="--", label=name)
axes.set(xlabel="distance (Å)", ylabel="energy", ylim=(-1.3, 2))
axes.legend()
plt.show()

# %% [markdown]
# {{W3}}
