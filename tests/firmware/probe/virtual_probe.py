"""A pyOCD debug probe that is no hardware: debug port, AHB-AP and Nordic's CTRL-AP in front of a `Machine`.

Source: Arm Debug Interface v5.2 (IHI 0031), B2.2 (DP registers), C2.6 (MEM-AP registers);
nRF52840 PS v1.7, 4.8.2 (CTRL-AP).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from pyocd.core import exceptions
from pyocd.probe.debug_probe import DebugProbe

from .core_debug import CoreDebug
from .machine import BusError, Machine

DPIDR, AHB_AP_IDR, CTRL_AP_IDR = 0x2BA0_1477, 0x2477_0011, 0x1288_0000
DP_CTRL_STAT, DP_SELECT, DP_RDBUFF = 0x4, 0x8, 0xC
CSW, TAR, DRW, BASE, IDR = 0x00, 0x04, 0x0C, 0xF8, 0xFC
CSW_DEVICE_ENABLED, CSW_INCREMENT = 1 << 6, 1 << 4
CTRL_RESET, CTRL_ERASE_ALL, CTRL_ERASE_STATUS, CTRL_PROTECT_STATUS = 0x00, 0x04, 0x08, 0x0C


class VirtualProbe(DebugProbe):
    """Plug in with `plugged_in(machine)`. `locked` is the chip's APPROTECT; `broken` makes every transfer fail."""

    attached: list[VirtualProbe] = []

    def __init__(self, machine: Machine, unique_id: str = "VIRTUAL0001", *, locked: bool = False) -> None:
        super().__init__()
        self.machine, self.core = machine, CoreDebug(machine)
        self.locked, self.broken = locked, False
        self.transfers = 0
        self._unique_id = unique_id
        self._open = False
        self._protocol: DebugProbe.Protocol | None = None
        self._dp = {DP_CTRL_STAT: 0, DP_SELECT: 0}
        self._ap = {CSW: 0x2300_0040 | 2, TAR: 0}
        self._ctrl = {CTRL_RESET: 0}

    @classmethod
    def get_all_connected_probes(cls, unique_id: str | None = None, is_explicit: bool = False) -> list[VirtualProbe]:
        return list(cls.attached)

    @classmethod
    def get_probe_with_id(cls, unique_id: str, is_explicit: bool = False) -> VirtualProbe | None:
        return next((probe for probe in cls.attached if probe.unique_id == unique_id), None)

    vendor_name = property(lambda self: "tinyml")
    product_name = property(lambda self: "virtual probe")
    supported_wire_protocols = property(lambda self: [DebugProbe.Protocol.DEFAULT, DebugProbe.Protocol.SWD])
    unique_id = property(lambda self: self._unique_id)
    wire_protocol = property(lambda self: self._protocol)
    is_open = property(lambda self: self._open)
    capabilities = property(lambda self: set())

    def open(self) -> None:
        if self.broken:
            raise exceptions.ProbeError("USB device does not answer")
        self._open = True

    def close(self) -> None:
        self._open = False

    def connect(self, protocol: DebugProbe.Protocol | None = None) -> None:
        self._protocol = DebugProbe.Protocol.SWD

    def disconnect(self) -> None:
        self._protocol = None

    def set_clock(self, frequency: float) -> None:
        self.frequency = frequency

    def reset(self) -> None:
        self.core.reset()

    def assert_reset(self, asserted: bool) -> None:
        if not asserted:
            self.core.reset()

    def is_reset_asserted(self) -> bool:
        return False

    def read_dp(self, addr: int, now: bool = True) -> int | Callable[[], int]:
        value = DPIDR if addr == 0 else self._dp.get(addr, 0)
        if addr == DP_CTRL_STAT:
            value |= (value & 0x5000_0000) << 1  # power is up as soon as it is asked for
        return value if now else lambda: value

    def write_dp(self, addr: int, data: int) -> None:
        self._dp[addr] = data

    def read_ap(self, addr: int, now: bool = True) -> int | Callable[[], int]:
        values = self.read_ap_multiple(addr, 1)
        return values[0] if now else lambda: values[0]

    def write_ap(self, addr: int, data: int) -> None:
        self.write_ap_multiple(addr, [data])

    def read_ap_multiple(
        self, addr: int, count: int = 1, now: bool = True
    ) -> Sequence[int] | Callable[[], Sequence[int]]:
        values = [self._read(addr >> 24, addr & 0xFF) for _ in range(count)]
        return values if now else lambda: values

    def write_ap_multiple(self, addr: int, values: Sequence[int]) -> None:
        for value in values:
            self._write(addr >> 24, addr & 0xFF, value & 0xFFFF_FFFF)

    def _read(self, ap: int, register: int) -> int:
        if ap == 1:
            status = {IDR: CTRL_AP_IDR, CTRL_PROTECT_STATUS: int(not self.locked), CTRL_ERASE_STATUS: 0}
            return status.get(register, self._ctrl.get(register, 0))
        if ap > 1:
            return 0
        if register == DRW:
            return self._transfer(None)
        return {IDR: AHB_AP_IDR, BASE: 0xE00F_F003}.get(register, self._ap.get(register, 0))

    def _write(self, ap: int, register: int, value: int) -> None:
        if ap == 1:
            self._write_ctrl(register, value)
        elif ap == 0 and register == DRW:
            self._transfer(value)
        elif ap == 0 and register == CSW:
            self._ap[CSW] = value | CSW_DEVICE_ENABLED
        elif ap == 0:
            self._ap[register] = value

    def _write_ctrl(self, register: int, value: int) -> None:
        if register == CTRL_ERASE_ALL and value:
            self.machine.erase_all()
            self.locked = False
        elif register == CTRL_RESET and self._ctrl[CTRL_RESET] and not value:
            self.core.reset()
        self._ctrl[register] = value

    def _transfer(self, value: int | None) -> int:
        """One access through the data register; the data sit in the lanes of their address. Raises: a pyOCD fault."""
        self.transfers += 1
        if self.locked or self.broken:
            raise exceptions.TransferFaultError("the AHB-AP does not answer")
        size, address = 1 << (self._ap[CSW] & 7), self._ap[TAR]
        lane = 8 * (address & 3)
        try:
            result = self._access(address, size, None if value is None else value >> lane & (1 << 8 * size) - 1)
        except BusError as error:
            raise exceptions.TransferFaultError(fault_address=address, length=size) from error
        if self._ap[CSW] & CSW_INCREMENT:
            # The increment wraps inside 4 KiB, as on the AHB-AP of a Cortex-M4.
            self._ap[TAR] = address & ~0xFFF | (address + size) & 0xFFF
        return result << lane

    def _access(self, address: int, size: int, value: int | None) -> int:
        if self.core.covers(address):
            if value is None:
                return self.core.read(address)
            self.core.write(address, value)
        elif value is None:
            return int.from_bytes(self.machine.read(address, size), "little")
        else:
            self.machine.write(address, struct.pack("<I", value)[:size])
        return 0
