# %% [markdown]
# # 5. Experiments
#
# Each has its harness: `harness.compare(data, parts, settings, epochs=…)` trains one network for
# each of the named settings on the same split. Change the settings and ask your own questions. The
# runs are short, from one seed: differences of a tenth are noise until you have seen them twice.
#
# ## 5.1 Which convolution?
#
# Twice: for the energy, and for the classes of section 4.2, where the structure decides.

# %%
kinds = {name: {"convolution": name} for name in ("none", "shared", "gated")}
runs = harness.compare(data, parts, kinds, epochs=20)
display(harness.scores(runs))
pictures.draw_parity(runs)

# %%
runs = harness.compare(oxides, class_parts, kinds, epochs=12)
display(harness.scores(runs))

# %% [markdown]
# {{W4}}
#
# ## 5.2 Hyperparameters

# %%
runs = harness.compare(
    data,
    parts,
    {
        "as it is": {},
        "rate 0.0005": {"learning_rate": 5e-4},
        "rate 0.05": {"learning_rate": 5e-2},
        "8 wide": {"atom_width": 8},
        "64 wide": {"atom_width": 64},
        "1 layer": {"n_convolutions": 1},
        "5 layers": {"n_convolutions": 5},
        "batch 64": {"batch_size": 64},
    },
)
display(harness.scores(runs))
pictures.draw_scores(runs)
pictures.draw_curves(runs, training=False)

# %% [markdown]
# {{W5}}
#
# ## 5.3 How many neighbours?

# %%
runs = harness.compare(
    data,
    parts,
    {
        str(number): {"graph": GraphConfig("shell", n_neighbours=number, cutoff=8.0)}
        for number in (1, 4, 8, 12, 24, 48)
    },
)
table = harness.scores(runs)
table["edges per atom"] = [
    round(build_graphs(data.crystals, run.graph).n_edges / data.crystals.n_atoms.sum(), 1)
    for run in runs.values()
]
display(table)
pictures.draw_scores(runs, "neighbours asked for")

# %% [markdown]
# {{W6}}
#
# ## 5.4 Activation and batch normalisation

# %%
runs = harness.compare(
    data,
    parts,
    {
        f"{name}{', BN' if normalised else ''}": {
            "activation": activation,
            "batch_normalisation": normalised,
        }
        for name, activation in (
            ("softplus", torch.nn.Softplus),
            ("ReLU", torch.nn.ReLU),
            ("none", torch.nn.Identity),
        )
        for normalised in (True, False)
    },
)
display(harness.scores(runs))
pictures.draw_curves(runs, training=False)

# %% [markdown]
# {{W7}}
#
# ## 5.5 Pooling, and a target that grows with the cell

# %%
whole = data.per_cell()
poolings = {name: {"pooling": name} for name in ("mean", "max", "sum")}
per_atom = harness.compare(data, parts, poolings)
per_cell = harness.compare(whole, parts, poolings)
rows = []
test = data.take(parts.test).crystals
doubled = [crystal.repeated(2, 1, 1) for crystal in test]
for name in poolings:
    for target, run in (("per atom", per_atom[name]), ("per cell", per_cell[name])):
        ratio = np.median(run.predict(doubled) / run.predict(test))
        size = 1.0 if target == "per atom" else test.n_atoms
        truth = run.data.take(parts.test).values
        error = np.abs((run.predict(test) - truth) / size).mean()
        rows.append(
            {
                "target": target,
                "pooling": name,
                "MAE (eV/atom)": error,
                "two cells / one cell": ratio,
                "should be": 1.0 if target == "per atom" else 2.0,
            }
        )
pd.DataFrame(rows).sort_values("target").reset_index(drop=True)

# %%
figure, panels = plt.subplots(1, 3, figsize=(9.5, 3), layout="constrained")
for axes, (name, run) in zip(panels, per_cell.items()):
    axes.scatter(test.n_atoms, run.predict(doubled) / run.predict(test), s=8, color=pictures.BLUE)
    axes.axhline(2, color=pictures.ORANGE)
    axes.set(title=f"{name}, energy of the cell", xlabel="atoms in the cell", ylim=(0, 4))
panels[0].set_ylabel("prediction, two cells / one")
plt.show()

# %% [markdown]
# {{W8}}
