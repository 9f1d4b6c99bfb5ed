"""Which instances of a matrix-product kernel can run a layer: the one made for it, and those that can do more."""

from __future__ import annotations

from tinyml.ir.requantize import Rounding


def kernel_endings(rounding: Rounding, signed: bool, clamped: bool) -> tuple[str, ...]:
    """The ends of the variants' names, the layer's own kernel first.

    `signed`: negative results that are rounded away from zero can be seen (`needs_negative_fix`); `clamped`: the
    activation range is not what saturation gives. A signed kernel gives the same bytes where it is not needed, as long
    as the rounding is `double`: channels without a second rounding are told by their shift, and in all others a
    negative sum ends at or below the zero point with and without the fix, where the activation range begins or later.
    A kernel that clamps can clamp to all of int8.
    """
    fixes = (True,) if signed else (False, True) if rounding == "double" else (False,)
    clamps = (True,) if clamped else (False, True)
    return tuple("_signed" * fix + "_clamped" * clamp for clamp in clamps for fix in fixes)
