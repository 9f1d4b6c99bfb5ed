"""What the front end costs, for budgets that are checked before an image runs."""

CYCLES_PER_HOP = 40_000
"""Cortex-M4 cycles of one hop at 16 kHz, 20 ms, 40 mel bins, rounded up from the virtual board's count."""
