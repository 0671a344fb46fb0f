"""Ray: two workers on this machine give what one process gives, also when one of them is killed.

Run by `make test-scale`, in an environment with the extra `scale`; skipped without it.
"""

import os
import signal
from pathlib import Path

import pandas as pd
import pytest

from tests.screening.conftest import assert_same
from tests.screening.deadly import Deadly, Slow
from xtalgraph import Dataset
from xtalgraph.data import write_parquet
from xtalgraph.errors import BadConfig, LostWorkers, UnknownName
from xtalgraph.screening import (
    PerovskiteSpace,
    ScreenProgress,
    ScreenSpec,
    list_anions,
    read_candidates,
    screen,
)
from xtalgraph.screening.ray_engine import screen_with_ray

ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.full, pytest.mark.filterwarnings("ignore")]  # warnings of Ray's own
SPACE = PerovskiteSpace(anions=list_anions(["O", "N", "F"]))  # ten threes: four chunks


@pytest.fixture(scope="module", autouse=True)
def cluster():
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def find_workers(work: bytes = b"RayWorker") -> list[int]:
    """Give the processes of this cluster that do some work."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                name = (entry / "cmdline").read_bytes()
            except OSError:  # it has ended
                continue
            if name.startswith(b"ray::") and work in name:
                found.append(int(entry.name))
    return found


def test_two_workers_one_of_which_is_killed_give_what_one_process_gives(
    model: str, tmp_path: Path
) -> None:
    spec = ScreenSpec((model,), where="energy < -3.2")
    killed: list[int] = []

    def kill_one(progress: ScreenProgress) -> None:
        if not killed:
            killed.extend(find_workers())
            os.kill(killed[0], signal.SIGKILL)

    lossy, whole = tmp_path / "ray", tmp_path / "local"
    screen(SPACE, spec, out=lossy, engine="ray", n_workers=2, on_progress=kill_one)
    screen(SPACE, spec, out=whole, n_workers=1)
    assert len(killed) == 2
    assert_same(lossy, whole)


def test_a_screen_begun_here_goes_on_there(model: str, tmp_path: Path) -> None:
    spec = ScreenSpec((model,), where="energy < -3.2")
    screen(SPACE, spec, out=tmp_path / "both", n_workers=1)
    lost = tmp_path / "both" / "parts" / "00000001.parquet"
    before = lost.read_bytes()
    lost.unlink()
    screen(SPACE, spec, out=tmp_path / "both", engine="ray", n_workers=1)
    assert lost.read_bytes() == before


def test_a_table_is_read_in_the_cluster_by_the_path_that_it_has_here(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crystals = SPACE.make(0, 3000).crystals
    nothing = pd.DataFrame(index=range(len(crystals)))
    write_parquet(Dataset("t", crystals, nothing, {}, "", ""), tmp_path / "table.parquet")
    monkeypatch.chdir(tmp_path)
    source, spec = read_candidates("table.parquet"), ScreenSpec((model,))
    screen(source, spec, out="ray", engine="ray", n_workers=1)
    screen(source, spec, out="local", n_workers=1)
    assert_same(tmp_path / "ray", tmp_path / "local")


def test_a_killed_reader_begins_again(model: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    results = screen_with_ray(ScreenSpec((model,)), Slow(SPACE, log), (), 1, None)
    numbers = [next(results)[0]]
    os.kill(find_workers(b"_read_chunks")[0], signal.SIGKILL)
    numbers += [number for number, _ in results]
    assert sorted(numbers) == [0, 1, 2, 3]
    assert log.read_text().count("0") == 2


def test_chunks_that_kill_every_worker_end_the_screen_with_an_error(model: str) -> None:
    with pytest.raises(LostWorkers, match="died"):
        list(screen_with_ray(ScreenSpec((model,)), Deadly(), (), 1, None))


def test_errors_of_ours_come_out_as_themselves() -> None:
    with pytest.raises(UnknownName, match="no-such-model"):
        list(screen_with_ray(ScreenSpec(("no-such-model",)), SPACE, (), 1, None))


def test_an_address_that_ray_data_cannot_use_is_refused() -> None:
    with pytest.raises(BadConfig, match="on a machine of the cluster"):
        list(screen_with_ray(ScreenSpec(("x",)), SPACE, (), 1, "ray://127.0.0.1:10001"))


def test_an_address_without_a_cluster_is_refused_at_once() -> None:
    ray.shutdown()
    for address in ("127.0.0.1:1", "auto"):
        with pytest.raises(BadConfig, match="Is it running"):
            list(screen_with_ray(ScreenSpec(("x",)), SPACE, (), 1, address))
