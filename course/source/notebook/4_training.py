# %% [markdown]
# # 4. Training
#
# ## 4.1 The energy of some 700 perovskites
#
# A perovskite ABX₃ has B atoms inside octahedra of X, and A atoms between them. We train on 70 % of
# the formulas, choose the epoch by 10 %, and look at the last 20 % once, at the end. The error is
# the *mean absolute error* (MAE), in the unit of the quantity. A number alone says little: what
# does one get who always predicts the mean?

# %%
fitted = harness.fit(data, parts, epochs=40)
pictures.draw_curves({"gated": fitted})
print(
    f"MAE on the test part: {fitted.score():.3f} {data.unit}, on the training part",
    f"{fitted.score(parts.train):.3f}; always the mean: {harness.predict_mean(data, parts):.3f}",
)
print(f"{fitted.seconds:.0f} seconds of processor time")

# %% [markdown]
# The loss is a mean over standardised values and tells nothing about single crystals. So look at
# the predictions themselves: each as a point, and as a table with the structures, worst first.

# %%
pictures.draw_parity({"gated": fitted})
table = fitted.table()
display(table.head(6), table.tail(3))
worst = data.crystals[data.crystals.ids.tolist().index(table["id"][0])]
print("the worst one:\n", worst.to_pymatgen())

# %%
draw_gate(fitted.network, example_crystal, "after training")

# %% [markdown]
# ## 4.2 Perovskite or not: and the trap in it
#
# The same network can tell classes: two outputs, and the loss `cross_entropy`. To tell perovskites
# from what? Let us take perovskite *oxides* as one class, and try two contrasts:
#
# - **other crystals**: crystals of many other types, here with sulfur in place of oxygen,
# - **other oxides**: the same other types, as oxides.
#
# These crystals are real: a sample of the Materials Project that comes with xtalgraph. A third of
# the other oxides have the formula ABO₃ too, in another structure.

# %%
OXIDES = "mp-sample"  # or a table with `perovskite` and `other oxide` in its column `kind`

oxides = harness.read_oxides(OXIDES)
is_perovskite = oxides.values == 1
crystals = list(oxides.crystals)
swapped = [
    crystal if good else harness.replace_oxygen([crystal])[0]
    for crystal, good in zip(crystals, is_perovskite)
]
others = harness.Data(
    CrystalStore.from_crystals(swapped), oxides.values, "class", "", oxides.source, oxides.classes
)
class_parts = harness.split(oxides)
runs = {}
for contrast, chosen in (("other crystals", others), ("other oxides", oxides)):
    for convolution in ("none", "gated"):
        runs[f"{contrast}, {convolution}"] = harness.fit(
            chosen, class_parts, epochs=12, convolution=convolution
        )
display(harness.scores(runs))
pictures.draw_scores(runs)

# %% [markdown]
# `none` sees no structure at all, and yet it is right about *other crystals*: it looks whether there
# is oxygen. What does the gated network do that has learned from other crystals, when it meets
# other *oxides*?

# %%
test = oxides.take(class_parts.test)
other_oxides = test.values == 0
rows = []
for name in ("other crystals, gated", "other oxides, gated"):
    called = runs[name].predict(test.crystals) > 0.5
    rows.append(
        {
            "learned from": name,
            "perovskites called perovskite": f"{called[~other_oxides].mean():.0%}",
            "other oxides called perovskite": f"{called[other_oxides].mean():.0%}",
        }
    )
pd.DataFrame(rows)

# %% [markdown]
# {{W9}}
#
# ## 4.3 Weights that know something already
#
# With few examples, begin with a network that has learned a kindred task. The teacher below learns
# the ionic energy of 937 other oxides, which costs seconds to compute. Its weights are the start for
# 20 perovskite oxides; and then for 60 perovskites of all kinds, of which it has never seen the
# halides, sulfides and nitrides.

# %%
ionic = xtalgraph.read_dataset(harness.IONIC)
rows = np.flatnonzero(~ionic.columns["prototype"].str.endswith("perovskite").to_numpy())
rows = rows[::8] if harness.SHORT else rows
known = harness.Data(
    ionic.crystals.take(rows),
    ionic.values(["ionic_energy_per_atom"])[rows, 0],
    "energy per atom",
    "eV/atom",
    "ionic",
)
teacher = harness.fit(known, harness.split(known), epochs=20)
is_oxide = np.array(["O" in crystal.composition for crystal in data.crystals])
oxide_parts = [part[is_oxide[part]] for part in (parts.train, parts.validation, parts.test)]
runs = {}
for name, few in (
    ("20 oxides", harness.Split(oxide_parts[0][:20], oxide_parts[1][:10], oxide_parts[2])),
    ("60 of all kinds", harness.Split(parts.train[:60], parts.validation[:20], parts.test)),
):
    runs[f"{name}, from scratch"] = harness.fit(data, few, epochs=40)
    runs[f"{name}, fine-tuned"] = harness.fit(data, few, epochs=40, start_from=teacher)
display(harness.scores(runs))
pictures.draw_curves(runs, training=False)
pictures.draw_parity(runs)

# %% [markdown]
# Networks that others have trained are used in one line. If this installation of xtalgraph ships
# networks, the next cell predicts some of our crystals with one that has learned formation
# energies from density functional theory; it says so if there is none. (The 2018 authors' own
# `.pth.tar` files can be loaded by their path in the same way.)

# %%
pretrained = harness.find_shipped("formation-energy")
if pretrained is None:
    print("this installation ships no networks; the part above shows the idea")
else:
    display(pretrained.predict(data.take(range(5)).crystals).to_frame())

# %% [markdown]
# ## 4.4 New materials with a wanted property
#
# Now turn it round: which perovskites, that nobody has put into the table, have a band gap of about
# 1.3 eV, as a solar cell wants it? Candidates come by substitution: an A′ takes the place of A
# where both occur with one and the same B in the data, and its cell gets the size that A′, B and X
# have in the others.
#
# A table of band gaps, or a shipped network for them, makes this real; without either, the energy
# per atom stands in for the gap, and the search is the same.

# %%
GAPS = None  # or a table of gaps: "…/band_gap.csv" beside its CIFs, `gaps.parquet`, …

judge, quantity, wanted = harness.find_judge(GAPS, fitted)
candidates = harness.substitute(data.crystals)
new = pd.DataFrame(
    {
        "formula": [crystal.reduced_formula for crystal in candidates],
        "cell edge (Å)": [round(crystal.lattice[0, 0], 3) for crystal in candidates],
        quantity: judge(candidates),
    }
)
print(f"{len(new)} new cubic perovskites; wanted: {quantity} near {wanted:.2f}")
pictures.draw_new_materials(new, quantity, wanted)
new.iloc[(new[quantity] - wanted).abs().argsort()[:8]].reset_index(drop=True)

# %% [markdown]
# How far may we trust such a prediction? Leave out *all* crystals of one element, and see.

# %%
counts = pd.Series([s for crystal in data.crystals for s in crystal.composition]).value_counts()
element = next(name for name in counts.index[3:] if name not in ANIONS)
has = np.array([element in crystal.composition for crystal in data.crystals])
without = harness.Split(
    parts.train[~has[parts.train]], parts.validation[~has[parts.validation]], np.flatnonzero(has)
)
blind = harness.fit(data, without, epochs=20)
print(
    f"crystals with {element}, never seen: MAE {blind.score():.2f} {data.unit};",
    f"test crystals without it: {blind.score(parts.test[~has[parts.test]]):.2f}",
)
