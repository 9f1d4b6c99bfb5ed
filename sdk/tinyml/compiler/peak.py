"""What an arena is full of at its fullest step, and what would make it smaller."""

from __future__ import annotations

from dataclasses import dataclass

from tinyml.compiler.plan import Placement, Plan


@dataclass(frozen=True)
class Peak:
    """The fullest step of a plan.

    `live` is what is in memory there, largest first. `next_step` is the fullest of the steps at which the largest
    buffer is not in memory, with `next_bytes` in use: what remains when that buffer shrinks; "" when it always is.
    """

    step: str
    bytes_used: int
    live: tuple[Placement, ...]
    next_step: str
    next_bytes: int

    @classmethod
    def of(cls, plan: Plan) -> Peak | None:
        """The peak of `plan`; None for a plan without steps."""
        if not plan.steps:
            return None
        at, live = plan.peak_step, plan.live_at(plan.peak_step)
        others = [s for s in range(len(plan.steps)) if live and not live[0].first_step <= s <= live[0].last_step]
        after = max(others, key=plan.bytes_used, default=None)
        return cls(plan.steps[at].name, plan.bytes_used(at), live, "" if after is None else plan.steps[after].name,
                   0 if after is None else plan.bytes_used(after))  # fmt: skip

    @property
    def largest(self) -> str:
        """The two largest buffers, as `conv_4 221,184 bytes, scratch of depthwise_5 920 bytes`."""
        return ", ".join(f"{_title(place)} {place.size:,} bytes" for place in self.live[:2])

    @property
    def details(self) -> tuple[str, ...]:
        """The lines of an error message about a network that does not fit."""
        return (f"the arena is fullest at layer `{self.step}`: {self.bytes_used:,} bytes in use",
                f"largest buffers there: {self.largest}")  # fmt: skip

    @property
    def advice(self) -> str:
        """What to change first, and how far that goes."""
        first = self.live[0]
        if first.kind == "scratch":
            change = f"make layer `{self.step}` smaller: most of what it needs is its own scratch"
        else:
            change = f"give `{first.name}` fewer channels or the network a lower resolution"
        if not self.next_step:
            return change
        return f"{change} (without `{_title(first)}` the arena needs {self.next_bytes:,} bytes, at `{self.next_step}`)"


def _title(place: Placement) -> str:
    return f"scratch of {place.name.removeprefix('scratch ')}" if place.kind == "scratch" else place.name
