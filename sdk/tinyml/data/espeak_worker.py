"""A program of its own that speaks with espeak-ng; the only code that loads that library (GPL-3.0-or-later).

Started as `python espeak_worker.py LIBRARY DATA_DIR`; nothing of tinyml is imported here and this file is never
imported. Protocol: one line of JSON per batch on stdin, `[{"do": "speak" | "phonemes" | "voices", ...}, ...]`. For each
request, in order, stdout gets one line of JSON; after the line of a `speak` follow `"samples"` int16 in native order.
Source: espeak-ng's speak_lib.h.
"""

from __future__ import annotations

import ctypes
import json
import sys
from pathlib import Path
from typing import Any

_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS: espeak_Synth returns when the callback has had all samples
_DO_NOT_EXIT = 0x8000  # espeakINITIALIZE_DONT_EXIT
_RATE, _PITCH, _RANGE = 1, 3, 4  # espeak_PARAMETER
_UTF8 = 1
_SEED = 1
_PHONEME_SEPARATOR = ord("_") << 8


class _Voice(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("reserved", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    ]


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class _Engine:
    def __init__(self, library: str, data_dir: str) -> None:
        self._lib = ctypes.CDLL(library)
        self._data_dir = Path(data_dir)
        self._samples = bytearray()
        self._voice = ""
        self.rate_hz = self._lib.espeak_Initialize(_SYNCHRONOUS, 0, data_dir.encode(), _DO_NOT_EXIT)
        if self.rate_hz <= 0:
            raise RuntimeError(f"espeak_Initialize returned {self.rate_hz}")
        self._callback = _CALLBACK(self._take)  # kept alive: the library holds the pointer
        self._lib.espeak_SetSynthCallback(self._callback)
        self._lib.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        self._lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._lib.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_int]
        self._lib.espeak_Synth.argtypes = [
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint,
            ctypes.c_void_p, ctypes.c_void_p,
        ]  # fmt: skip
        self._lib.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
        self._libc = None if sys.platform == "win32" else ctypes.CDLL(None)

    def _take(self, samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            self._samples += ctypes.string_at(samples, 2 * count)
        return 0

    def _use(self, voice: str) -> None:
        if voice != self._voice:
            if self._lib.espeak_SetVoiceByName(voice.encode()) != 0:
                raise ValueError(f"no voice `{voice}`")
            self._voice = voice

    def speak(self, request: dict[str, Any]) -> bytes:
        self._use(request["voice"])
        for parameter, key in ((_RATE, "rate"), (_PITCH, "pitch"), (_RANGE, "range")):
            self._lib.espeak_SetParameter(parameter, int(request[key]), 0)
        self._reseed()
        self._samples.clear()
        text = request["text"].encode()
        status = self._lib.espeak_Synth(text, len(text) + 1, 0, 0, 0, _UTF8, None, None)
        if status != 0:
            raise ValueError(f"espeak_Synth returned {status}")
        return bytes(self._samples)

    def _reseed(self) -> None:
        """Breath noise comes from espeak's generator, seeded with the time at start, and from the C library's."""
        self._lib.espeak_ng_SetRandSeed(_SEED)
        if self._libc is not None:
            self._libc.srand(_SEED)

    def phonemes(self, request: dict[str, Any]) -> str:
        self._use(request["voice"])
        text = ctypes.create_string_buffer(request["text"].encode())
        cursor = ctypes.c_void_p(ctypes.addressof(text))
        clauses = []
        while cursor.value:
            clauses.append(self._lib.espeak_TextToPhonemes(ctypes.byref(cursor), _UTF8, _PHONEME_SEPARATOR) or b"")
        return b" ".join(clauses).decode("utf-8", "replace")

    def voices(self, language: str) -> list[dict[str, Any]]:
        """Voices of a language ("variant" lists the timbres): file name, gender (1 male, 2 female), formant lines."""
        wanted = _Voice(languages=ctypes.cast(ctypes.c_char_p(language.encode()), ctypes.c_void_p))
        found = self._lib.espeak_ListVoices(ctypes.byref(wanted) if language == "variant" else None)
        rows, index = [], 0
        while found[index]:
            voice = found[index].contents
            tag = ctypes.string_at(voice.languages + 1).decode() if voice.languages else ""  # first byte: priority
            if language == "variant" or tag.split("-")[0] == language or tag == language:
                file = voice.identifier.decode().split("/")[-1]
                formants = self._formants(file) if language == "variant" else []
                rows.append({"file": file, "tag": tag, "gender": voice.gender, "formants": formants})
            index += 1
        return rows

    def _formants(self, variant: str) -> list[str]:
        text = (self._data_dir / "voices" / "!v" / variant).read_text(encoding="utf-8", errors="replace")
        lines = (" ".join(line.split("//")[0].split()) for line in text.splitlines())
        return [line for line in lines if line.startswith("formant")]


def _answer(engine: _Engine, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    try:
        if request["do"] == "speak":
            audio = engine.speak(request)
            return {"rate_hz": engine.rate_hz, "samples": len(audio) // 2}, audio
        if request["do"] == "phonemes":
            return {"phonemes": engine.phonemes(request)}, b""
        return {"voices": engine.voices(request["language"])}, b""
    except (ValueError, KeyError) as error:
        return {"error": str(error)}, b""


def _main(library: str, data_dir: str) -> None:
    engine = _Engine(library, data_dir)
    out = sys.stdout.buffer
    for line in sys.stdin.buffer:
        for request in json.loads(line):
            head, audio = _answer(engine, request)
            out.write(json.dumps(head).encode() + b"\n")
            out.write(audio)
        out.flush()


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2])
