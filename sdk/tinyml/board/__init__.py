"""Boards as data: `board.toml -> soc.toml -> arch.toml` merged into one frozen `Board`."""

from tinyml.board.core_time import CoreTime
from tinyml.board.isa import CORES, load_isa, named_isa
from tinyml.board.load import list_boards, load_board
from tinyml.board.types import Board, Isa, Memory

__all__ = ["CORES", "Board", "CoreTime", "Isa", "Memory", "list_boards", "load_board", "load_isa", "named_isa"]
