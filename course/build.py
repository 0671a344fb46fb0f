"""Build the homework from its one source.

    python course/build.py            # student/ and written/, which are committed, and solution/
    python course/build.py --package  # also the archives to hand out and to upload (needs otter)

What is in `source/` is marked like this, in Python and (in HTML comments) in Markdown:

    # HINT words                             for the student alone
    # BEGIN SOLUTION … # END SOLUTION        never for the student, who finds a gap there
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import jupytext
from latex import to_latex

HERE = Path(__file__).resolve().parent
SOURCE = HERE / "source"
GIVEN = ("harness.py", "pictures.py", "checks.py", "ionic.jsonl")  # what a student gets as it is
NOTEBOOK, MODULE = "crystal_graphs.ipynb", "model_hw.py"
WRITTEN = {"student": "questions", "solution": "answers"}

BEGIN, END = r"[ \t]*(?:#|<!--) BEGIN SOLUTION.*\n", r"[ \t]*(?:#|<!--) END SOLUTION.*(?:\n|\Z)"
BLOCK = re.compile(rf"(?P<begin>{BEGIN})(?P<body>(?:.*\n)*?)(?:{END})")
HINT = re.compile(r"^[ \t]*# HINT .*\n", re.MULTILINE)


def solution_blocks(text: str) -> list[str]:
    """Give what stands between the marks of a source text."""
    return [match["body"] for match in BLOCK.finditer(text)]


def for_solution(text: str) -> str:
    """Give the text with its solutions, without marks and hints."""
    return HINT.sub("", BLOCK.sub(lambda match: match["body"], text))


def for_student(text: str, *, gap: str = "raise NotImplementedError") -> str:
    """Give the text with a gap for each solution; `gap` is what stands there as code."""

    def leave_gap(match: re.Match[str]) -> str:
        begin = match["begin"]
        if "<!--" in begin:
            return "*Your answer:*\n"
        indent = begin[: len(begin) - len(begin.lstrip())]
        n_lines = len([line for line in match["body"].splitlines() if line.strip()])
        lines = "line" if n_lines == 1 else "lines"
        return f"{indent}# YOUR CODE HERE (ours has {n_lines} {lines})\n{indent}{gap}\n"

    return BLOCK.sub(leave_gap, text).replace("# HINT ", "# Hint: ")


def read_questions(text: str) -> dict[str, str]:
    """Give the written questions by number (`W1`), each with its heading, without answers."""
    parts = re.split(r"^## ", BLOCK.sub("", text), flags=re.MULTILINE)[1:]
    return {part.partition(".")[0]: f"**Question {part.strip()}" for part in parts}


def put_questions(text: str, questions: dict[str, str]) -> str:
    """Fill in the questions where the notebook's source names them, as `{{W1}}`."""

    def fill(match: re.Match[str]) -> str:
        heading, _, body = questions[match[1]].partition("\n")
        lines = f"{heading}**\n{body}".splitlines()
        return "\n".join(f"# > {line}".rstrip() for line in lines)

    return re.sub(r"^# \{\{(W\d+)\}\}$", fill, text, flags=re.MULTILINE)


def make_notebook(text: str) -> str:
    """Give the notebook of a percent text: without outputs, the same at every build."""
    notebook = jupytext.reads(text, fmt="py:percent")
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:03d}"
        cell["metadata"] = {}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return jupytext.writes(notebook, fmt="ipynb")


def make_texts(audience: str) -> dict[str, str]:
    """Give every file for the `student` or the `solution`, by its path under `course/`."""
    settings = tomllib.loads((HERE / "course.toml").read_text(encoding="utf-8"))
    parts = sorted((SOURCE / "notebook").glob("*.py"))
    notebook = "\n".join(part.read_text(encoding="utf-8") for part in parts)
    notebook = notebook.replace("INSTALL_FROM_OF_COURSE_TOML", settings["install_from"])
    module = (SOURCE / MODULE).read_text(encoding="utf-8")
    written = (SOURCE / "written.md").read_text(encoding="utf-8")
    notebook = put_questions(notebook, read_questions(written))
    if audience == "student":
        notebook, module, written = for_student(notebook), for_student(module), for_student(written)
    else:
        notebook, module, written = map(for_solution, (notebook, module, written))
    files = {f"{audience}/{name}": (SOURCE / name).read_text(encoding="utf-8") for name in GIVEN}
    files[f"{audience}/{NOTEBOOK}"] = make_notebook(notebook)
    files[f"{audience}/{MODULE}"] = module
    folder = "written" if audience == "student" else audience
    files[f"{folder}/{WRITTEN[audience]}.md"] = written
    files[f"{folder}/{WRITTEN[audience]}.tex"] = to_latex(written)
    return files


def make_autograder() -> dict[str, str]:
    """Give the files of the autograder: a test file a question, the checks, what it installs."""
    sys.path.insert(0, str(SOURCE))
    from hidden_checks import HIDDEN, all_checks

    files = {
        f"autograder/grader/{name}": (SOURCE / name).read_text(encoding="utf-8")
        for name in ("checks.py", "hidden_checks.py")
    }
    cases: dict[str, list[str]] = {}
    for number, check in enumerate(all_checks()):
        hidden = any(check is one for one in HIDDEN)
        cases.setdefault(check.question, []).append(
            f"@test_case(name={check.title!r}, points={check.points}, hidden={hidden})\n"
            f"def test_{number}(env):\n"
            f"    problem = hidden_checks.mark(hidden_checks.all_checks()[{number}], env)\n"
            f"    assert problem is None, problem\n"
        )
    head = (
        "import sys\n\nfrom otter.test_files import test_case\n\n"
        'sys.path.insert(0, "grader")\nimport hidden_checks\n\n'
        "OK_FORMAT = False\nname = {question!r}\npoints = None\n\n\n"
    )
    for question, texts in cases.items():
        text = head.format(question=question) + "\n\n".join(texts)
        files[f"autograder/tests/{question}.py"] = text
    files["autograder/requirements.txt"] = "torch>=2.6,<3\n"
    config = {"lang": "python", "show_stdout": False, "show_hidden": False}
    files["autograder/otter_config.json"] = json.dumps(config, indent=2) + "\n"
    return files


def write(files: dict[str, str], out: Path) -> None:
    """Write files by their paths, in folders that hold nothing else afterwards."""
    for folder in dict.fromkeys(path.partition("/")[0] for path in files):
        shutil.rmtree(out / folder, ignore_errors=True)
    for path, text in files.items():
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_text(text, encoding="utf-8")


def package(out: Path) -> None:
    """Make `student.zip`, with a wheel of xtalgraph in it, and `autograder.zip` for Gradescope."""
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
    subprocess.run([*build, str(out / "wheel"), str(HERE.parent)], check=True)
    with zipfile.ZipFile(out / "student.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for folder, names in (("student", "*.*"), ("written", "*"), ("wheel", "*.whl")):
            for path in sorted((out / folder).glob(names)):
                archive.write(path, path.name)
    shutil.rmtree(out / "wheel")
    otter = str(Path(sys.executable).with_name("otter"))
    command = [otter, "generate", "-t", "tests", "-o", "../autograder.zip", "grader"]
    subprocess.run(command, cwd=out / "autograder", check=True)


def main() -> None:
    """Build everything under `--out`."""
    parser = argparse.ArgumentParser(description="Build the homework from course/source.")
    parser.add_argument("--out", type=Path, default=HERE, help="where to (default: course/)")
    parser.add_argument("--package", action="store_true", help="also the two archives")
    arguments = parser.parse_args()
    write({**make_texts("student"), **make_texts("solution"), **make_autograder()}, arguments.out)
    if arguments.package:
        package(arguments.out)


if __name__ == "__main__":
    main()
