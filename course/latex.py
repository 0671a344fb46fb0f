"""The written part as LaTeX: from the few marks of Markdown that it uses."""

from __future__ import annotations

import re

PREAMBLE = r"""\documentclass[11pt,a4paper]{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage[margin=25mm]{geometry}
\usepackage{amsmath,amssymb}
\setlength{\parindent}{0pt}
\setlength{\parskip}{6pt}
\begin{document}
"""
ROOM = "\\vspace*{55mm}"  # for an answer by hand; kept also where a page ends
SPECIAL = {"&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_", "~": r"\textasciitilde{}"}
SIGNS = {
    "Å": r"\AA{}",
    "→": r"$\to$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "−": r"$-$",
    "√": r"$\surd$",
    "°": r"$^\circ$",
    "≈": r"$\approx$",
    "₂": "$_2$",
    "₃": "$_3$",
    "₄": "$_4$",
    "₈": "$_8$",
    "σ": r"$\sigma$",
    "⊕": r"$\oplus$",
    "⊙": r"$\odot$",
    "Σ": r"$\Sigma$",
}
PIECES = re.compile(r"(\$[^$]+\$|`[^`]+`|\*\*[^*]+\*\*|\*[^*]+\*)")


def to_latex(markdown: str) -> str:
    """Give a LaTeX document of headings, paragraphs, lists, emphasis, code and formulas."""
    blocks = [block for block in re.split(r"\n\s*\n", markdown.strip()) if block.strip()]
    return PREAMBLE + "\n\n".join(_block(block) for block in blocks) + "\n\\end{document}\n"


def _block(block: str) -> str:
    if block.startswith("# "):
        return rf"\section*{{{_line(block[2:])}}}"
    if block.startswith("## "):
        heading, _, rest = block[3:].partition("\n")
        return rf"\subsection*{{{_line(heading)}}}" + ("\n" + _block(rest) if rest.strip() else "")
    if block.startswith("- "):
        items = re.split(r"^- ", block, flags=re.MULTILINE)[1:]
        lines = "\n".join(rf"\item {_line(' '.join(item.split()))}" for item in items)
        return f"\\begin{{itemize}}\n{lines}\n\\end{{itemize}}"
    text = _line(block)
    return f"{text}\n\n{ROOM}" if block.startswith("*Your answer:*") else text


def _line(text: str) -> str:
    return "".join(_piece(piece) for piece in PIECES.split(text))


def _piece(piece: str) -> str:
    if len(piece) > 2 and piece.startswith("$"):
        return piece
    if piece.startswith("`"):
        return rf"\texttt{{{_escape(piece[1:-1])}}}"
    if piece.startswith("**") and len(piece) > 4:
        return rf"\textbf{{{_line(piece[2:-2])}}}"
    if piece.startswith("*") and len(piece) > 2:
        return rf"\emph{{{_line(piece[1:-1])}}}"
    return _escape(piece)


def _escape(text: str) -> str:
    table = str.maketrans(SPECIAL | SIGNS)
    return text.translate(table)
