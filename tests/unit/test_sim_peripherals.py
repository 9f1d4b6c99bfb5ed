"""Peripherals alone, on a machine that has only time, memory and interrupt lines."""

from __future__ import annotations

import numpy as np
import pytest

from tinyml.sim.events import Event, EventQueue
from tinyml.sim.faults import BusError
from tinyml.sim.peripherals.clock import HFXO_START_S, LFRC_START_S, LFXO_START_S, Clock
from tinyml.sim.peripherals.gpio import Port0, Port1
from tinyml.sim.peripherals.nvmc import Nvmc, Uicr
from tinyml.sim.peripherals.pdm import Microphone, Pdm
from tinyml.sim.peripherals.rtc import Rtc0, Rtc1
from tinyml.sim.peripherals.uarte import Uarte0
from tinyml.sim.trace import Trace

HZ = 64_000_000
RAM = 0x20000000


class FakeMachine:
    """Time that the test moves on."""

    def __init__(self) -> None:
        self.cpu_hz, self.now, self.trace = HZ, 0, Trace()
        self.queue = EventQueue()
        self.memory = bytearray(4096)
        self.flash = bytearray(b"\xff" * 8192)
        self.lines: dict[int, bool] = {}
        self.flash_origin, self.flash_bytes = 0, 8192

    def at(self, cycle: int, action) -> Event:
        return self.queue.at(cycle, action)

    def advance(self, cycle: int) -> None:
        while self.queue.next_cycle <= cycle:
            self.now = max(self.now, self.queue.next_cycle)
            self.queue.run_due(self.now)
        self.now = cycle

    def dma_read(self, master: str, address: int, size_bytes: int) -> bytes:
        return bytes(self.memory[address - RAM : address - RAM + size_bytes])

    def dma_write(self, master: str, address: int, data: bytes) -> None:
        self.memory[address - RAM : address - RAM + len(data)] = data

    def set_irq(self, number: int, level: bool) -> None:
        self.lines[number] = level

    def break_block(self) -> None:
        pass

    def peek(self, address: int, size_bytes: int) -> bytes:
        return bytes(self.flash[address : address + size_bytes])

    def poke(self, address: int, data: bytes) -> None:
        self.flash[address : address + len(data)] = data


def poke(peripheral, name: str, value: int) -> None:
    peripheral.write(peripheral._names[name], value)


def peek(peripheral, name: str) -> int:
    return peripheral.read(peripheral._names[name])


@pytest.fixture
def machine() -> FakeMachine:
    return FakeMachine()


@pytest.fixture
def clock(machine: FakeMachine) -> Clock:
    made = Clock(machine)
    poke(made, "TASKS_LFCLKSTART", 1)
    machine.advance(round(LFRC_START_S * HZ))
    return made


@pytest.mark.parametrize(("source", "seconds"), [(0, LFRC_START_S), (1, LFXO_START_S), (2, LFRC_START_S)])
def test_the_low_frequency_clock_takes_its_time(machine: FakeMachine, source: int, seconds: float) -> None:
    clock = Clock(machine)
    poke(clock, "LFCLKSRC", source)
    poke(clock, "INTENSET", 2)
    poke(clock, "TASKS_LFCLKSTART", 1)
    machine.advance(round(seconds * HZ) - 1)
    assert peek(clock, "EVENTS_LFCLKSTARTED") == peek(clock, "LFCLKSTAT") == 0 and not machine.lines.get(0)
    machine.advance(round(seconds * HZ))
    assert peek(clock, "EVENTS_LFCLKSTARTED") == 1 and peek(clock, "LFCLKSTAT") == 1 << 16 | source
    assert machine.lines[0]
    poke(clock, "EVENTS_LFCLKSTARTED", 0)
    assert not machine.lines[0]


def test_a_stopped_crystal_does_not_report_that_it_started(machine: FakeMachine) -> None:
    clock = Clock(machine)
    poke(clock, "TASKS_HFCLKSTART", 1)
    machine.advance(round(HFXO_START_S * HZ) // 2)
    poke(clock, "TASKS_HFCLKSTOP", 1)
    machine.advance(HZ)
    assert peek(clock, "EVENTS_HFCLKSTARTED") == peek(clock, "HFCLKSTAT") == 0


def test_the_counter_needs_its_clock(machine: FakeMachine) -> None:
    clock = Clock(machine)
    rtc = Rtc1(machine, clock)
    poke(rtc, "TASKS_START", 1)
    machine.advance(HZ)
    assert peek(rtc, "COUNTER") == 0
    poke(clock, "TASKS_LFCLKSTART", 1)
    machine.advance(2 * HZ + round(LFRC_START_S * HZ))
    assert peek(rtc, "COUNTER") in (32767, 32768)


def test_prescaler_stop_and_clear(machine: FakeMachine, clock: Clock) -> None:
    rtc = Rtc1(machine, clock)
    poke(rtc, "PRESCALER", 31)
    poke(rtc, "TASKS_START", 1)
    start = machine.now
    machine.advance(start + HZ)
    assert peek(rtc, "COUNTER") in (1023, 1024)
    poke(rtc, "TASKS_STOP", 1)
    held = peek(rtc, "COUNTER")
    machine.advance(start + 2 * HZ)
    assert peek(rtc, "COUNTER") == held
    poke(rtc, "TASKS_START", 1)
    machine.advance(start + 3 * HZ)
    assert peek(rtc, "COUNTER") - held in (1023, 1024)
    poke(rtc, "TASKS_CLEAR", 1)
    assert peek(rtc, "COUNTER") == 0


@pytest.mark.parametrize(("ahead", "fires"), [(0, False), (1, False), (2, True), (100, True)])
def test_a_compare_that_is_too_near_does_not_fire(machine: FakeMachine, clock: Clock, ahead: int, fires: bool) -> None:
    rtc = Rtc1(machine, clock)
    poke(rtc, "TASKS_START", 1)
    machine.advance(machine.now + HZ // 10)
    poke(rtc, "INTENSET", 1 << 17)
    poke(rtc, "CC[1]", peek(rtc, "COUNTER") + ahead)
    machine.advance(machine.now + HZ)
    assert bool(peek(rtc, "EVENTS_COMPARE[1]")) is bool(machine.lines.get(17)) is fires


def test_overflow_and_tick(machine: FakeMachine, clock: Clock) -> None:
    rtc = Rtc0(machine, clock)
    poke(rtc, "EVTENSET", 3)
    poke(rtc, "TASKS_START", 1)
    poke(rtc, "TASKS_TRIGOVRFLW", 1)
    machine.advance(machine.now + HZ // 32768 + 1)
    assert (peek(rtc, "EVENTS_TICK"), peek(rtc, "EVENTS_OVRFLW")) == (1, 0)
    machine.advance(machine.now + 17 * HZ // 32768)
    assert peek(rtc, "EVENTS_OVRFLW") == 1 and peek(rtc, "COUNTER") < 4
    assert not machine.lines.get(11)  # EVTEN routes the event, it does not interrupt


@pytest.fixture
def pdm(machine: FakeMachine) -> Pdm:
    made = Pdm(machine, lambda samples: None)
    for name, value in {"PSEL.CLK": 1, "PSEL.DIN": 2, "PDMCLKCTRL": 0x0A000000, "RATIO": 1, "MODE": 1, "ENABLE": 1,
                        "SAMPLE.PTR": RAM, "SAMPLE.MAXCNT": 160}.items():  # fmt: skip
        poke(made, name, value)
    made.microphone = Microphone(np.arange(1000, dtype=np.int16))
    return made


def test_pointer_is_taken_over_when_a_buffer_starts(machine: FakeMachine, pdm: Pdm) -> None:
    missed = []
    pdm._on_missed = missed.append
    poke(pdm, "TASKS_START", 1)
    assert peek(pdm, "EVENTS_STARTED") == 1
    poke(pdm, "SAMPLE.PTR", RAM + 320)
    machine.advance(80 * 4000)  # half of the first buffer
    assert machine.memory[2:4] == b"\x01\x00" and machine.memory[160:320] == bytes(160)
    assert peek(pdm, "EVENTS_END") == 0
    machine.advance(160 * 4000)
    assert peek(pdm, "EVENTS_END") == 1 and missed == []
    machine.advance(320 * 4000)  # nobody wrote a third pointer
    assert missed == [160]
    machine.advance(480 * 4000)
    assert missed == [160, 160]
    second = np.frombuffer(machine.memory[320:640], "<i2")
    assert second.tolist() == list(range(320, 480))  # overwritten by the third


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [("ENABLE", 0, "ENABLE"), ("MODE", 0, "stereo"), ("PSEL.DIN", 0xFFFFFFFF, "pins"), ("SAMPLE.MAXCNT", 0, "MAXCNT"),
     ("SAMPLE.PTR", RAM + 2, "aligned"), ("PDMCLKCTRL", 5, "no documented setting")],
)  # fmt: skip
def test_a_wrong_set_up_is_refused(machine: FakeMachine, pdm: Pdm, name: str, value: int, message: str) -> None:
    poke(pdm, name, value)
    with pytest.raises(BusError, match=message):
        poke(pdm, "TASKS_START", 1)
        machine.advance(HZ)


def test_rates(pdm: Pdm) -> None:
    assert pdm.rate_hz == 16000
    poke(pdm, "PDMCLKCTRL", 0x08400000)
    poke(pdm, "RATIO", 0)
    assert pdm.rate_hz == pytest.approx(16129, abs=0.1)


def test_gain_in_half_decibels(machine: FakeMachine, pdm: Pdm) -> None:
    pdm.microphone = Microphone(np.array([1000, -1000, 20000, -20000] * 8, np.int16))
    poke(pdm, "GAINL", 0x28 + 12)
    poke(pdm, "TASKS_START", 1)
    machine.advance(160 * 4000)
    loud = np.frombuffer(machine.memory[:8], "<i2").tolist()
    assert loud == [1995, -1995, 32767, -32768]


def test_another_rate_is_interpolated() -> None:
    ramp = Microphone(np.arange(0, 1600, 1, np.int16), 16000)
    assert ramp.take(0, 4, 8000).tolist() == [0, 2, 4, 6]
    assert ramp.take(100, 3, 32000).tolist() == [50, 50, 51]
    assert ramp.take(1598, 4, 16000).tolist() == [1598, 1599, 0, 0]


def test_a_text_that_changes_while_it_is_sent_is_corrupted(machine: FakeMachine) -> None:
    uart = Uarte0(machine)
    for name, value in {"PSEL.TXD": 6, "BAUDRATE": 0x01D60000, "ENABLE": 8, "TXD.PTR": RAM, "TXD.MAXCNT": 16}.items():
        poke(uart, name, value)
    machine.memory[:16] = b"0123456789abcdef"
    poke(uart, "TASKS_STARTTX", 1)
    byte_cycles = 10 * 139 * 4  # 16 MHz / 139 = 115,108 baud, as the SVD says
    machine.advance(9 * byte_cycles)
    machine.memory[:16] = b"x" * 16
    machine.advance(16 * byte_cycles - 10)
    assert peek(uart, "EVENTS_ENDTX") == 0
    machine.advance(17 * byte_cycles)
    assert peek(uart, "EVENTS_ENDTX") == 1 and peek(uart, "TXD.AMOUNT") == 16
    assert machine.trace.console_text == "01234567xxxxxxxx"


def test_stopping_a_transfer_reports_what_was_sent(machine: FakeMachine) -> None:
    uart = Uarte0(machine)
    for name, value in {"PSEL.TXD": 6, "BAUDRATE": 0x10000000, "ENABLE": 8, "TXD.PTR": RAM, "TXD.MAXCNT": 100}.items():
        poke(uart, name, value)
    poke(uart, "TASKS_STARTTX", 1)
    machine.advance(20 * 640)
    poke(uart, "TASKS_STOPTX", 1)
    machine.advance(HZ)
    assert peek(uart, "TXD.AMOUNT") == 16 and len(machine.trace.console_text) == 16
    assert peek(uart, "EVENTS_TXSTOPPED") == 1


def test_pins_are_traced_when_they_are_driven(machine: FakeMachine) -> None:
    first, second = Port0(machine), Port1(machine)
    poke(first, "OUTSET", 1 << 13)
    assert machine.trace.gpio == []  # an input yet
    poke(first, "DIRSET", 1 << 13)
    machine.now = 5
    poke(first, "OUTCLR", 1 << 13)
    poke(first, "OUTCLR", 1 << 13)
    poke(second, "PIN_CNF[3]", 1)
    assert machine.trace.gpio == [(0, 13, 1), (5, 13, 0), (5, 35, 0)]
    assert peek(first, "DIR") == 1 << 13 and peek(second, "OUT") == 0


def test_flash_bits_only_fall_until_the_page_is_erased(machine: FakeMachine) -> None:
    uicr = Uicr(machine)
    uicr.nvmc = nvmc = Nvmc(machine, machine, uicr)
    assert not nvmc.program(0x100, b"\x0f\0\0\0")
    poke(nvmc, "CONFIG", 1)
    assert nvmc.program(0x100, b"\x0f\xff\xff\xff") and nvmc.program(0x100, b"\xf1\xff\xff\xff")
    assert machine.flash[0x100] == 0x01
    assert not nvmc.program(0x102, b"\0\0\0\0") and not nvmc.program(0x100, b"\0")
    assert peek(nvmc, "READY") == 0
    machine.advance(round(2 * 41e-6 * HZ))
    assert peek(nvmc, "READY") == 1
    with pytest.raises(BusError, match="erase"):
        poke(nvmc, "ERASEPAGE", 0)
    poke(nvmc, "CONFIG", 2)
    poke(nvmc, "ERASEPAGE", 0x17)
    assert machine.flash == b"\xff" * 8192
    with pytest.raises(BusError, match="no flash page"):
        poke(nvmc, "ERASEPAGE", 0x10000)


def test_user_information_is_programmed_like_flash(machine: FakeMachine) -> None:
    uicr = Uicr(machine)
    uicr.nvmc = nvmc = Nvmc(machine, machine, uicr)
    with pytest.raises(BusError, match="UICR"):
        poke(uicr, "CUSTOMER[0]", 5)
    poke(nvmc, "CONFIG", 1)
    poke(uicr, "CUSTOMER[0]", 5)
    poke(uicr, "CUSTOMER[0]", 4)
    uicr.reset()  # a reset of the chip keeps it only through VirtualBoard, which leaves it alone
    poke(nvmc, "CONFIG", 2)
    poke(nvmc, "ERASEALL", 1)
    assert peek(uicr, "CUSTOMER[0]") == 0xFFFFFFFF
