"""Public data sets: where they are published, under which licence, and what their columns mean.

No data of theirs are in this package. Checksums are those that the publishers give: SHA-256 in
matminer's list of data sets for matbench, git's object names in the repository of CDVAE for its
tables. A set without a published checksum is checked against the first download instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xtalgraph.errors import BadDataset, UnknownName
from xtalgraph.units import KNOWN_TARGETS, Target


@dataclass(frozen=True)
class PublicFile:
    """A published file: its name, address, part of the split, and what it must be."""

    name: str
    url: str
    sha256: str = ""  # of the content
    git_blob: str = ""  # git's SHA-1 of "blob <size>" and the content; names the file in a commit
    n_bytes: int | None = None  # where the publisher says so
    part: str = ""  # train, validation or test, where the files are a published split

    @property
    def checksum(self) -> str:
        """What the file is checked against, in words.

        >>> PublicFile("a.csv", "https://example.org/a.csv").checksum
        'none published; later downloads must equal the first'
        """
        if self.git_blob:
            return f"git blob {self.git_blob}"
        return (
            f"sha256 {self.sha256}"
            if self.sha256
            else ("none published; later downloads must equal the first")
        )


@dataclass(frozen=True)
class PublicSet:
    """A published data set. `columns` maps published names to ours, with units."""

    name: str
    title: str
    description: str
    files: tuple[PublicFile, ...]
    columns: Mapping[str, Target]
    n_rows: int | None  # None where the user's query decides
    licence: str
    citation: str
    homepage: str
    note: str = ""  # what one should know before comparing figures


_SPACE_GROUP = Target("space_group_number")
_CDVAE = "https://raw.githubusercontent.com/txie-93/cdvae/f857f598d6f6cca5dc1ea0582d228f12dcc2c2ea"
_CDVAE_PAPER = (
    "T. Xie, X. Fu, O.-E. Ganea, R. Barzilay, T. Jaakkola, Crystal Diffusion Variational "
    "Autoencoder for Periodic Material Generation, arXiv:2110.06197 (2021)"
)
_CASTELLI = (
    "I. E. Castelli et al., New cubic perovskites for one- and two-photon water splitting using "
    "the computational materials repository, Energy Environ. Sci. 5, 9034 (2012), "
    "doi:10.1039/C2EE22341D"
)
_MATERIALS_PROJECT = (
    "A. Jain et al., Commentary: The Materials Project, APL Materials 1, 011002 (2013), "
    "doi:10.1063/1.4812323"
)
_MATBENCH = (
    "A. Dunn, Q. Wang, A. Ganose, D. Dopp, A. Jain, Benchmarking materials property prediction "
    "methods: the Matbench test set and Automatminer reference algorithm, npj Comput. Mater. 6, "
    "138 (2020), doi:10.1038/s41524-020-00406-3"
)
_ELASTIC = (
    "M. de Jong et al., Charting the complete elastic properties of inorganic crystalline "
    "compounds, Sci. Data 2, 150009 (2015), doi:10.1038/sdata.2015.9"
)
_CC_BY = "CC-BY-4.0 (Materials Project); cite the sources"
_UNSTATED = "not stated with the file; cite the sources"
_PER_ATOM = (
    "Published as eV per cell of five atoms, but SrTiO3 reads about -0.24, which is its measured "
    "heat of formation from SrO and TiO2 in eV per atom: read here as eV/atom, as in the paper of "
    "2018. The numbers are the published ones; only the unit is read differently."
)
_FOLDS = (
    "The leaderboard's folds are scikit-learn's KFold(5, shuffle=True, random_state=18012019) over "
    "the published order, which is kept (StratifiedKFold for classification)."
)


def _cdvae_files(
    folder: str, blobs: tuple[str, str, str], sizes: tuple[int | None, ...]
) -> tuple[PublicFile, ...]:
    parts = (("train", "train"), ("val", "validation"), ("test", "test"))
    return tuple(
        PublicFile(f"{stem}.csv", f"{_CDVAE}/data/{folder}/{stem}.csv", "", blob, n_bytes, part)
        for (stem, part), blob, n_bytes in zip(parts, blobs, sizes, strict=True)
    )


def _matbench(
    task: str,
    title: str,
    columns: dict[str, Target],
    n_rows: int,
    sha256: str,
    *,
    source: str = _MATERIALS_PROJECT,
    licence: str = _CC_BY,
    note: str = "",
) -> PublicSet:
    name = f"matbench_{task}"
    url = f"https://ml.materialsproject.org/projects/{name}.json.gz"
    return PublicSet(
        name,
        f"matbench v0.1: {title}",
        f"{n_rows:,} crystals with a computed property: {title}.",
        (PublicFile(f"{name}.json.gz", url, sha256),),
        columns,
        n_rows,
        licence,
        f"{_MATBENCH}. {source}",
        "https://matbench.materialsproject.org",
        f"{note} {_FOLDS}".strip(),
    )


_SETS = (
    PublicSet(
        "perov_5",
        "Castelli perovskites, as published with CDVAE",
        "All 18,928 ABX3 of 56 elements in five-atom cells, relaxed with DFT (RPBE); most would "
        "decompose. Split into train, validation and test.",
        _cdvae_files(
            "perov_5",
            (
                "0769074b5d51d293b765c4371b8f55c468c9c9f2",
                "4a2c8dde98347dd0e01fa83dcf3982c2abe98f9f",
                "d3c5d5af4b27a2a139149f2bb73c8a3dba9d8ac1",
            ),
            (None, 3_673_814, 3_671_842),
        ),
        {
            "heat_all": KNOWN_TARGETS["energy_above_hull"],
            "heat_ref": KNOWN_TARGETS["formation_energy"],
            "dir_gap": KNOWN_TARGETS["direct_gap"],
            "ind_gap": KNOWN_TARGETS["indirect_gap"],
        },
        18_928,
        "MIT (repository); cite the sources",
        f"{_CASTELLI}. {_CDVAE_PAPER}",
        "https://github.com/txie-93/cdvae/tree/main/data/perov_5",
        "energy_above_hull is the published heat_all: heat of formation against all competing "
        "phases, negative where the perovskite is itself the stable one. " + _PER_ATOM,
    ),
    PublicSet(
        "mp_20",
        "MP-20, as published with CDVAE",
        "45,231 crystals of the Materials Project that have been made, up to 20 atoms a cell, 89 "
        "elements, within 0.08 eV/atom of the hull. Split into train, validation and test.",
        _cdvae_files(
            "mp_20",
            (
                "b1c9d498565ac2fd8d075a51ff2ef5e51ba6c21f",
                "7efe4d7ebeb4f460ceaad35e5326c42111d9c9a1",
                "5dc643041df53f5ce4970a79930ad262b4f07acd",
            ),
            (None, None, None),
        ),
        {
            "formation_energy_per_atom": KNOWN_TARGETS["formation_energy_per_atom"],
            "band_gap": KNOWN_TARGETS["band_gap"],
            "e_above_hull": KNOWN_TARGETS["energy_above_hull"],
            "spacegroup.number": _SPACE_GROUP,
        },
        45_231,
        _CC_BY,
        f"{_MATERIALS_PROJECT}. {_CDVAE_PAPER}",
        "https://github.com/txie-93/cdvae/tree/main/data/mp_20",
    ),
    _matbench(
        "dielectric",
        "refractive index",
        {"n": Target("refractive_index")},
        4_764,
        "83befa09bc2ec2f4b6143afc413157827a90e5e2e42c1eb507ccfa01bf26a1d6",
        source="I. Petousis et al., Sci. Data 4, 160134 (2017), doi:10.1038/sdata.2016.134",
    ),
    _matbench(
        "jdft2d",
        "exfoliation energy",
        {"exfoliation_en": Target("exfoliation_energy", "meV/atom", "atom")},
        636,
        "26057dc4524e193e32abffb296ce819b58b6e11d1278cae329a2f97817a4eddf",
        source="K. Choudhary et al., Sci. Rep. 7, 5179 (2017), doi:10.1038/s41598-017-05402-0",
        licence=_UNSTATED,
    ),
    _matbench(
        "log_gvrh",
        "shear modulus (logarithm)",
        {"log10(G_VRH)": KNOWN_TARGETS["log10_G_VRH"]},
        10_987,
        "098af941f4c663270f1fe21abf20ffad6fb85ecbfcba5786ceac03983ac29da7",
        source=_ELASTIC,
    ),
    _matbench(
        "log_kvrh",
        "bulk modulus (logarithm)",
        {"log10(K_VRH)": KNOWN_TARGETS["log10_K_VRH"]},
        10_987,
        "44b113ddb7e23aa18731a62c74afa7e5aa654199e0db5f951c8248a00955c9cd",
        source=_ELASTIC,
    ),
    _matbench(
        "mp_e_form",
        "formation energy",
        {"e_form": KNOWN_TARGETS["formation_energy_per_atom"]},
        132_752,
        "dedcb1d4ba2e3e50dbdd45ba5bc647a00e9c2bcf8f8bf556dc8e92caa39eb21f",
    ),
    _matbench(
        "mp_gap",
        "band gap (PBE)",
        {"gap pbe": KNOWN_TARGETS["band_gap"]},
        106_113,
        "58b65746bd88329986ed66031a2ac1369c7c522f7bc9f9081528e07097c2c057",
    ),
    _matbench(
        "mp_is_metal",
        "metal or not (PBE)",
        {"is_metal": KNOWN_TARGETS["is_metal"]},
        106_113,
        "9a028ed5750a4c76ca36e9f3c8d48fe0bf3fb21b76ec2289e58ae7048d527919",
    ),
    _matbench(
        "perovskites",
        "heat of formation of perovskites",
        {"e_form": KNOWN_TARGETS["energy_above_hull"]},
        18_928,
        "4641e2417f8ec8b50096d2230864468dfa08278dc9d257c327f65d0305278483",
        source=_CASTELLI,
        licence=_UNSTATED,
        note="The same crystals as perov_5 in another order and, by its distribution, the same "
        "quantity as its heat_all. " + _PER_ATOM,
    ),
    _matbench(
        "phonons",
        "highest peak of the phonon density of states",
        {"last phdos peak": Target("last_phonon_dos_peak", "1/cm")},
        1_265,
        "4db551f21ec5f577e6202725f10e34dfc509aa7df3a6bdaac497da7f6dbbb9b3",
        source="G. Petretto et al., Sci. Data 5, 180065 (2018), doi:10.1038/sdata.2018.65",
        licence=_UNSTATED,
    ),
    PublicSet(
        "materials_project",
        "Materials Project, by query",
        "Any crystals of the Materials Project with the properties you name, over the network. "
        "Needs the extra mp-api and an API key, free of charge for registered users.",
        (),
        {},
        None,
        "CC-BY-4.0",
        _MATERIALS_PROJECT,
        "https://next-gen.materialsproject.org/api",
        "The database grows and is recomputed: note the date, the file cannot be had again.",
    ),
)

PUBLIC_SETS = {one.name: one for one in _SETS}
"""Every public data set that can be fetched, by name."""

COMPOSITION_TASKS = (
    "matbench_expt_gap",
    "matbench_expt_is_metal",
    "matbench_glass",
    "matbench_steels",
)
"""Matbench's other four tasks, which have no structures."""


def find_public_set(name: str) -> PublicSet:
    """Return the public set of this name; matbench tasks without structures are refused."""
    if name in COMPOSITION_TASKS:
        raise BadDataset(
            f"{name} has compositions and no structures, so there is no crystal graph to learn "
            "from. Take one of matbench's tasks with structures: "
            f"{', '.join(one for one in PUBLIC_SETS if one.startswith('matbench_'))}."
        )
    if name not in PUBLIC_SETS:
        raise UnknownName("public data set", name, PUBLIC_SETS)
    return PUBLIC_SETS[name]
