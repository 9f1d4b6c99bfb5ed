"""Every wrong board file gets one message that names the file, the key and what to do."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tinyml.board import load_board
from tinyml.errors import ProjectError
from tinyml.resources import board_support_dir

BOARD, SOC, ARCH = "boards/nrf52840/board.toml", "soc/nrf52840/soc.toml", "arch/armv7em/arch.toml"


@pytest.fixture
def support(tmp_path: Path) -> Path:
    """A copy of the board support that a test may spoil."""
    shutil.copytree(board_support_dir(), tmp_path / "support")
    return tmp_path / "support"


def test_unknown_board_names_the_nearest() -> None:
    with pytest.raises(ProjectError, match="no board `nrf52480`") as caught:
        load_board("nrf52480")
    assert caught.value.hint == "did you mean `nrf52840`?" and caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("file", "old", "new", "message", "hint"),
    [
        (BOARD, "status =", "state =", "unknown key `state`|`status` is missing", "did you mean `status`?"),
        (BOARD, 'status = "simulated"', 'status = "perfect"', "`status`", None),
        (BOARD, "]\nstack_bytes", "]\nstack_byts", "unknown key|is missing", "did you mean `stack_bytes`?"),
        (BOARD, "stack_bytes = 4096", 'stack_bytes = "4 apples"', "should be a number of bytes", None),
        (BOARD, "clk_pin = 30", "clock_pin = 30", "unknown key `features.microphone.cloc", "did you mean `clk_pin`?"),
        (BOARD, "clk_pin = 30, ", "", "`features.microphone.clk_pin` is missing", None),
        (BOARD, "clk_pin = 30", "clk_pin = 48", "an integer from 0 to 47 is needed", None),
        (BOARD, "rate_hz = 16000", "rate_hz = 44100", "known values: 16000", None),
        (BOARD, "active_low = true", "active_low = 1", "known values: False, True", None),
        (BOARD, '"pdm_nrf52"', '"pdm_nrf53"', "no driver `pdm_nrf53`", "did you mean `pdm_nrf52`?"),
        (BOARD, "microphone = {", "mikrophone = {", "provides `microphone`, not `mikrophone`", "`microphone`"),
        (BOARD, 'soc = "nrf52840"', 'soc = "nrf52841"', "no soc `nrf52841`", "did you mean `nrf52840`?"),
        (BOARD, 'name = "nrf52840"', 'name = "other"', "the folder is called `nrf52840`", None),
        (BOARD, '"board.c"', '"bord.c"', "the C file `bord.c` does not exist", None),
        (BOARD, "schema = 1", "schema = ", "not valid TOML", None),
        (SOC, 'length = "1MiB"', 'length = "1GiB"', "`flash` and `ram` overlap", "correct `origin` or `length`"),
        (SOC, 'name = "ram"', 'name = "flash"', "two memories have the same name", None),
        (SOC, 'dma = "ram"', 'dma = "flash"', "DMA does not reach `flash`", None),
        (SOC, 'arena = "ram"', 'arena = "rom"', "`regions.arena` names no memory", "did you mean `ram`?"),
        (SOC, 'cpu = "cortex-m4"', 'cpu = "cortex-m44"', "has no cpu", "did you mean `cortex-m4`?"),
        (ARCH, "factor = 1.0", "factor = 0.0", "`cpu.cortex-m4.time.factor`", None),
        (ARCH, "residual_rms = 0.0\n", "", r"`cpu.cortex-m4.time.residual_rms` is missing", None),
        (ARCH, "residual_max = 0.0", "residual_mux = 0.0", "residual_m", "did you mean `residual_max`?"),
        (SOC, 'source = "nRF52840 PS v1.7, 4.2 Memory"', "", r"`memory.0.source` is missing", None),
    ],
)
def test_wrong_files_are_explained(
    support: Path, file: str, old: str, new: str, message: str, hint: str | None
) -> None:
    path = support / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ProjectError, match=message) as caught:
        load_board("nrf52840", [support])
    assert path.name in caught.value.message
    assert hint is None or hint in (caught.value.hint or "")


def test_a_missing_driver_file_is_named(support: Path) -> None:
    (support / "drivers" / "pdm_nrf52.c").unlink()
    with pytest.raises(ProjectError, match=r"the C file `pdm_nrf52.c` does not exist"):
        load_board("nrf52840", [support])
