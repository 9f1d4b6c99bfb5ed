"""Where the templates, the boards and the C sources lie, in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

PACKAGE_DIR = Path(__file__).resolve().parent


def _resource_dir(name: str) -> Path:
    installed = PACKAGE_DIR / f"_{name}"
    return installed if installed.is_dir() else PACKAGE_DIR.parents[1] / name


def apps_dir() -> Path:
    """Folder of application templates (`apps/` of the checkout)."""
    return _resource_dir("apps")


def board_support_dir() -> Path:
    """Folder of boards, SoCs and drivers (`board_support/` of the checkout)."""
    return _resource_dir("board_support")
