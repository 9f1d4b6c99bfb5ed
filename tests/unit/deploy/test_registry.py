"""Which runner a deployment uses."""

from __future__ import annotations

import pytest

from tinyml.board import load_board
from tinyml.deploy import choose, runners, runners_of, uf2_drive
from tinyml.deploy import pyocd as pyocd_runner
from tinyml.errors import DeviceError, ProjectError

from .cases import make_board


@pytest.fixture(autouse=True)
def nothing_attached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyocd_runner, "_probes", lambda uid=None: [])
    monkeypatch.setattr(uf2_drive, "volumes", list)


def test_the_runners_of_this_release() -> None:
    assert list(runners()) == ["pyocd", "uf2", "virtual"]
    assert all(runner.name == name for name, runner in runners().items())


def test_board_files_may_name_runners_that_do_not_exist_yet() -> None:
    assert runners_of(make_board(runners=["jlink", "uf2", "pyocd"])) == ["uf2", "pyocd"]


def test_without_a_probe_the_error_names_what_works_without_one() -> None:
    with pytest.raises(DeviceError) as error:
        choose(make_board())
    assert error.value.exit_code == 4
    assert "--to virtual" in error.value.hint
    assert "--to uf2" in error.value.hint
    assert error.value.details == ("pyocd: no debug probe is attached", "uf2: no UF2 bootloader drive is mounted")


def test_the_board_s_order_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyocd_runner, "_probes", lambda uid=None: [object()])
    monkeypatch.setattr(uf2_drive, "find_drives", lambda: [uf2_drive.Drive(None, board_id="nRF52840-x")])
    assert choose(make_board()).name == "pyocd"
    assert choose(make_board(runners=["uf2", "pyocd"])).name == "uf2"


def test_the_second_runner_is_taken_when_the_first_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uf2_drive, "find_drives", lambda: [uf2_drive.Drive(None, board_id="nRF52840-x")])
    assert choose(make_board()).name == "uf2"


def test_a_virtual_board_never_stands_in_for_a_real_one() -> None:
    with pytest.raises(DeviceError):
        choose(make_board(runners=["virtual", "pyocd"]))
    assert choose(make_board(runners=["virtual"])).name == "virtual"
    assert choose(make_board(), "virtual").name == "virtual"


def test_a_board_that_cannot_be_deployed_to() -> None:
    with pytest.raises(DeviceError):
        choose(make_board(runners=[]))


@pytest.mark.parametrize(("name", "hint"), [("virtal", "did you mean `--to virtual`?"), ("xyz", "choose one of")])
def test_an_unknown_runner(name: str, hint: str) -> None:
    with pytest.raises(ProjectError) as error:
        choose(make_board(), name)
    assert hint in error.value.hint


def test_this_computer_is_no_target() -> None:
    with pytest.raises(ProjectError, match="`host` is this computer") as caught:
        choose(load_board("host"))
    assert "tinyml build" in (caught.value.hint or "")
