"""`python -m tinyml.bench`: measure the engine beside its peers and write the figures into a checkout."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tinyml.bench.engine import Row, measure_networks
from tinyml.bench.performance import page, readme_section, save_figures, spliced
from tinyml.board import load_board
from tinyml.errors import TinymlError
from tinyml.storage import write_text

FIGURES = "tests/firmware/engine_figures.json"


def main() -> int:
    """Exit status 0 when all is written or there is nothing to measure, 1 for a wrong output, else the error's."""
    parser = argparse.ArgumentParser(prog="python -m tinyml.bench", description=__doc__)
    parser.add_argument("--models", type=Path, default=Path("../shared/models"), help="folder of the .tflite files")
    parser.add_argument("--checkout", type=Path, default=Path(), help="where README.md and docs/ lie")
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            rows = list(measure_networks(options.models, load_board("nrf52840"), Path(scratch), _progress))
        if not rows:
            _say(f"nothing to measure: {options.models} holds none of the networks")
            return 0
        _write(rows, options.checkout)
    except TinymlError as error:
        _say("\n".join([f"error: {error.message}", *(f"  {d}" for d in error.details), error.hint or ""]).rstrip())
        return error.exit_code
    sys.stdout.write(readme_section(rows))
    return 0 if all(row.exact for row in rows) else 1


def _write(rows: list[Row], checkout: Path) -> None:
    readme = checkout / "README.md"
    write_text(readme, spliced(readme.read_text(encoding="utf-8"), readme_section(rows), "README.md"))
    write_text(checkout / "docs" / "performance.md", page(rows))
    save_figures(rows, checkout / FIGURES)


def _progress(what: str, done: int, total: int) -> None:
    _say(f"{what}: {done} of {total}")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
