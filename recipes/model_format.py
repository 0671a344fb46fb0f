"""Bring saved models of version 0.1 into the format of today, their weights bit for bit.

    python -m recipes.model_format FOLDER [--version 0.1]

Rewrites every `model.json` and `ensemble.json` below a folder that is in a format of 0.1; files of
weights stay as they are, and `reference.safetensors` becomes `domain.safetensors`. An ensemble is
named after its folder. The models that ship with the package were converted so:

    python -m recipes.model_format src/xtalgraph/nn/shipped --version 0.1
"""

import argparse
import json
from pathlib import Path

import safetensors.numpy

from xtalgraph.files import write_json
from xtalgraph.nn.resolve import ENSEMBLE, read_ensemble_description
from xtalgraph.nn.saved import DESCRIPTION, FORMAT, RENAMED_SETTINGS, WEIGHTS, read_description


def is_old(file: Path) -> bool:
    """Tell whether a description is in a format of 0.1."""
    return json.loads(file.read_text(encoding="utf-8"))["format"] != FORMAT


def find_form(file: Path) -> str:
    """Give how weights are stored: int8, float16 or float32 (or what they were trained in)."""
    kinds = {str(value.dtype) for value in safetensors.numpy.load_file(file).values()}
    return next(form for form in ("int8", "float16", "float64", "float32") if form in kinds)


def convert_model(file: Path) -> None:
    """Rewrite a `model.json`."""
    description = read_description(file)
    settings = description["model_config"]
    description |= {
        "model_config": {RENAMED_SETTINGS.get(name, name): settings[name] for name in settings},
        "weights": find_form(file.with_name(WEIGHTS)),
    }
    write_json(file, description)


def convert_ensemble(file: Path, version: str) -> None:
    """Rewrite an `ensemble.json`, whose members are converted before."""
    folder = file.parent
    description = read_ensemble_description(folder)
    description |= {"name": folder.name, "version": version}
    for member in description["members"]:
        model = read_description(folder / member["path"] / DESCRIPTION)
        member["weights_sha256"] = model["weights_sha256"]
    domain = description["blocks"].get("domain")
    if domain is not None:
        (folder / domain["file"]).rename(folder / "domain.safetensors")
        domain["file"] = "domain.safetensors"
    write_json(file, description)


def main() -> None:
    """Convert all models below a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--version", default="", help="release of the ensembles")
    asked = parser.parse_args()
    models = [file for file in sorted(asked.folder.rglob(DESCRIPTION)) if is_old(file)]
    ensembles = [file for file in sorted(asked.folder.rglob(ENSEMBLE)) if is_old(file)]
    for file in models:
        convert_model(file)
    for file in ensembles:
        convert_ensemble(file, asked.version)
    print(f"{len(models)} networks and {len(ensembles)} ensembles converted")


if __name__ == "__main__":
    main()
