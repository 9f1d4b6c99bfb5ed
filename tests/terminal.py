"""Programs as a terminal starts them."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence
from typing import Any


def started(command: Sequence[str], **settings: Any) -> subprocess.Popen:
    """The program in a session of its own, Ctrl-C not ignored: shells start what runs in the background with it
    ignored, programs hand that on, and tests may run there."""
    return subprocess.Popen(command, start_new_session=True, **settings,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # fmt: skip
