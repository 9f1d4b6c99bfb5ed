"""The report of a search: one self-contained HTML file, at whatever stage the search is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tinyml.board import Board, list_boards, load_board
from tinyml.errors import Progress, no_progress
from tinyml.nas.record import SearchRecord
from tinyml.nas.space import architecture
from tinyml.report.candidate_figures import reference, searches, volume
from tinyml.report.page import pictures_of, template
from tinyml.report.search_facts import Energy, budget_of, described, energy, front_of
from tinyml.report.search_figures import said, search_figures
from tinyml.storage import writing


@dataclass(frozen=True)
class Tile:
    """A figure of the headline; `bad` when it is beyond what it was allowed."""

    value: str
    name: str
    note: str = ""
    bad: bool = False


@dataclass(frozen=True)
class Row:
    """A network in a table. `mark` says what is special about it; `milliseconds` is empty without a board."""

    accuracy: float
    cycles: int
    milliseconds: str
    arena_bytes: int
    flash_bytes: int
    macs: int
    network: str
    mark: str = ""


def write_search_report(
    record: SearchRecord, path: Path, progress: Progress = no_progress, board: Board | None = None
) -> Path:
    """Write the report of `record` to `path`, whole or not at all; returns `path`.

    `board` turns cycles into milliseconds and says what the compiler may use; left out, it is the one that
    `record.board` names. The page says what is missing when there is none of that name.
    Raises: ProjectError when the disk is full.
    """
    page = render_search(record, progress, board)
    with writing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def render_search(record: SearchRecord, progress: Progress = no_progress, board: Board | None = None) -> str:
    """The page as text. Equal records give equal pages."""
    if board is None and record.board in list_boards():
        board = load_board(record.board)
    drawings = search_figures(record, board.isa if board else None)
    pictures = pictures_of(drawings, lambda name: said(name, record), progress)
    chosen = None if record.chosen is None else record.evaluations[record.chosen]
    return template("search_report.html.j2").render(
        r=record, board=board, timed=_timed(board), pictures=pictures, tiles=_tiles(record, board),
        front=_front(record, board),
        baselines=[Row(b.accuracy, b.cost.cycles, _milliseconds(board, b.cost.cycles), b.cost.arena_bytes,
                       b.cost.flash_bytes, b.cost.macs, b.name) for b in record.baselines],
        chosen=described(record.space, chosen.genome) if chosen else "",
        weights=architecture(record.space, chosen.genome, record.classes).weights if chosen else 0,
        titles=[record.space.title(space) for space in record.chosen_spaces],
        volumes=[(name, volume(record, found)) for name, found, _ in searches(record)],
        reference=reference(record) if record.evaluations or record.random else None,
        used=energy(record), spent=_spent(energy(record)),
    )  # fmt: skip


def _tiles(record: SearchRecord, board: Board | None) -> list[Tile]:
    """What was found, each need beside its budget: as measured where it is, else as the search estimates it."""
    if record.chosen is None:
        return []
    chosen, final, budget = record.evaluations[record.chosen], record.final, budget_of(record)
    arena, flash, cycles = chosen.cost.arena_bytes, chosen.cost.flash_bytes, chosen.cost.cycles
    how = "estimated"
    if final is not None:
        arena, flash = final.arena_bytes, final.flash_bytes
        if final.measured_cycles is not None:
            cycles, how = final.measured_cycles, "measured"
    accuracy = (Tile(f"{chosen.accuracy:.1%}", "accuracy", "with the supernet's weights, on fitness examples")
                if final is None else Tile(f"{final.int8_accuracy:.1%}", "accuracy in int8",
                                           f"{final.float_accuracy:.1%} in float"))  # fmt: skip
    tiles = [
        accuracy,
        Tile(f"{arena:,}", "SRAM of the network, bytes", f"of {budget.ram_bytes:,}", arena > budget.ram_bytes),
        Tile(f"{flash:,}", "flash of the network, bytes", f"of {budget.flash_bytes:,}", flash > budget.flash_bytes),
    ]
    allowed = "no limit" if budget.cycles is None else f"of {budget.cycles:,}"
    over = budget.cycles is not None and cycles > budget.cycles
    tiles.append(Tile(f"{cycles:,}", f"cycles, {how}", f"{allowed}, at zero wait states", over))
    if _timed(board):
        note = "" if budget.cycles is None else f"of {_milliseconds(board, budget.cycles)} ms, "
        tiles.append(Tile(f"{_milliseconds(board, cycles)} ms", "per inference",
                          f"{note}{board.cpu_hz / 1e6:g} MHz", over))  # fmt: skip
    return tiles


def _timed(board: Board | None) -> bool:
    """Whether it is known how long the board takes for a cycle that is counted."""
    return board is not None and board.core_time is not None


def _milliseconds(board: Board | None, cycles: int) -> str:
    return f"{board.milliseconds(cycles):.3g}" if _timed(board) else ""


def _front(record: SearchRecord, board: Board | None) -> list[Row]:
    """The Pareto set, the most accurate first."""
    return [Row(e.accuracy, e.cost.cycles, _milliseconds(board, e.cost.cycles), e.cost.arena_bytes, e.cost.flash_bytes,
                e.cost.macs, described(record.space, e.genome), "chosen" if i == record.chosen else "")
            for i, e in front_of(record)]  # fmt: skip


def _spent(used: Energy) -> str:
    """The time and the energy of the search in words, with what is assumed."""
    if not used.seconds:
        return ""
    name, unit = used.unit
    time = f"{used.total_seconds / unit:.1f} {name} in all."
    if not used.watts:
        return f"{time} No electrical power is recorded, so the energy is not estimated."
    return (f"{time} About {used.watt_hours:.3g} Wh of energy, if the computer drew {used.watts:g} W throughout: "
            "an assumption, nothing was measured.")  # fmt: skip
