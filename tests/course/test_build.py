"""What the source gives: the committed files, no solutions in them, the same at every build."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import build
import latex
import pytest

from tests.course.conftest import COURSE

STUDENT = build.make_texts("student")
SOLUTION = build.make_texts("solution")
MARKS = re.compile(r"(BEGIN|END) SOLUTION|# HINT ")


def solution_lines() -> set[str]:
    """Give every line that only a solution has, from all sources, long enough to mean something."""
    sources = [path for path in sorted((COURSE / "source").rglob("*")) if path.is_file()]
    texts = [path.read_text(encoding="utf-8") for path in sources if path.suffix in (".py", ".md")]
    blocks = [block for text in texts for block in build.solution_blocks(text)]
    return {
        line.strip() for block in blocks for line in block.splitlines() if len(line.split()) > 1
    }


def plain(path: str, text: str) -> str:
    """Give a file as one reads it: a notebook's cells without the quoting of JSON."""
    if not path.endswith(".ipynb"):
        return text
    return "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])


def leaks(files: dict[str, str]) -> list[str]:
    lines = solution_lines()
    return [
        f"{path}: {line}"
        for path, text in files.items()
        for line in lines & {one.strip() for one in plain(path, text).splitlines()}
    ]


def test_what_is_committed_is_what_the_source_gives() -> None:
    different = [
        path
        for path, text in STUDENT.items()
        if not (COURSE / path).is_file() or (COURSE / path).read_text(encoding="utf-8") != text
    ]
    assert not different, f"run `make course` and commit {different}"
    folders = {path.partition("/")[0] for path in STUDENT}
    found = {f"{folder}/{path.name}" for folder in folders for path in (COURSE / folder).iterdir()}
    assert {path for path in found if "__pycache__" not in path} == set(STUDENT)


def test_nothing_of_a_solution_is_in_what_students_get() -> None:
    assert len(solution_lines()) > 30
    assert not leaks(STUDENT)
    assert not any(MARKS.search(text) for text in {**STUDENT, **SOLUTION}.values())


def test_a_leak_would_be_found() -> None:
    module = SOLUTION["solution/model_hw.py"]
    assert len(leaks({"student/model_hw.py": module})) > 20
    line = "        return atoms + self.normalise(received)\n"
    assert leaks({"student/harness.py": f"def forward():\n{line}"})
    assert leaks({"a.ipynb": SOLUTION["solution/crystal_graphs.ipynb"]})


def test_gaps_say_how_long_ours_is() -> None:
    source = "def f():\n    # HINT look\n    # BEGIN SOLUTION\n    a = 1\n    return a\n"
    source += "    # END SOLUTION\n"
    assert build.for_student(source) == (
        "def f():\n    # Hint: look\n    # YOUR CODE HERE (ours has 2 lines)\n"
        "    raise NotImplementedError\n"
    )
    assert build.for_solution(source) == "def f():\n    a = 1\n    return a\n"


def test_the_notebook_imports_the_students_module_and_has_no_outputs() -> None:
    notebook = json.loads(STUDENT["student/crystal_graphs.ipynb"])
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    imported = {}
    for number, cell in enumerate(code):
        for node in ast.walk(ast.parse("".join(cell["source"]))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            imported |= {name: number for name in names if name not in imported}
    assert imported["model_hw"] == 0
    assert "hidden_checks" not in imported
    assert not any("solution" in name for name in imported)
    assert {name: at for name, at in imported.items() if at > 0} == {}


def test_questions_stand_in_the_notebook_and_have_answers() -> None:
    written = (COURSE / "source" / "written.md").read_text(encoding="utf-8")
    questions = build.read_questions(written)
    text = plain("a.ipynb", STUDENT["student/crystal_graphs.ipynb"])
    for number, question in questions.items():
        assert question.splitlines()[0] in text, number
        assert question.splitlines()[-1] in text, number
    assert "{{" not in text
    points = [int(n) for n in re.findall(r"^## W\d+\..*\((\d+) points\)$", written, re.MULTILINE)]
    assert len(points) == len(questions) == len(build.solution_blocks(written))
    assert sum(points) == 34
    assert all(len(answer.split()) > 30 for answer in build.solution_blocks(written))


def test_the_written_part_has_room_for_each_answer() -> None:
    tex, md = STUDENT["written/questions.tex"], STUDENT["written/questions.md"]
    assert tex.count(latex.ROOM) == md.count("*Your answer:*") == 10
    assert tex.count(r"\subsection*") == 10
    for name in ("begin", "end"):
        assert tex.count(rf"\{name}{{document}}") == 1
    for text in (tex, SOLUTION["solution/answers.tex"]):
        assert not re.findall(r"(?<!\\)[%#&]", text)
        assert not [sign for sign in text if ord(sign) > 255]  # what LaTeX would stumble over


def test_latex_of_all_marks() -> None:
    text = "## A & B\nsome *words*, `a_b`, **50 %** and $a_i$\n\n- one\n- two, 3 Å\n"
    assert latex.to_latex(text).removeprefix(latex.PREAMBLE) == (
        "\\subsection*{A \\& B}\n"
        "some \\emph{words}, \\texttt{a\\_b}, \\textbf{50 \\%} and $a_i$\n\n"
        "\\begin{itemize}\n\\item one\n\\item two, 3 \\AA{}\n\\end{itemize}\n\\end{document}\n"
    )


def test_a_build_leaves_nothing_of_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "student").mkdir()
    (tmp_path / "student" / "old.py").write_text("x")
    build.write({**STUDENT, **SOLUTION, **build.make_autograder()}, tmp_path)
    assert not (tmp_path / "student" / "old.py").exists()
    assert len(list((tmp_path / "autograder" / "tests").glob("*.py"))) == 9
    assert not list((tmp_path / "student").glob("hidden*"))


def test_the_source_of_the_notebook_is_in_parts_of_bearable_length() -> None:
    files = [*COURSE.glob("*.py"), *(COURSE / "source").rglob("*.py")]
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert len(files) > 10
    assert not {name: length for name, length in lengths.items() if length > 500}


@pytest.mark.parametrize("audience", ["student", "solution"])
def test_the_first_cell_names_where_the_package_comes_from(audience: str) -> None:
    path = f"{audience}/crystal_graphs.ipynb"
    text = plain(path, build.make_texts(audience)[path])
    assert 'INSTALL_FROM = "xtalgraph"' in text
