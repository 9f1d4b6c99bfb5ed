"""Which runners there are, and which one a deployment uses."""

from __future__ import annotations

import difflib

from tinyml.board import Board
from tinyml.deploy.pyocd import PyocdRunner
from tinyml.deploy.runner import Runner
from tinyml.deploy.uf2_runner import Uf2Runner
from tinyml.deploy.virtual import VirtualRunner
from tinyml.errors import DeviceError, ProjectError


def runners() -> dict[str, Runner]:
    """Every runner of this release by name. To add one: write its module, and list it here."""
    return {runner.name: runner for runner in (PyocdRunner(), Uf2Runner(), VirtualRunner())}


def runners_of(board: Board) -> list[str]:
    """Names of the runners that `board` lists and this release has, in the board's order of preference."""
    return [name for name in board.deploy.get("runners", ()) if name in runners()]


def choose(board: Board, to: str | None = None) -> Runner:
    """The runner called `to`, or without it the first of the board's own that can run now.

    A virtual board never stands in silently for a real one: it is chosen when asked for, or when it is all there is.

    Raises: ProjectError for a name that is no runner or a board without firmware; DeviceError when none of the board's
    runners can run.
    """
    board.require_firmware()
    if board.status == "native":
        raise ProjectError(f"`{board.name}` is this computer: there is nothing to flash",
                           hint="run `tinyml build`, then its program with a WAV file as argument")  # fmt: skip
    known = runners()
    if to is not None:
        if to not in known:
            near = difflib.get_close_matches(to, known, n=1)
            hint = f"did you mean `--to {near[0]}`?" if near else "choose one of: " + ", ".join(known)
            raise ProjectError(f"there is no runner called `{to}`", hint=hint)
        return known[to]
    names = runners_of(board)
    candidates = [name for name in names if name != "virtual"] or names
    reasons = {}
    for name in candidates:
        reason = known[name].available(board)
        if reason is None:
            return known[name]
        reasons[name] = reason
    raise DeviceError(
        f"no way to reach `{board.name}` from here",
        details=[f"{name}: {reason}" for name, reason in reasons.items()],
        hint="use `--to virtual` to run the image on the virtual board, or `--to uf2` to write a file to copy to it",
    )


def preferred(board: Board, to: str | None = None) -> Runner:
    """The runner whose plan a dry run shows: as `choose`, or the board's first when none of them can run now.

    Raises: ProjectError for a name that is no runner, or a board without runners.
    """
    try:
        return choose(board, to)
    except DeviceError:
        return runners()[runners_of(board)[0]]
