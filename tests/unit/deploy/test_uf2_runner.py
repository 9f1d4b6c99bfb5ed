"""Deploying by UF2: the file, the drive, and what must not be overwritten."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from tinyml.deploy import DeployOptions, runners, uf2_drive
from tinyml.errors import DeviceError, ProjectError

from .cases import make_board, make_elf

RUNNER = runners()["uf2"]
INFO = "UF2 Bootloader 0.9.2\r\nModel: Nordic nRF52840 DK\r\nBoard-ID: {id}\r\nSoftDevice: {sd}\r\nDate: Jan 1 2025\r\n"

MakeDrive = Callable[..., Path]


@pytest.fixture
def make_drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeDrive:
    """Makes folders that look like mounted bootloaders; only those are found."""
    mounted: list[Path] = []
    monkeypatch.setattr(uf2_drive, "volumes", lambda: mounted)

    def make(name: str = "NRF52BOOT", board_id: str = "nRF52840-pca10056-v1", softdevice: str = "not found") -> Path:
        path = tmp_path / name
        path.mkdir()
        (path / "INFO_UF2.TXT").write_text(INFO.format(id=board_id, sd=softdevice), newline="")
        mounted.append(path)
        return path

    return make


def test_writes_the_file_and_copies_it_to_the_drive(tmp_path: Path, make_drive: MakeDrive) -> None:
    drive = make_drive()
    image = make_elf(tmp_path / "app.elf", (0x1000, bytes(range(256)) * 300))
    seen = []
    result = RUNNER.run(
        image, make_board(), DeployOptions(), lambda what, done, total: seen.append((what, done, total))
    )
    assert result.file == tmp_path / "app.uf2"
    assert result.drive == drive
    assert (drive / "app.uf2").read_bytes() == result.file.read_bytes()
    assert len(result.file.read_bytes()) == 300 * 512 == result.bytes_written
    assert seen[-1] == ("copying", 300 * 512, 300 * 512)
    assert len(seen) > 2


def test_without_a_drive_only_the_file_is_written(tmp_path: Path, make_drive: MakeDrive) -> None:
    image = make_elf(tmp_path / "app.elf", (0x1000, b"code"))
    result = RUNNER.run(image, make_board(), DeployOptions(output=tmp_path / "out.uf2"))
    assert (result.file, result.drive) == (tmp_path / "out.uf2", None)
    assert result.file.stat().st_size == 512
    assert any("press reset twice" in line for line in result.summary)
    assert RUNNER.available(make_board()) == "no UF2 bootloader drive is mounted"


def test_dry_run_writes_nothing(tmp_path: Path, make_drive: MakeDrive) -> None:
    drive = make_drive()
    image = make_elf(tmp_path / "app.elf", (0x1000, bytes(600)))
    lines = RUNNER.plan(image, make_board(), DeployOptions())
    assert "3 blocks" in lines[0]
    assert str(drive) in lines[1]
    assert RUNNER.plan(None, make_board(), DeployOptions())[1:] == lines[1:]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["NRF52BOOT", "app.elf"]
    assert [p.name for p in drive.iterdir()] == ["INFO_UF2.TXT"]


@pytest.mark.parametrize(
    ("address", "size", "says"),
    [(0x0, 64, "overwrite the bootloader"), (0xF00, 0x200, "overwrite"), (0xAC000, 0x1001, "does not fit below")],
)
def test_an_image_over_the_bootloader_is_refused(tmp_path: Path, address: int, size: int, says: str) -> None:
    image = make_elf(tmp_path / "app.elf", (address, bytes(size)))
    with pytest.raises(ProjectError, match=says) as error:
        RUNNER.run(image, make_board(), DeployOptions())
    assert f"{address:#x}" in error.value.details[0] or f"{address + size:#x}" in error.value.details[0]
    assert error.value.hint
    assert not (tmp_path / "app.uf2").exists()


def test_a_board_file_may_allow_the_whole_flash(tmp_path: Path, make_drive: MakeDrive) -> None:
    image = make_elf(tmp_path / "app.elf", (0, bytes(64)))
    result = RUNNER.run(image, make_board(uf2_origin=0, uf2_end=None), DeployOptions())
    assert result.file.exists()


def test_a_board_file_that_does_not_say_where_is_refused(tmp_path: Path) -> None:
    image = make_elf(tmp_path / "app.elf", (0x1000, bytes(64)))
    with pytest.raises(ProjectError, match="does not say which flash"):
        RUNNER.run(image, make_board(uf2_origin=None), DeployOptions())


def test_a_board_without_bootloader_is_refused(tmp_path: Path) -> None:
    image = make_elf(tmp_path / "app.elf", (0x1000, bytes(64)))
    with pytest.raises(ProjectError, match="no UF2 bootloader"):
        RUNNER.run(image, make_board(uf2_family=None), DeployOptions())
    with pytest.raises(ProjectError, match="no UF2 bootloader"):
        RUNNER.plan(None, make_board(uf2_family=None), DeployOptions())


def test_a_drive_of_another_board_is_not_touched(tmp_path: Path, make_drive: MakeDrive) -> None:
    drive = make_drive("RPI-RP2", board_id="RPI-RP2")
    image = make_elf(tmp_path / "app.elf", (0x1000, bytes(64)))
    result = RUNNER.run(image, make_board(), DeployOptions())
    assert result.drive is None
    assert any("RPI-RP2" in line for line in result.summary)
    assert not (drive / "app.uf2").exists()
    with pytest.raises(DeviceError, match="does not fit `nrf52840`"):
        RUNNER.run(image, make_board(), DeployOptions(drive=drive))


@pytest.mark.parametrize(
    ("line", "fits"),
    [("S140 version 6.1.1", True), ("S140 6.1.1", True), ("S140 7.3.0", False), ("not found", False), ("", True)],
)
def test_the_softdevice_decides_where_applications_start(
    tmp_path: Path, make_drive: MakeDrive, line: str, fits: bool
) -> None:
    drive = make_drive(softdevice=line)
    image = make_elf(tmp_path / "app.elf", (0x26000, bytes(64)))
    board = make_board(uf2_origin=0x26000, uf2_softdevice="S140 6")
    if fits:
        assert RUNNER.run(image, board, DeployOptions(drive=drive)).drive == drive
    else:
        with pytest.raises(DeviceError) as error:
            RUNNER.run(image, board, DeployOptions(drive=drive))
        assert f"`{line}`" in error.value.details[0]


def test_several_drives_need_a_choice(tmp_path: Path, make_drive: MakeDrive) -> None:
    first, second = make_drive("A"), make_drive("B")
    image = make_elf(tmp_path / "app.elf", (0x1000, bytes(64)))
    with pytest.raises(DeviceError) as error:
        RUNNER.run(image, make_board(), DeployOptions())
    assert "--drive" in error.value.hint
    assert len(error.value.details) == 2
    assert RUNNER.run(image, make_board(), DeployOptions(drive=second)).drive == second
    assert not (first / "app.uf2").exists()


def test_a_folder_that_is_no_drive(tmp_path: Path) -> None:
    image = make_elf(tmp_path / "app.elf", (0x1000, bytes(64)))
    with pytest.raises(DeviceError, match="not the drive of a UF2 bootloader") as error:
        RUNNER.run(image, make_board(), DeployOptions(drive=tmp_path))
    assert error.value.exit_code == 4


def test_full_disk_leaves_the_old_file(tmp_path: Path, make_drive: MakeDrive, monkeypatch: pytest.MonkeyPatch) -> None:
    image = make_elf(tmp_path / "app.elf", (0x1000, bytes(64)))
    (tmp_path / "app.uf2").write_bytes(b"old")

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ProjectError, match="No space left") as error:
        RUNNER.run(image, make_board(), DeployOptions())
    assert error.value.hint
    assert (tmp_path / "app.uf2").read_bytes() == b"old"
    assert not list(tmp_path.glob(".*.partial*"))


def test_a_full_drive_is_a_device_error(tmp_path: Path, make_drive: MakeDrive, monkeypatch: pytest.MonkeyPatch) -> None:
    make_drive()
    image = make_elf(tmp_path / "app.elf", (0x1000, bytes(64)))

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(uf2_drive.os, "fsync", full)
    with pytest.raises(DeviceError, match="No space left") as error:
        RUNNER.run(image, make_board(), DeployOptions())
    assert error.value.exit_code == 4
    assert (tmp_path / "app.uf2").exists(), "the file itself is whole"


def test_a_drive_that_restarts_after_the_last_block_is_success(
    tmp_path: Path, make_drive: MakeDrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = make_drive()
    image = make_elf(tmp_path / "app.elf", (0x1000, bytes(64)))

    def gone(descriptor: int) -> None:
        (drive / "INFO_UF2.TXT").unlink()
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(uf2_drive.os, "fsync", gone)
    assert RUNNER.run(image, make_board(), DeployOptions()).drive == drive


def test_linux_mount_table_with_blanks_and_umlauts() -> None:
    table = (
        "/dev/sda1 / ext4 rw 0 0\n"
        "/dev/sdb /run/media/ada/NRF52BOOT vfat rw,nosuid 0 0\n"
        "/dev/sdc /media/gr\u00fcn\\040und\\040gut vfat rw 0 0\n"
        "tmpfs /tmp tmpfs rw 0 0\n"
    )
    assert uf2_drive._linux_mounts(table) == [Path("/run/media/ada/NRF52BOOT"), Path("/media/gr\u00fcn und gut")]
