"""One file over HTTP: whole, broken and continued, wrong, missing; each error once."""

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data.loopback import Publisher, serve
from xtalgraph.data.public.fetch import checksums, download, verify
from xtalgraph.data.public.sets import PublicFile
from xtalgraph.errors import BadDataset

CONTENT = bytes(range(256)) * 4000  # about a megabyte: several chunks
HALF = len(CONTENT) // 2


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve(Publisher({"/a.bin": CONTENT, "/empty": b""})) as server:
        yield server


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_whole_with_progress(publisher: Publisher, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    path = tmp_path / "new" / "a.bin"
    download(publisher.url("/a.bin"), path, progress=lambda *step: seen.append(step))
    assert path.read_bytes() == CONTENT
    assert leftovers(path.parent) == ["a.bin"]
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert len(seen) > 3
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_cut_connection_is_continued(publisher: Publisher, tmp_path: Path) -> None:
    publisher.cuts["/a.bin"] = [HALF, 1000]
    download(publisher.url("/a.bin"), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert [wanted for _, wanted in publisher.requests] == [
        "",
        f"bytes={HALF}-",
        f"bytes={HALF + 1000}-",
    ]
    assert leftovers(tmp_path) == ["a.bin"]


def test_a_broken_download_goes_on_in_the_next_call(publisher: Publisher, tmp_path: Path) -> None:
    publisher.cuts["/a.bin"] = [HALF, 0]
    with pytest.raises(BadDataset, match=r"was lost after 512,000 bytes, which are kept.*resume"):
        download(publisher.url("/a.bin"), tmp_path / "a.bin")
    assert not (tmp_path / "a.bin").exists()
    publisher.requests.clear()
    seen: list[tuple[int, int | None]] = []
    download(publisher.url("/a.bin"), tmp_path / "a.bin", progress=lambda *step: seen.append(step))
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert publisher.requests == [("/a.bin", f"bytes={HALF}-")]
    assert seen[0] == (HALF, len(CONTENT))


def test_a_server_that_cannot_continue_begins_anew(publisher: Publisher, tmp_path: Path) -> None:
    publisher.ranges = False
    publisher.cuts["/a.bin"] = [HALF]
    download(publisher.url("/a.bin"), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert len(publisher.requests) == 2


def test_a_server_that_always_breaks_is_given_up(publisher: Publisher, tmp_path: Path) -> None:
    publisher.ranges = False
    publisher.cuts["/a.bin"] = [HALF] * 50
    with pytest.raises(BadDataset, match="was lost after 512,000 bytes"):
        download(publisher.url("/a.bin"), tmp_path / "a.bin")
    publisher.ranges = True
    publisher.cuts["/a.bin"] = [1000] * 50
    publisher.requests.clear()
    with pytest.raises(BadDataset, match="was lost after"):
        download(publisher.url("/a.bin"), tmp_path / "a.bin")
    assert len(publisher.requests) == 20


def test_a_file_that_has_changed_is_not_pieced_together(
    publisher: Publisher, tmp_path: Path
) -> None:
    publisher.cuts["/a.bin"] = [HALF, 0]
    with pytest.raises(BadDataset):
        download(publisher.url("/a.bin"), tmp_path / "a.bin")
    publisher.files["/a.bin"] = CONTENT[::-1]
    download(publisher.url("/a.bin"), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT[::-1]


def test_without_a_tag_nothing_is_pieced_together(publisher: Publisher, tmp_path: Path) -> None:
    publisher.validators = False
    publisher.cuts["/a.bin"] = [HALF]
    download(publisher.url("/a.bin"), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert [wanted for _, wanted in publisher.requests] == ["", ""]


def test_a_part_that_was_not_asked_for_is_thrown_away(publisher: Publisher, tmp_path: Path) -> None:
    publisher.lie = True
    publisher.cuts["/a.bin"] = [HALF]
    download(publisher.url("/a.bin"), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_thrown_away(publisher: Publisher, tmp_path: Path) -> None:
    publisher.cuts["/a.bin"] = [HALF, 0]
    with pytest.raises(BadDataset):
        download(publisher.url("/a.bin"), tmp_path / "a.bin")
    with open(tmp_path / "a.bin.part", "ab") as file:
        file.write(CONTENT)
    download(publisher.url("/a.bin"), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert [wanted for _, wanted in publisher.requests][-1] == ""


def test_a_length_is_not_needed(publisher: Publisher, tmp_path: Path) -> None:
    publisher.lengths = False
    seen: list[tuple[int, int | None]] = []
    download(publisher.url("/a.bin"), tmp_path / "a.bin", progress=lambda *step: seen.append(step))
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), None)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, r"nothing is published there \(HTTP 404\); the address may have moved"),
        (403, r"the server refuses \(HTTP 403\)"),
        (500, r"cannot answer now \(HTTP 500\). Try again later"),
        (418, r"the server answered HTTP 418"),
    ],
)
def test_errors_of_the_server(
    publisher: Publisher, tmp_path: Path, status: int, message: str
) -> None:
    publisher.status["/a.bin"] = [status]
    with pytest.raises(BadDataset, match=message) as caught:
        download(publisher.url("/a.bin"), tmp_path / "a.bin")
    assert f"put it at {tmp_path / 'a.bin'}, and run the same again" in str(caught.value)
    assert leftovers(tmp_path) == []


def test_an_empty_file_is_refused(publisher: Publisher, tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match="sent an empty file"):
        download(publisher.url("/empty"), tmp_path / "empty")
    assert not (tmp_path / "empty").exists()


def test_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as taken:  # a port that nothing listens on
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/a.bin"
        with pytest.raises(BadDataset, match=r"cannot be reached \(.*refused.*put it at"):
            download(url, tmp_path / "a.bin")


def test_a_server_that_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a.bin"
        with pytest.raises(BadDataset, match="was lost after 0 bytes"):
            download(url, tmp_path / "a.bin", timeout=0.05)


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://localhost/a", "a.bin"])
def test_only_http(url: str, tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match="only http and https"):
        download(url, tmp_path / "a.bin")


def test_a_redirect_is_followed_but_not_to_a_local_file(
    publisher: Publisher, tmp_path: Path
) -> None:
    publisher.redirects["/moved"] = publisher.url("/a.bin")
    download(publisher.url("/moved"), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    publisher.redirects["/trap"] = "file:///etc/hostname"
    with pytest.raises(BadDataset, match="HTTP 302"):
        download(publisher.url("/trap"), tmp_path / "b.bin")


def test_checksums_are_those_of_the_tools(tmp_path: Path) -> None:
    path = tmp_path / "hello"
    path.write_bytes(b"hello\n")
    sha256, git_blob = checksums(path)
    assert sha256 == hashlib.sha256(b"hello\n").hexdigest()
    assert git_blob == "ce013625030ba8dba906f756967f9e9ca394464a"  # git hash-object


def test_the_published_file_passes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"hello\n")
    sha256, git_blob = checksums(path)
    for sums in ({"sha256": sha256}, {"git_blob": git_blob}, {}):
        assert verify(path, PublicFile("a", "http://x/a", **sums)) == sha256
    assert verify(path, PublicFile("a", "http://x/a"), sha256) == sha256
    assert path.exists()


@pytest.mark.parametrize(
    ("sums", "first", "message"),
    [
        ({"sha256": "0" * 64}, "", "SHA-256 is [0-9a-f]{64}, published is 0000"),
        ({"git_blob": "0" * 40}, "", "git's checksum is ce0136.*, published is 0000"),
        ({}, "1" * 64, "but was 1111.* when it was first fetched"),
    ],
)
def test_a_wrong_file_is_set_aside(
    tmp_path: Path, sums: dict[str, str], first: str, message: str
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"hello\n")
    with pytest.raises(BadDataset, match=message + r".*set aside as a.wrong.*Fetch again"):
        verify(path, PublicFile("a", "http://x/a", **sums), first)
    assert not path.exists()
    assert (tmp_path / "a.wrong").read_bytes() == b"hello\n"
