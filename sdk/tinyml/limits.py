"""The `[limits]` of a project, checked against the compiled image before anything is flashed."""

from __future__ import annotations

from dataclasses import dataclass

from tinyml.board import Board
from tinyml.compiler.peak import Peak
from tinyml.errors import OverBudgetError, ProjectError
from tinyml.project import Config

DEFAULT_DUTY = 0.9
"""Without a limit of the project's own, a board that would be busy for more than this share is refused."""


@dataclass(frozen=True)
class Load:
    """Static estimate of the processor's load: cycles of a Cortex-M4 at zero wait states, times as the board has them.

    Latency and duty are None for a native program, whose times say nothing.
    """

    inference_cycles: int
    front_end_cycles_per_hop: int
    latency_ms: float | None
    duty: float | None


def estimate_load(config: Config, board: Board, inference_cycles: int, front_end_cycles_per_hop: int) -> Load:
    """Latency of an inference and share of the processor's time for inferences and the front end.

    Raises: ProjectError for a board whose core has no time model.
    """
    if board.status == "native":
        return Load(inference_cycles, front_end_cycles_per_hop, None, None)
    hops_per_second = 1000 / config.features.hop_ms
    cycles_per_second = (inference_cycles * config.detect.inferences_per_second
                         + front_end_cycles_per_hop * hops_per_second)  # fmt: skip
    return Load(inference_cycles, front_end_cycles_per_hop, board.milliseconds(inference_cycles),
                board.milliseconds(cycles_per_second) / 1000)  # fmt: skip


def check_needs(config: Config, board: Board) -> None:
    """Match `[needs]` and the front end against the board's firmware and features. Raises: ProjectError."""
    board.require_firmware()
    wanted = config.needs.microphone
    if wanted is None:
        return
    microphone = board.features.get("microphone")
    rate_hz = wanted.get("rate_hz", config.features.sample_rate_hz)
    if microphone is None:
        raise ProjectError(f"`{config.app.name}` needs a microphone, `{board.name}` has none",
                           hint="`tinyml boards` lists the others")  # fmt: skip
    given_hz = microphone["rate_hz"]
    stated = {"needs.microphone.rate_hz": rate_hz, "features.sample_rate_hz": config.features.sample_rate_hz}
    for key, value in stated.items():
        if value != given_hz:
            raise ProjectError(f"`{key}` is {value}, the microphone of `{board.name}` gives {given_hz} Hz",
                               hint=f"set it to {given_hz}")  # fmt: skip


def check_load(config: Config, board: Board, load: Load) -> None:
    """Raises: OverBudgetError when the estimated latency or duty breaks the project's limits."""
    if load.latency_ms is None or load.duty is None:
        raise ValueError(f"`{board.name}` runs natively: there are no times to check")
    duty_limit = config.limits.duty or DEFAULT_DUTY
    details = (
        f"inference {load.inference_cycles:,} cycles = {load.latency_ms:.1f} ms, "
        f"{config.detect.inferences_per_second} a second",
        f"front end {load.front_end_cycles_per_hop:,} cycles per {config.features.hop_ms} ms hop",
    )
    if load.duty > duty_limit:
        raise OverBudgetError(
            f"`{config.app.name}` keeps `{board.name}` busy {load.duty:.0%} of the time, the limit is {duty_limit:.0%}",
            details=details,
            hint=f"{_smaller(config)}, lower `detect.inferences_per_second`, or raise `limits.duty`",
        )
    if config.limits.latency_ms and load.latency_ms > config.limits.latency_ms:
        raise OverBudgetError(
            f"an inference of `{config.app.name}` takes {load.latency_ms:.1f} ms on `{board.name}`, "
            f"the limit is {config.limits.latency_ms:g} ms",
            details=details,
            hint=f"{_smaller(config)}, or raise `limits.latency_ms`",
        )


def _smaller(config: Config) -> str:
    """How to come to a smaller network."""
    own = config.model.architecture or config.model.module
    return "run `tinyml search`" if own else "run `tinyml search`, lower `model.width_mult`"


def check_memory(
    config: Config, board: Board, *, ram_bytes: int, flash_bytes: int, biggest: list[str], peak: Peak | None
) -> None:
    """`biggest` are the image's largest objects, `peak` is where the network's arena is fullest.

    Raises: OverBudgetError when the image breaks the project's own RAM or flash limit.
    """
    for what, used, limit in (
        ("RAM", ram_bytes, config.limits.ram_bytes),
        ("flash", flash_bytes, config.limits.flash_bytes),
    ):
        if limit is not None and used > limit:
            raise OverBudgetError(
                f"`{config.app.name}` breaks its limit on `{board.name}`: {what} needs {used:,} bytes, "
                f"`limits.{what.lower()}_bytes` allows {limit:,}",
                details=[*biggest, *(peak.details if peak and what == "RAM" else ())],
                hint=(f"{peak.advice}; " if peak and what == "RAM" else "")
                + f"{_smaller(config)}, or raise the limit in tinyml.toml",
            )


def check_accuracy(config: Config, accuracy: float) -> None:
    """Raises: OverBudgetError when the int8 network is worse on held-out clips than the project allows."""
    limit = config.limits.accuracy
    if limit is not None and accuracy < limit:
        raise OverBudgetError(
            f"the int8 network of `{config.app.name}` reaches {accuracy:.3f} on held-out clips, "
            f"`limits.accuracy` asks for {limit:.3f}",
            hint="add recordings (`tinyml data import`), train longer (`train.steps`), or lower the limit",
        )
