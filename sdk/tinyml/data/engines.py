"""Speech engines: espeak-ng from the wheel, and flite, festival and piper where they are installed.

An engine says which voices it has, who speaks in each (`speaker`: one person may be recorded in several engines) and
turns a `Line` into float samples. Voices whose terms are not known are left out and named in `notes`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

TIMEOUT_S = 30.0


@dataclass(frozen=True)
class EngineVoice:
    """`name` as the engine calls it; `speaker` is the person behind it; `licence` the terms of the voice."""

    engine: str
    name: str
    speaker: str
    licence: str
    language: str = "en"


@dataclass(frozen=True)
class Line:
    """What to say: `stretch` multiplies the duration, `pitch` is relative to the voice's own (1.0)."""

    text: str
    stretch: float = 1.0
    pitch: float = 1.0


@dataclass
class Engine(ABC):
    """A program on PATH and the voices that it was found to have."""

    program: str
    voices: tuple[EngineVoice, ...] = ()
    notes: list[str] = field(default_factory=list)

    @abstractmethod
    def command(self, line: Line, voice: str, out: Path) -> tuple[list[str], str]:
        """The exact command line that writes `out` (WAV), and what it reads on standard input."""

    def speak(self, line: Line, voice: str) -> tuple[np.ndarray, int]:
        """Mono float samples and their rate in Hz; empty when the engine failed on this line."""
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "speech.wav"
            command, text = self.command(line, voice, out)
            try:
                subprocess.run(command, input=text.encode(), capture_output=True, timeout=TIMEOUT_S, check=True)
                samples, rate_hz = soundfile.read(out, dtype="float32", always_2d=True)
            except (subprocess.SubprocessError, OSError, soundfile.LibsndfileError):
                return np.zeros(0, dtype=np.float32), 0
            return samples.mean(axis=1), rate_hz


class Flite(Engine):
    """CMU Flite; its voices are those built into the program. Source: `flite --help`, doc/flite.texi."""

    def __init__(self, program: str) -> None:
        super().__init__(program)
        listed = _output([program, "-lv"]).partition(":")[2].split()
        names = [n for n in listed if not n.startswith("awb_time")]  # speaks clock times only
        self.voices = tuple(EngineVoice("flite", n, n.rstrip("0123456789"), "BSD-style (CMU Flite)") for n in names)

    def command(self, line: Line, voice: str, out: Path) -> tuple[list[str], str]:
        f0_hz = {"kal": 95.0, "slt": 165.0}.get(voice.rstrip("0123456789"), 110.0) * line.pitch
        return [
            self.program, "-voice", voice, "--setf", f"duration_stretch={line.stretch:.3f}",
            "--setf", f"int_f0_target_mean={f0_hz:.1f}", "-t", line.text, "-o", str(out),
        ], ""  # fmt: skip


class Festival(Engine):
    """Festival through its `text2wave` script. Source: festival manual, chapters "Voices" and "Tools"."""

    _FREE = re.compile(r"^(kal|ked|rab)_diphone$|^(cmu_us|cstr_us|nitech_us)_(\w+?)(_arctic)?(_\w+)?$")

    def __init__(self, program: str) -> None:
        super().__init__(program)
        festival = shutil.which("festival") or "festival"
        listed = re.findall(r"[\w.-]+", _output([festival, "-b", "(print (voice.list))"]))
        found = []
        for name in listed:
            match = self._FREE.match(name)
            if match is None:
                self.notes.append(f"festival voice {name} is not used: its terms are not known")
            else:
                found.append(EngineVoice("festival", name, match[1] or match[3], "BSD-style (Festvox)"))
        self.voices = tuple(found)

    def command(self, line: Line, voice: str, out: Path) -> tuple[list[str], str]:
        setup = f"(begin (voice_{voice}) (Parameter.set 'Duration_Stretch {line.stretch:.3f}))"
        return [self.program, "-eval", setup, "-F", "16000", "-o", str(out)], line.text


class Piper(Engine):
    """Piper with the voices (`NAME.onnx`, `.onnx.json`, MODEL_CARD) in `$PIPER_VOICES` or ~/.local/share/piper.

    A voice is used when the MODEL_CARD beside it states a licence. Source: README of the piper project.
    """

    def __init__(self, program: str) -> None:
        super().__init__(program)
        folders = os.environ.get("PIPER_VOICES", str(Path.home() / ".local" / "share" / "piper"))
        found = []
        for model in sorted(p for f in folders.split(os.pathsep) if f for p in Path(f).rglob("*.onnx")):
            licence = _model_card_licence(model)
            if licence is None:
                self.notes.append(f"piper voice {model.stem} is not used: no licence in a MODEL_CARD beside it")
                continue
            config = json.loads(model.with_name(model.name + ".json").read_text(encoding="utf-8"))
            for number in range(max(1, int(config.get("num_speakers", 1)))):
                name = f"{model}#{number}"
                language = str(config.get("espeak", {}).get("voice", "en")).split("-")[0]
                found.append(EngineVoice("piper", name, f"piper {model.stem}#{number}", licence, language))
        self.voices = tuple(found)

    def command(self, line: Line, voice: str, out: Path) -> tuple[list[str], str]:
        model, _, number = voice.rpartition("#")
        return [
            self.program, "--model", model, "--speaker", number, "--length_scale", f"{line.stretch:.3f}",
            "--output_file", str(out),
        ], line.text  # fmt: skip


def _model_card_licence(model: Path) -> str | None:
    card = model.with_name("MODEL_CARD")
    if not card.is_file() or not model.with_name(model.name + ".json").is_file():
        return None
    match = re.search(r"licen[cs]e:\**\s*(.+)", card.read_text(encoding="utf-8", errors="replace"), re.IGNORECASE)
    return match[1].strip() if match else None


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return ""
    return (done.stdout + done.stderr).decode("utf-8", "replace")


def programs_on_path() -> tuple[str, ...]:
    """Which of the engines' programs are installed; what is synthesised depends on it."""
    return tuple(name for name in ("flite", "text2wave", "piper") if shutil.which(name))


def find_engines() -> dict[str, Engine]:
    """The second engines on PATH that have at least one usable voice, by name."""
    found: dict[str, Engine] = {}
    if program := shutil.which("flite"):
        found["flite"] = Flite(program)
    if program := shutil.which("text2wave"):
        found["festival"] = Festival(program)
    program = shutil.which("piper")
    if program and "--length" in _output([program, "--help"]):  # another program of that name configures mice
        found["piper"] = Piper(program)
    return {name: engine for name, engine in found.items() if engine.voices or engine.notes}
