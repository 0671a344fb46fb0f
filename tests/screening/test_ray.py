"""Ray: two workers on this machine give what one process gives, also when one of them is killed.

Run by `make test-scale`, in an environment with the extra `scale`; skipped without it.
"""

import os
import signal
from pathlib import Path

import pytest

from tests.screening.conftest import assert_same
from xtalgraph.errors import BadConfig, UnknownName
from xtalgraph.screening import PerovskiteSpace, Question, ScreenProgress, list_anions, screen
from xtalgraph.screening.local_engine import judge_here
from xtalgraph.screening.ray_engine import judge_with_ray

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own
SPACE = PerovskiteSpace(anions=list_anions(["O", "N", "F"]))  # ten threes: four chunks


@pytest.fixture(scope="module", autouse=True)
def cluster():
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def find_workers() -> list[int]:
    """Give the processes of this cluster's workers."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                name = (entry / "cmdline").read_bytes()
            except OSError:  # it has ended
                continue
            if name.startswith(b"ray::RayWorker"):
                found.append(int(entry.name))
    return found


def test_two_workers_one_of_which_is_killed_give_what_one_process_gives(
    model: str, tmp_path: Path
) -> None:
    question = Question((model,), where="energy < -3.2")
    killed: list[int] = []

    def kill_one(progress: ScreenProgress) -> None:
        if not killed:
            killed.extend(find_workers())
            os.kill(killed[0], signal.SIGKILL)

    lossy, whole = tmp_path / "ray", tmp_path / "local"
    screen(SPACE, question, out=lossy, engine="ray", n_workers=2, on_progress=kill_one)
    screen(SPACE, question, out=whole, n_workers=1)
    assert len(killed) == 2
    assert_same(lossy, whole)


def test_a_screen_begun_here_goes_on_there(model: str, tmp_path: Path) -> None:
    question = Question((model,), where="energy < -3.2")
    screen(SPACE, question, out=tmp_path / "both", n_workers=1)
    lost = tmp_path / "both" / "parts" / "00000001.parquet"
    before = lost.read_bytes()
    lost.unlink()
    screen(SPACE, question, out=tmp_path / "both", engine="ray", n_workers=1)
    assert lost.read_bytes() == before


def test_errors_of_ours_come_out_as_themselves(tmp_path: Path) -> None:
    for judge in (judge_here, lambda *asked: judge_with_ray(*asked, 1, None)):
        with pytest.raises(UnknownName, match="no-such-model"):
            list(judge(Question(("no-such-model",)), SPACE.chunks(())))


def test_an_address_without_a_cluster_is_refused_at_once() -> None:
    ray.shutdown()
    for address in ("127.0.0.1:1", "ray://127.0.0.1:1", "auto"):
        with pytest.raises(BadConfig, match="Is it running"):
            list(judge_with_ray(Question(("x",)), SPACE.chunks(()), 1, address))
