"""A module imports only what stands below it, torch lives in four packages, and only the CLI prints."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "sdk" / "tinyml"

# Bottom up; packages of one tuple may not import each other unless listed in BESIDE.
LAYERS: list[tuple[str, ...]] = [
    ("errors",), ("resources", "storage", "toml_file", "quantities"), ("board", "toolchain"), ("ir",), ("features",),
    ("ops",), ("importers", "compiler"), ("architecture",), ("data",), ("models",), ("train",), ("quant",), ("nas",),
    ("runtime",),
    ("exporters", "firmware"), ("sim",), ("deploy",), ("bench",), ("evaluate",), ("report",), ("artifacts",),
    ("project", "searched"), ("application", "limits", "quantized", "template", "stage_keys"),
    ("record", "device_path", "budgets"), ("search_stage",), ("pipeline",), ("search_finish",), ("cli",),
]  # fmt: skip
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
BESIDE = {("toolchain", "board"), ("importers", "compiler")}
TORCH = {"models", "train", "quant", "nas"}
TORCHAUDIO = TORCH | {"data"}


def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if p.name != "__init__.py" or p.parent != PACKAGE)


def unit_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_downwards(path: Path) -> None:
    unit = unit_of(path)
    assert unit in RANK, f"`{unit}` has no place in the layering"
    for name in imports_of(path):
        parts = name.split(".")
        if parts[0] == "tinyml" and len(parts) > 1 and parts[1] in RANK and parts[1] != unit:
            allowed = RANK[parts[1]] < RANK[unit] or (unit, parts[1]) in BESIDE
            assert allowed, f"{unit} imports {name}, which stands above or beside it"
        if parts[0] == "torch":
            assert unit in TORCH, f"{unit} imports torch"
        if parts[0] == "torchaudio":
            assert unit in TORCHAUDIO, f"{unit} imports torchaudio"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_the_cli_and_the_report_print(path: Path) -> None:
    calls = [n for n in ast.walk(ast.parse(path.read_text()))
             if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "print"]  # fmt: skip
    assert not calls or unit_of(path) in ("cli", "report")


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_stay_readable(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
