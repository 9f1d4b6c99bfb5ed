"""Spoken words without a microphone: voices x accents x pitch x speed x vocal-tract length.

A timbre (espeak's `!v` variant, or the person behind another engine's voice) belongs to one split for ever; accents and
prosody are drawn freely. The vocal tract is scaled by reading the samples at another rate, which moves the formants;
pitch and tempo are asked for in advance so that they stay natural.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinyml.data.engines import Engine, Line, find_engines
from tinyml.data.espeak import Espeak, Utterance
from tinyml.data.manifest import FILE_NAME, Clip, Manifest
from tinyml.data.pcm import (
    FULL_SCALE,
    SAMPLE_RATE_HZ,
    content_hash,
    resample,
    rms_dbfs,
    to_int16,
    voiced_bounds,
    write_wav,
)
from tinyml.data.vocabulary import UnknownTexts, check_words, unknown_texts
from tinyml.data.voices import ESPEAK, SPLIT_SHARES, Timbre, hashed, timbres_by_split
from tinyml.errors import Progress, ProjectError, no_progress
from tinyml.storage import writing_folder

OTHER_ENGINES_SHARE = 0.25
LEVEL_DBFS = -20.0
_BATCH = 128
_NATURAL_RATE = 441
_RATE_STEPS = (392, 406, 420, 441, 462, 476, 490)  # /441: scales formants by -11 % to +11 %


@dataclass(frozen=True)
class _Order:
    """One clip to be made."""

    label: str
    split: str
    text: str
    voice: Timbre
    name: str
    rate: int
    pitch: int
    range: int
    tract: int


def synthesise(
    words: Sequence[str],
    out_dir: Path,
    *,
    clips: int,
    seed: int,
    unknown: bool = True,
    language: str = "en",
    engines: Sequence[str] | None = None,
    jobs: int | None = None,
    progress: Progress = no_progress,
) -> Manifest:
    """Speak every word, and texts for `unknown`, into `out_dir`; about `clips` clips in all, 80/10/10 in splits.

    `language` is an espeak language tag ("en", "de", "en-us"); `engines` limits the engines by name (default: espeak-ng
    and whatever else is installed and speaks that language). The same arguments give the same samples on one machine.
    Raises: ProjectError for words that cannot be spoken; MissingToolError without the speech extra.
    """
    out_dir = Path(out_dir)
    others = {n: e for n, e in find_engines().items() if engines is None or n in engines}
    with Espeak() as espeak:
        by_split = timbres_by_split(espeak, others, language)
        accent = by_split["train"][0].names[0].split("+")[0]
        spoken = check_words(words, lambda t: espeak.phonemes(t, accent), language)
        texts = {w: {s: (w,) for s in SPLIT_SHARES} for w in words}
        shares = dict.fromkeys(words, 1.0 / len(words))
        if unknown:
            texts["unknown"] = _unknown_by_split(unknown_texts(spoken, lambda t: espeak.phonemes(t, accent), seed))
            share = min(0.5, max(0.15, 2.0 / (len(words) + 3)))
            shares = {w: (1.0 - share) / len(words) for w in words} | {"unknown": share}
    orders = _plan(texts, shares, by_split, clips, random.Random(seed))
    with writing_folder(out_dir, FILE_NAME) as folder:
        made = _make(orders, folder, others, jobs or os.cpu_count() or 1, progress)
        notes = [n for e in others.values() for n in e.notes]
        if len(made) < len(orders):
            notes.append(f"{len(orders) - len(made)} of {len(orders)} synthesised clips failed and are left out")
        _check_made(made, orders)
        Manifest(folder, tuple(made), tuple(notes)).save()
    return Manifest.load(out_dir)


def _unknown_by_split(texts: UnknownTexts) -> dict[str, tuple[str, ...]]:
    """Confusable texts in every split; a common word in one split only, so that tests use words never trained on."""
    common: dict[str, list[str]] = {split: [] for split in SPLIT_SHARES}
    for word in texts.common:
        draw = int(hashed(word), 16) % 10
        common["test" if draw == 0 else "val" if draw == 1 else "train"].append(word)
    confusable = list(texts.near) + list(texts.partial)
    return {s: tuple(_interleave(confusable, c)) for s, c in common.items()}


def _interleave(a: list[str], b: list[str]) -> Iterator[str]:
    """Both lists, repeated so that each makes up about half."""
    if not a or not b:
        yield from a or b
        return
    for i in range(max(len(a), len(b))):
        yield a[i % len(a)]
        yield b[i % len(b)]


def _plan(
    texts: dict[str, dict[str, tuple[str, ...]]],
    shares: dict[str, float],
    by_split: dict[str, list[Timbre]],
    clips: int,
    rng: random.Random,
) -> list[_Order]:
    orders = []
    for label, of_split in texts.items():
        for split, share in SPLIT_SHARES.items():
            voices = [v for v in by_split[split] if v.engine == ESPEAK]
            others = [v for v in by_split[split] if v.engine != ESPEAK]
            choices = list(of_split[split])
            rng.shuffle(choices)
            for i in range(max(1, round(clips * shares[label] * share))):
                pool = others if others and rng.random() < OTHER_ENGINES_SHARE else voices
                orders.append(_order(label, split, choices[i % len(choices)], rng.choice(pool), rng))
    return orders


def _order(label: str, split: str, text: str, voice: Timbre, rng: random.Random) -> _Order:
    return _Order(
        label, split, text, voice, rng.choice(voice.names),
        rate=round(min(300.0, max(100.0, rng.gauss(175.0, 40.0)))),
        pitch=round(rng.uniform(20.0, 80.0)), range=round(rng.uniform(15.0, 85.0)), tract=rng.choice(_RATE_STEPS),
    )  # fmt: skip


def _make(orders: list[_Order], folder: Path, others: dict[str, Engine], jobs: int, progress: Progress) -> list[Clip]:
    for label in {o.label for o in orders}:
        (folder / label).mkdir()
    numbered = list(enumerate(orders))
    batches = [numbered[i : i + _BATCH] for i in range(0, len(numbered), _BATCH)]
    made: list[Clip] = []
    pool = ThreadPoolExecutor(jobs)
    try:
        for done, clips in enumerate(pool.map(lambda batch: _make_batch(batch, folder, others), batches), 1):
            made += clips
            progress("synthesising speech", min(done * _BATCH, len(orders)), len(orders))
    finally:
        pool.shutdown(cancel_futures=True)
    return made


def _make_batch(batch: list[tuple[int, _Order]], folder: Path, others: dict[str, Engine]) -> list[Clip]:
    """Clips of one batch, by a fresh espeak: its noise and flutter depend on what a process said before."""
    with Espeak() as espeak:
        speeches = iter(espeak.speak([_utterance(o) for _, o in batch if o.voice.engine == ESPEAK]))
    clips = []
    for number, order in batch:
        if order.voice.engine == ESPEAK:
            speech = next(speeches)
            samples, rate_hz = speech.samples / FULL_SCALE, speech.rate_hz
        else:
            line = Line(order.text, stretch=175.0 / order.rate, pitch=0.85 + 0.006 * (order.pitch - 20))
            samples, rate_hz = others[order.voice.engine].speak(line, order.name)
        pcm = _finish(samples, rate_hz, order.tract)
        if pcm is not None:
            clips.append(_store(folder / order.label / f"{order.split}_{number:05d}.wav", pcm, rate_hz, order))
    return clips


def _utterance(order: _Order) -> Utterance:
    rate = round(order.rate * _NATURAL_RATE / order.tract)
    return Utterance(order.text, order.name, min(450, max(80, rate)), order.pitch, order.range)


def _finish(samples: np.ndarray, rate_hz: int, tract: int) -> np.ndarray | None:
    """Scale the vocal tract, resample to 16 kHz, level the voiced part; None when nothing was said."""
    if len(samples) == 0 or not np.any(samples):
        return None
    samples = resample(np.asarray(samples, np.float32), rate_hz * tract, SAMPLE_RATE_HZ * _NATURAL_RATE)
    start, end = voiced_bounds(to_int16(samples))
    gain = 10.0 ** ((LEVEL_DBFS - rms_dbfs(samples[start:end])) / 20.0)
    peak = float(np.abs(samples).max())
    return to_int16(samples * min(gain, 0.97 / peak))


def _store(path: Path, pcm: np.ndarray, rate_hz: int, order: _Order) -> Clip:
    write_wav(path, pcm)
    return Clip(
        path=str(path.resolve()), label=order.label, split=order.split, speaker=order.voice.speaker,
        engine=order.voice.engine, licence=order.voice.licence, source="synthesised",
        seconds=len(pcm) / SAMPLE_RATE_HZ, sample_rate_hz=rate_hz, sha256=content_hash(pcm), voice=order.name,
        text=order.text,
    )  # fmt: skip


def _check_made(made: list[Clip], orders: list[_Order]) -> None:
    missing = {(o.label, o.split) for o in orders} - {(c.label, c.split) for c in made}
    if missing:
        raise ProjectError(
            "some classes have no clip: every attempt to speak them failed",
            details=[f"{label} ({split})" for label, split in sorted(missing)],
            hint="choose another word or language",
        )
