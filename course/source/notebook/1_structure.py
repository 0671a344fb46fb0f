# %% [markdown]
# # Crystal graphs: how a network learns the properties of crystals
#
# In this homework you write a crystal graph convolutional network (Xie and Grossman, *Phys. Rev.
# Lett.* **120**, 145301, 2018), train it on some 700 perovskites, and find out what it can and what
# it cannot learn.
#
# **What you hand in.** `model_hw.py`, where your code goes: it is graded by machine (66 points).
# The written part, `questions.md` or `questions.tex`: its questions stand here too, where they
# arise (34 points). This notebook is where you look, try and measure; it is not handed in.
#
# **How it works.** The notebook imports your `model_hw.py`. When you have written a function there,
# save the file and run the cell with its check. A check names the quantity, what it expected, what
# it got, and where to look again. Your code is right when it passes, and the grader has more checks
# of the same kind. Cells below a gap do not run before the gap is filled; that is meant so.
#
# Everything runs on an ordinary computer without an accelerator, all of it in a few minutes.

# %%
# The first cell installs and imports everything. On Colab it asks for `student.zip` once.
import importlib.util
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

INSTALL_FROM = "INSTALL_FROM_OF_COURSE_TOML"  # where pip finds xtalgraph, if it is not here yet

if not Path("model_hw.py").exists() and "google.colab" in sys.modules:
    from google.colab import files

    for name in files.upload():  # choose student.zip
        zipfile.ZipFile(name).extractall()
if importlib.util.find_spec("xtalgraph") is None:
    wheel = next(Path().glob("xtalgraph-*.whl"), INSTALL_FROM)
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", str(wheel)], check=True)

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from pymatgen.core import Lattice, Structure
from sklearn.neural_network import MLPRegressor

import checks
import harness
import model_hw
import pictures
import xtalgraph
from xtalgraph import Crystal, CrystalStore, GraphConfig, build_graphs
from xtalgraph.nn.cgcnn import GatedConvolution


def check(question):
    """Read `model_hw.py` again and check one of its functions."""
    importlib.reload(model_hw)
    checks.check(model_hw, question)


# %% [markdown]
# **The data.** As they stand, the next lines take the table `ionic.jsonl` beside the notebook:
# perovskites with the lattice energy of a classical ionic model, so that nothing is downloaded.
# They behave well and are *not* density functional theory (DFT).
#
# For real data, change one line: `DATA` may be a folder of CIF files with a table `id_prop.csv`
# (an id and a value in each line), or any table that `xtalgraph data fetch` gives. The set of the
# homework that this one grew out of is public at github.com/X-Chen97/cs182project; its values are
# total energies of whole cells, so say `PER_CELL = True`. All that follows holds for both; only the
# numbers change.

# %%
DATA = "ionic"  # or the path of a folder or table
TARGET = None  # the column to learn, where there are several
PER_CELL = False  # True where the values are energies of whole cells, in eV

data = harness.read_perovskites(DATA, TARGET, per_cell=PER_CELL)
parts = harness.split(data)
print(f"{len(data)} crystals; {data.quantity}, {data.unit}, from {data.source}")
print(
    f"{len(parts.train)} to learn from, {len(parts.validation)} to choose the epoch by,",
    f"{len(parts.test)} to test on",
)

# %% [markdown]
# # 1. Why structure predicts properties
#
# A crystal is a cell that repeats without end, and atoms in it. Its energy, its band gap or its
# stiffness follow from where which atoms are. Three facts make that learnable from a few hundred
# examples: the *same crystal* can be written in many ways (invariance), an atom feels mostly its
# *surroundings* (locality), and equal surroundings act equally *wherever they occur* (shared
# weights). Let us see each of them.
#
# ## 1.1 Invariance: one crystal, many descriptions
#
# The cell below writes one crystal in five other ways. The first column says how much the raw numbers of
# the file change, the second how much the sorted distances around all atoms do.


# %%
def raw_numbers(crystal):
    """Give what stands in a file, in its order: lattice, positions, elements."""
    rows = np.column_stack([crystal.fractional_positions, crystal.atomic_numbers])
    return np.concatenate([crystal.lattice.ravel(), rows.ravel()])


def distances_around(crystal, n_nearest=12):
    """Give the distances to the nearest neighbours of all atoms, sorted."""
    graph = build_graphs(crystal, GraphConfig("nearest", n_nearest))
    table = graph.distance.numpy().reshape(-1, n_nearest)
    return np.unique(np.round(table, 5), axis=0)


def rotated(crystal, angle=0.7):
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return Crystal(crystal.lattice @ turn, crystal.fractional_positions, crystal.atomic_numbers)


def reordered(crystal):
    order = np.arange(crystal.n_atoms)[::-1]
    return Crystal(
        crystal.lattice, crystal.fractional_positions[order], crystal.atomic_numbers[order]
    )


def moved(crystal):
    positions = crystal.fractional_positions + [0.13, 0.29, 0.41]
    return Crystal(crystal.lattice, positions, crystal.atomic_numbers)


def supercell(crystal):
    return crystal.repeated(2, 2, 1)


def another_cell(crystal):
    """Give the same crystal with the third lattice vector replaced by a + c."""
    change = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 1]])
    positions = crystal.fractional_positions @ np.linalg.inv(change)
    return Crystal(change @ crystal.lattice, positions, crystal.atomic_numbers)


CHANGES = {
    "atoms reordered": reordered,
    "rotated": rotated,
    "moved": moved,
    "supercell 2 × 2 × 1": supercell,
    "another cell, c + a for c": another_cell,
}
one = min(data.crystals, key=lambda crystal: crystal.n_atoms)
rows = []
for name, change in CHANGES.items():
    other = change(one)
    before, after = raw_numbers(one), raw_numbers(other)
    same_length = len(before) == len(after)
    raw = f"{np.abs(after - before).max():.2f}" if same_length else "another length"
    same = np.array_equal(distances_around(one), distances_around(other))
    rows.append({"change": name, "raw numbers, largest change": raw, "distances the same": same})
print(one.id, one.formula)
pd.DataFrame(rows)

# %% [markdown]
# A network that reads raw numbers has to learn that these are one crystal. How well does it? Here
# an ordinary dense network learns the energy from the raw numbers, padded with zeros to one
# length. Then it meets the *same* test crystals with their atoms in another order.

# %%
longest = max(len(raw_numbers(crystal)) for crystal in data.crystals)


def raw_table(crystals):
    return np.stack([np.pad(c := raw_numbers(x), (0, longest - len(c))) for x in crystals])


train, test = data.take(parts.train), data.take(parts.test)
scale = np.abs(raw_table(train.crystals)).max(axis=0).clip(1)
dense = MLPRegressor(
    hidden_layer_sizes=(64,), max_iter=5 if harness.SHORT else 300, random_state=0, tol=0
)
with warnings.catch_warnings():  # that 300 rounds are few for it
    warnings.simplefilter("ignore")
    dense.fit(raw_table(train.crystals) / scale, (train.values - train.values.mean()))
shuffled = [reordered(crystal) for crystal in test.crystals]
for name, crystals in (("as in the files", test.crystals), ("atoms reordered", shuffled)):
    predicted = dense.predict(raw_table(crystals) / scale) + train.values.mean()
    print(f"{name}: MAE {np.abs(predicted - test.values).mean():.2f} {data.unit}")
print(f"always the mean: MAE {harness.predict_mean(data, parts):.2f} {data.unit}")
print(f"weights that read the crystal: {dense.coefs_[0].size}, for {len(train)} examples")

# %% [markdown]
# ## 1.2 Locality: the nearest shell says most
#
# Below stands the energy of each crystal against *one* length, the shortest distance between two
# of its atoms, coloured by its most electronegative element.

# %%
ANIONS = ["F", "O", "N", "Cl", "Br", "I", "S"]  # from the most electronegative one on
kinds = [
    next((a for a in ANIONS if a in crystal.composition), "other") for crystal in data.crystals
]
shortest = np.array(
    [build_graphs(x, GraphConfig("nearest", 1)).distance.min() for x in data.crystals]
)
pictures.draw_locality(shortest, data.values, kinds, data.unit)
spread = data.values.std()
for kind in sorted(set(kinds)):
    mine = np.array(kinds) == kind
    if mine.sum() > 20:
        slope = np.polyfit(1 / shortest[mine], data.values[mine], 1)
        left = (data.values[mine] - np.polyval(slope, 1 / shortest[mine])).std()
        print(
            f"{kind:6s} {mine.sum():4d} crystals: a line in 1/length leaves a spread of {left:.2f}",
            f"{data.unit} (all crystals: {spread:.2f})",
        )

# %% [markdown]
# ## 1.3 Shared weights: one rule for all places
#
# The dense network above has a weight for each number of the file: what it learns about the first
# atom says nothing of the second. If one small rule is applied to *every* atom instead, each
# crystal with twenty atoms is twenty examples of it. The numbers:

# %%
atom_rows = int(data.crystals.n_atoms[parts.train].sum())
graph = build_graphs(train.crystals, harness.SHELL)
print(f"{len(train)} crystals for training, {atom_rows} atoms, {graph.n_edges} edges")
print(
    f"dense network, first layer: {dense.coefs_[0].size} weights,",
    f"{len(train) / dense.coefs_[0].size:.2f} crystals for each",
)
rule = 2 * (2 * 32 + 41) * 32
print(
    f"a rule for edges (32 components an atom, 41 a bond): {rule} weights,",
    f"{graph.n_edges / rule:.0f} edges for each",
)

# %% [markdown]
# {{W1}}
#
# {{W2}}
