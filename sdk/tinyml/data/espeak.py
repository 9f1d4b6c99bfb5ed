"""espeak-ng in a process of its own: a client that survives the death of its worker.

The wheel `espeakng-loader` brings the library and its data; its licence (GPL-3.0-or-later) stays on the other side of
a pipe (`espeak_worker.py`). One client is one process; use one per thread.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from tinyml.errors import ProjectError, missing_extra

_WORKER = Path(__file__).with_name("espeak_worker.py")
_MODULE = "espeakng_loader"


@dataclass(frozen=True)
class Utterance:
    """What to say and how: `voice` is `en-us+f3`; rate in words/min (80-450), pitch and range 0-99."""

    text: str
    voice: str
    rate: int = 170
    pitch: int = 50
    range: int = 50


@dataclass(frozen=True)
class Speech:
    """int16 samples at `rate_hz`, or `error` and no samples."""

    samples: np.ndarray
    rate_hz: int
    error: str = ""


class _WorkerDied(Exception):
    pass


class Espeak:
    """A running espeak-ng. Use as a context manager.

    A batch during which the worker dies or hangs is repeated request by request in fresh workers; a request that
    kills its worker twice comes back as an error and the rest goes on.
    Raises: MissingToolError when the wheel is not installed; ProjectError when espeak-ng cannot start.
    """

    def __init__(self, *, timeout_s: float = 60.0, command: Sequence[str] | None = None) -> None:
        self._command = tuple(command) if command else _worker_command()
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self.restarts = 0

    def __enter__(self) -> Espeak:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the worker."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def speak(self, utterances: Sequence[Utterance]) -> list[Speech]:
        """Say each utterance; the order is kept and errors are per utterance."""
        answers = self._ask([{"do": "speak", **asdict(u)} for u in utterances])
        empty = np.zeros(0, dtype=np.int16)
        return [
            Speech(np.frombuffer(audio, dtype=np.int16), head["rate_hz"]) if "error" not in head
            else Speech(empty, 0, head["error"])
            for head, audio in answers
        ]  # fmt: skip

    def phonemes(self, texts: Sequence[str], voice: str) -> list[tuple[str, ...]]:
        """Phonemes of each text without stress marks; empty when espeak has nothing to say."""
        answers = self._ask([{"do": "phonemes", "text": t, "voice": voice} for t in texts])
        return [_phonemes(_checked(head)["phonemes"]) for head, _ in answers]

    def voices(self, language: str) -> list[dict[str, Any]]:
        """Voices of a language tag ("en", "de", "en-us"), or the timbres ("variant").

        Each has `file`, `tag`, `gender` (2 is female) and, for timbres, `formants`.
        """
        ((head, _),) = self._ask([{"do": "voices", "language": language}])
        return list(_checked(head)["voices"])

    def _ask(self, requests: list[dict[str, Any]]) -> list[tuple[dict[str, Any], bytes]]:
        try:
            return self._exchange(requests)
        except _WorkerDied:
            return [self._ask_alone(request) for request in requests]

    def _ask_alone(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        for _ in range(2):
            try:
                return self._exchange([request])[0]
            except _WorkerDied:
                self.restarts += 1
        return {"error": "espeak-ng crashed on this request"}, b""

    def _exchange(self, requests: list[dict[str, Any]]) -> list[tuple[dict[str, Any], bytes]]:
        """Send one line, read all answers. The worker reads the whole line before it answers, so pipes cannot clog."""
        process = self._process = self._process or _start(self._command)
        assert process.stdin is not None and process.stdout is not None
        watchdog = threading.Timer(self._timeout_s, process.kill)
        watchdog.start()
        answers = []
        try:
            process.stdin.write(json.dumps(requests).encode() + b"\n")
            process.stdin.flush()
            for _ in requests:
                head = json.loads(process.stdout.readline())
                size = 2 * head.get("samples", 0)
                audio = process.stdout.read(size)
                if len(audio) != size:
                    raise EOFError
                answers.append((head, audio))
            return answers
        except (OSError, ValueError, EOFError) as error:
            self.close()
            raise _WorkerDied from error
        finally:
            watchdog.cancel()


def _worker_command() -> tuple[str, ...]:
    if importlib.util.find_spec(_MODULE) is None:
        raise missing_extra("speech", _MODULE)
    import espeakng_loader

    library, data_dir = espeakng_loader.get_library_path(), espeakng_loader.get_data_path()
    return (sys.executable, "-I", str(_WORKER), str(library), str(data_dir))


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=1 << 16
        )
    except OSError as error:
        raise ProjectError(f"cannot start espeak-ng: {error}", hint="run `tinyml doctor`") from error


def _checked(head: dict[str, Any]) -> dict[str, Any]:
    if "error" in head:
        raise ProjectError(f"espeak-ng failed: {head['error']}", hint="run `tinyml doctor`")
    return head


def _phonemes(text: str) -> tuple[str, ...]:
    """Split espeak's `j_'E_s`; stress marks, pauses and language switches `(hi)` carry no sound."""
    parts = text.replace(" ", "_").split("_")
    bare = (p.strip("',%=_:|\x15") if not p.startswith("(") else "" for p in parts)
    return tuple(p for p in bare if p)
