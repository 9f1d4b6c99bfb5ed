"""The engine's figures as text: rounded, marked where a target is missed, and written between markers only."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyml.bench.engine import Row, missed
from tinyml.bench.performance import (
    BEGIN,
    END,
    load_figures,
    page,
    readme_section,
    save_figures,
    spliced,
)
from tinyml.errors import ProjectError

ROW = Row("mlperf_kws", "gcc -Os", True, 20, 4_299_000, 10_049, 9_001, 36_000, 4_400_000)


def test_figures_stand_beside_the_peers() -> None:
    line = next(x for x in readme_section([ROW]).splitlines() if x.startswith("| keyword"))
    assert "9.31 / 8.07 / 5.18 -> **4.30** |" in line
    assert "24.3 / 22.0 -> **10.0** (!) |" in line
    assert "52.7 / 4.50 -> **9.00** (!) |" in line
    assert line.endswith("107 / 29.0 -> **36.0** |")


def test_what_misses_its_target_is_named() -> None:
    assert missed(ROW, "must") == ["ram", "code"]
    assert missed(ROW, "goal") == ["cycles", "ram", "code"]
    assert "| mlperf_kws | gcc -Os | +2.3% | yes; LiteRT, 20 inputs | ram, code | cycles, ram, code |" in page([ROW])


def test_saved_figures_come_back(tmp_path: Path) -> None:
    save_figures([ROW], tmp_path / "figures.json")
    assert load_figures(tmp_path / "figures.json") == [ROW]
    (tmp_path / "figures.json").write_text("[]")
    with pytest.raises(ProjectError, match="holds no figures"):
        load_figures(tmp_path / "figures.json")


def test_only_the_text_between_the_markers_changes() -> None:
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    new = spliced(text, "new\n", "README.md")
    assert new == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert spliced(new, "new\n", "README.md") == new
    with pytest.raises(ProjectError, match="no place"):
        spliced("nothing here", "new", "README.md")
