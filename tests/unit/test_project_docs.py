"""The reference of tinyml.toml names every key, and no other."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_type_hints

from tinyml.project import Config


def test_every_key_is_documented(repository: Path) -> None:
    text = (repository / "docs" / "project-file.md").read_text()
    documented = {key for row in re.findall(r"^\| (`.*?`) \|", text, re.M) for key in re.findall(r"`([a-z_.]+)`", row)}
    hints = get_type_hints(Config)
    known = {"schema"}
    for section in fields(Config):
        if is_dataclass(hints[section.name]):
            known |= {f"{section.name}.{key.name}" for key in fields(hints[section.name])}
    assert documented == known


def test_every_lowerable_layer_is_documented(repository: Path) -> None:
    from tinyml.models import SUPPORTED

    text = (repository / "docs" / "own-network.md").read_text()
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", text, re.M)
    assert dict(rows[2:]) == dict(SUPPORTED)
