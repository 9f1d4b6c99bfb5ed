"""Application templates: copying one into a new project folder."""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Sequence
from pathlib import Path

import tomlkit

from tinyml.board import load_board
from tinyml.errors import ProjectError
from tinyml.project import CONFIG_FILE, load_config
from tinyml.resources import apps_dir
from tinyml.storage import write_text, writing_folder

_NOT_COPIED = shutil.ignore_patterns("test_*.py", "__pycache__", "build", "runs")


def templates() -> list[str]:
    """Names of the templates that ship with tinyml."""
    return sorted(p.parent.name for p in apps_dir().glob(f"*/{CONFIG_FILE}"))


def create(template: str, folder: Path, *, board: str, words: Sequence[str] | None = None) -> Path:
    """Copy `template` to `folder` for `board`. The folder appears whole or not at all.

    Raises: ProjectError for an unknown template or board, a board without firmware, or a folder that is not empty.
    """
    known = templates()
    if template not in known:
        near = difflib.get_close_matches(template, known, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"templates: {', '.join(known)}"
        raise ProjectError(f"there is no template `{template}`", hint=hint)
    load_board(board).require_firmware()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ProjectError(f"`{folder}` exists and is not empty; nothing was written",
                           hint=f"name another folder: `tinyml new {template} --board {board} DIR`")  # fmt: skip
    with writing_folder(folder, marker=CONFIG_FILE) as partial:
        shutil.copytree(apps_dir() / template, partial, ignore=_NOT_COPIED, dirs_exist_ok=True)
        _set_choices(partial / CONFIG_FILE, board, words)
        (partial / ".gitignore").write_text("build/\nruns/\n")
        load_config(partial)
    return folder


def _set_choices(config: Path, board: str, words: Sequence[str] | None) -> None:
    """Edit the copied file in place, comments kept."""
    document = tomlkit.parse(config.read_text(encoding="utf-8"))
    document["board"]["name"] = board
    if words:
        document["data"]["words"] = list(words)
    config.write_text(tomlkit.dumps(document), encoding="utf-8")


def add_source(folder: Path, name: str) -> None:
    """Append a data source to `[data] sources` of the project in `folder`, unless it is there already."""
    path = folder / CONFIG_FILE
    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    sources = document["data"].setdefault("sources", ["synth"])
    if name not in sources:
        sources.append(name)
        write_text(path, tomlkit.dumps(document))
