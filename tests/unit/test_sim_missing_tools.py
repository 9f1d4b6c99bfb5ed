"""Without its extra or its native hook the virtual board says what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tinyml.errors import MissingToolError, ProjectError

SCRIPT = """
import sys
sys.modules[{module!r}] = None
import tinyml.sim
try:
    tinyml.sim.simulate
except tinyml.errors.MissingToolError as error:
    print(error.exit_code, error.message, "|", error.hint)
"""


@pytest.mark.parametrize("module", ["unicorn", "capstone"])
def test_a_missing_extra_is_named_with_its_command(module: str) -> None:
    code = SCRIPT.format(module=module)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f'3 the Python package `{module}` is not installed | run `pip install "tinyml[sim]"`\n'


def test_a_hook_that_cannot_be_built_is_no_reason_to_go_on_without(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("unicorn", reason="needs the virtual board (extra `sim`)")
    from tinyml.board import load_board
    from tinyml.sim import VirtualBoard, hook

    def no_compiler(*_: object) -> None:
        raise ProjectError("building the host library sim-hook failed", details=["zig: not today"])

    monkeypatch.setattr(hook, "host_library", no_compiler)
    hook.library.cache_clear()
    try:
        with pytest.raises(MissingToolError, match="native hook") as error:
            VirtualBoard(load_board("nrf52840"))
    finally:
        hook.library.cache_clear()
    assert error.value.exit_code == 3
    assert "zig: not today" in error.value.details and "pip install ziglang" in error.value.hint


def test_a_board_without_a_virtual_twin_is_refused() -> None:
    pytest.importorskip("unicorn", reason="needs the virtual board (extra `sim`)")
    from tinyml.board import load_board
    from tinyml.sim import VirtualBoard

    with pytest.raises(ProjectError, match="no virtual board for `host`"):
        VirtualBoard(load_board("host"))
