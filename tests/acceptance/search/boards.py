"""Stage 1 for five boards: the published space of images, each network costed once, the boards filtering one table."""

from __future__ import annotations

import time
from typing import Any

from tests.acceptance.search.setting import WORK, bars
from tinyml.board import Board, load_board
from tinyml.nas.budget import Budget
from tinyml.nas.costing import Costs
from tinyml.nas.space_choice import choose, cost_spaces, fitting
from tinyml.nas.space_file import load_space

BOARDS = ("nrf52840", "stm32f412", "stm32f746g_disco", "stm32f767", "nucleo_h743zi")
CLASSES, SAMPLES = 2, 1000
LATENCY_MS = 200
RUNTIME_RAM_BYTES, RUNTIME_FLASH_BYTES = 16 * 1024, 64 * 1024
"""Assumed for everything that is not the network: no firmware exists for the data-only boards to be measured."""


def budget(board: Board) -> Budget:
    """Five pictures a second, in the memory that holds the arena."""
    return Budget(board.arena_left(data_bytes=RUNTIME_RAM_BYTES), board.flash_bytes - RUNTIME_FLASH_BYTES,
                  board.cycles(LATENCY_MS))  # fmt: skip


def spaces() -> dict[str, Any]:
    space = load_space("vision", WORK)
    boards = {name: load_board(name) for name in BOARDS}
    limits = {name: (budget(board),) * len(space.geometries) for name, board in boards.items()}
    costs = Costs(space, CLASSES, boards["nrf52840"].isa)
    started = time.monotonic()
    table = cost_spaces(costs, SAMPLES, seed=0, budgets=list(limits.values()), folder=WORK / "vision-spaces",
                        progress=bars())  # fmt: skip
    seconds = time.monotonic() - started
    found: dict[str, Any] = {"seconds": seconds, "networks": SAMPLES * len(space.spaces), "boards": {}}
    for name in BOARDS:
        results = fitting(table, limits[name])
        (best,) = choose(results, 1)
        found["boards"][name] = {
            "ram_bytes": limits[name][0].ram_bytes, "flash_bytes": limits[name][0].flash_bytes,
            "cycles": limits[name][0].cycles, "chosen": best, "title": space.title(best),
            "spaces": [{"space": r.space, "title": space.title(r.space), "fitting": r.fitting, "sampled": r.sampled,
                        "macs": list(r.macs)} for r in results],
        }  # fmt: skip
    return found
