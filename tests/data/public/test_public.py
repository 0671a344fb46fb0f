"""The list of public sets: complete, with published checksums, and honest where there are none."""

import re

import pytest

from xtalgraph.data import PUBLIC_SETS, PublicSet, find_public_set
from xtalgraph.data.public.sets import COMPOSITION_TASKS
from xtalgraph.errors import BadDataset, UnknownName

# The leaderboard's tasks; the four others have compositions only.
TASKS = [
    "dielectric",
    "jdft2d",
    "log_gvrh",
    "log_kvrh",
    "mp_e_form",
    "mp_gap",
    "mp_is_metal",
    "perovskites",
    "phonons",
]


def test_the_sets_of_the_field_are_there() -> None:
    expected = {"perov_5", "mp_20", "materials_project", *(f"matbench_{task}" for task in TASKS)}
    assert set(PUBLIC_SETS) == expected
    assert len(COMPOSITION_TASKS) + len(TASKS) == 13


@pytest.mark.parametrize("public", PUBLIC_SETS.values(), ids=list(PUBLIC_SETS))
def test_each_says_what_it_is(public: PublicSet) -> None:
    for text in (public.title, public.description, public.licence, public.citation):
        assert len(text) > 2
    assert public.homepage.startswith("https://")
    assert re.search(r"doi:10\.\d{4}", public.citation)
    for file in public.files:
        assert file.url.startswith("https://")
        assert file.url.endswith(file.name)
        assert file.checksum.split()[-1] in (file.sha256, file.git_blob)
        assert re.fullmatch("[0-9a-f]{64}", file.sha256) or re.fullmatch(
            "[0-9a-f]{40}", file.git_blob
        )
    names = [target.name for target in public.columns.values()]
    assert len(set(names)) == len(names)
    assert (public.n_rows is None) == (public.files == ())


def test_no_checksum_stands_twice() -> None:
    files = [file for public in PUBLIC_SETS.values() for file in public.files]
    assert len(files) == 15
    assert len({file.sha256 or file.git_blob for file in files}) == len(files)


def test_a_git_address_names_the_commit_whose_objects_are_listed() -> None:
    for name in ("perov_5", "mp_20"):
        parts = [file.part for file in PUBLIC_SETS[name].files]
        assert parts == ["train", "validation", "test"]
        for file in PUBLIC_SETS[name].files:
            assert re.search(r"/cdvae/[0-9a-f]{40}/data/", file.url)


def test_a_wrong_name_gets_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"unknown public data set 'mp20'.*'mp_20'"):
        find_public_set("mp20")
    assert find_public_set("mp_20").n_rows == 45_231


@pytest.mark.parametrize("name", COMPOSITION_TASKS)
def test_tasks_without_structures_are_refused_as_such(name: str) -> None:
    with pytest.raises(BadDataset, match=r"compositions and no structures.*matbench_dielectric"):
        find_public_set(name)
