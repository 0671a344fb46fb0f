"""What was guessed in a crystal reaches the user of the command line, in lines of its own."""

from tests.structures.awkward_cifs import WARNED
from xtalgraph.cli.app import run


def test_guesses_are_lines_of_stderr_and_many_are_cut(tmp_path, capsys):
    for index in range(14):
        (tmp_path / f"salt{index:02}.cif").write_text(WARNED["nothing said of symmetry"][0])
    assert run(["predict", "formation-energy", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    lines = [line for line in shown.err.splitlines() if line.startswith("warning: crystal 'salt")]
    assert len(lines) == 10
    assert lines[0].startswith("warning: crystal 'salt00': read as P1, because the file says noth")
    assert "warning: … and more" in shown.err
    assert "CrystalWarning" not in shown.err
    assert "salt13" in shown.out
