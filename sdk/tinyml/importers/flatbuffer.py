"""A strict reader of flatbuffers: every offset, table and vector is checked against the file before it is read.

Reading costs no more than what is asked for: vectors are views of the file, and nothing is followed recursively, so
that a hostile file is an error and never a crash, a hang or a large allocation.

Source: FlatBuffers internals, https://flatbuffers.dev/internals/ (tables, vtables, vectors, strings).
"""

from __future__ import annotations

import struct

import numpy as np

from tinyml.importers.errors import ModelError

_SCALARS = {
    "bool": "<?", "int8": "<b", "uint8": "<B", "uint16": "<H", "int32": "<i", "uint32": "<I", "int64": "<q",
    "uint64": "<Q", "float32": "<f",
}  # fmt: skip
_OFFSET_BYTES = 4


class Table:
    """One table. Fields are addressed by their number in the schema; `what` names the table in errors."""

    def __init__(self, data: bytes, position: int, what: str) -> None:
        self._data, self._position, self.what = data, position, what
        vtable = position - self._read("int32", position)
        if not 0 <= vtable <= len(data) - 4:
            raise self._damaged("its field list lies outside the file")
        self._vtable = vtable
        self._vtable_bytes = self._read("uint16", vtable)
        self._bytes = self._read("uint16", vtable + 2)
        if self._vtable_bytes < 4 or self._vtable_bytes % 2 or vtable + self._vtable_bytes > len(data):
            raise self._damaged("its field list is cut off")
        if self._bytes < 4 or position + self._bytes > len(data):
            raise self._damaged("it is cut off")

    @classmethod
    def root(cls, data: bytes, identifier: bytes, what: str) -> Table:
        """The root table of a file. Raises: ModelError when the file has another identifier or is too short."""
        if len(data) < 8 or data[4:8] != identifier:
            raise ModelError(f"this is not a {what} file", hint=f"a {what} file carries `{identifier.decode()}`")
        return cls(data, struct.unpack_from("<I", data)[0], "its root")

    def _damaged(self, why: str) -> ModelError:
        return ModelError(f"the file is damaged at {self.what}: {why}", hint="export or download the model again")

    def _read(self, kind: str, position: int) -> int | float | bool:
        layout = _SCALARS[kind]
        if not 0 <= position <= len(self._data) - struct.calcsize(layout):
            raise self._damaged("an offset points outside the file")
        if kind == "bool":
            return self._data[position] != 0
        return struct.unpack_from(layout, self._data, position)[0]

    def _field(self, field: int, size: int) -> int:
        """Position of a field of `size` bytes, 0 when it is absent."""
        entry = 4 + 2 * field
        if entry + 2 > self._vtable_bytes:
            return 0
        offset = self._read("uint16", self._vtable + entry)
        if offset == 0:
            return 0
        if offset < 4 or offset + size > self._bytes:
            raise self._damaged(f"field {field} lies outside it")
        return self._position + offset

    def scalar(self, field: int, kind: str, default: int | float | bool = 0) -> int | float | bool:
        """A number or truth value; `default` when the field is absent."""
        position = self._field(field, struct.calcsize(_SCALARS[kind]))
        return self._read(kind, position) if position else default

    def has(self, field: int) -> bool:
        """Whether a field that holds an offset is present."""
        return self._field(field, _OFFSET_BYTES) != 0

    def _target(self, field: int) -> int:
        """Where an offset field points, 0 when it is absent."""
        position = self._field(field, _OFFSET_BYTES)
        return position + self._read("uint32", position) if position else 0

    def table(self, field: int, what: str) -> Table | None:
        """The table that an offset field points to, None when it is absent."""
        position = self._target(field)
        return Table(self._data, position, what) if position else None

    def _span(self, field: int, item_bytes: int) -> tuple[int, int]:
        """(position of the first item, number of items) of a vector; (0, 0) when it is absent."""
        position = self._target(field)
        if not position:
            return 0, 0
        count = self._read("uint32", position)
        if count * item_bytes > len(self._data) - position - _OFFSET_BYTES:
            raise self._damaged(f"the list in field {field} is longer than the file")
        return position + _OFFSET_BYTES, count

    def vector(self, field: int, kind: str) -> np.ndarray:
        """A read-only view of a vector of numbers; empty when it is absent."""
        dtype = np.dtype(kind).newbyteorder("<")
        start, count = self._span(field, dtype.itemsize)
        return np.frombuffer(self._data, dtype, count, start) if count else np.empty(0, dtype)

    def string(self, field: int, longest: int = 1024) -> str:
        """A string, cut after `longest` bytes; bytes that are not UTF-8 become U+FFFD."""
        start, count = self._span(field, 1)
        return self._data[start : start + min(count, longest)].decode("utf-8", "replace")

    def tables(self, field: int, what: str, most: int) -> list[Table]:
        """A vector of tables. Raises: ModelError for more than `most`."""
        start, count = self._span(field, _OFFSET_BYTES)
        if count > most:
            raise self._damaged(f"it lists {count:,} {what}s, more than {most:,}")
        places = (start + _OFFSET_BYTES * i for i in range(count))
        return [Table(self._data, p + self._read("uint32", p), f"{what} {i}") for i, p in enumerate(places)]
