"""Which voices exist and which split each belongs to; the answer depends on nothing but what is installed.

espeak's variants are grouped into families that share a vocal tract (the same numbers after `formant`) or a name
("mike", "mike2"): such variants differ in pitch or echo and would leak between splits.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from tinyml.data.engines import Engine
from tinyml.data.espeak import Espeak
from tinyml.errors import ProjectError

SPLIT_SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}
ESPEAK = "espeak-ng"
ESPEAK_LICENCE = "generated audio (engine: GPL-3.0-or-later)"
SAME_TRACT = 0.7
_ROBOTS = re.compile(r"robo|demonic|announcer|croak|tweaky|whisper|fast|klatt", re.IGNORECASE)
_NUMBERED_PEOPLE = re.compile(r"^[fm]\d$")  # f1..f5 and m1..m8 are different timbres; mike and mike2 are not
_TEST_FIRST = "kal"  # the oldest recording: least worth training on, and a hard test


@dataclass(frozen=True)
class Timbre:
    """One speaker: all `names` under which an engine offers the same vocal tract or person."""

    engine: str
    names: tuple[str, ...]
    speaker: str
    licence: str


def timbres_by_split(espeak: Espeak, others: dict[str, Engine], language: str) -> dict[str, list[Timbre]]:
    """Every timbre that speaks `language`, by the split it belongs to.

    Raises: ProjectError when espeak-ng does not know the language.
    """
    accents = sorted(v["file"] for v in espeak.voices(language) if v["file"] != "en-Shaw")  # another alphabet
    if not accents:
        raise ProjectError(f"espeak-ng has no language `{language}`", hint="name a language tag such as en, de, es, fr")
    by_split: dict[str, list[Timbre]] = {split: [] for split in SPLIT_SHARES}
    for split, family in _split_families(_families(espeak.voices("variant"))):
        names = tuple(f"{accent}+{variant}" for variant in family for accent in accents)
        by_split[split].append(Timbre(ESPEAK, names, f"{ESPEAK} {family[0]}", ESPEAK_LICENCE))
    for split, timbre in _recorded(others, language.split("-")[0]):
        by_split[split].append(timbre)
    return by_split


def _families(variants: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    families: list[list[dict[str, Any]]] = []
    for variant in sorted(variants, key=lambda v: v["file"].lower()):
        related = [f for f in families if any(_same(variant, member) for member in f)]
        families = [f for f in families if f not in related]
        families.append([member for f in related for member in f] + [variant])
    return families


def _same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    if _stem(a["file"]) == _stem(b["file"]):
        return True
    alike = SequenceMatcher(None, a["formants"], b["formants"], autojunk=False).ratio()
    return bool(a["formants"]) and alike >= SAME_TRACT


def _stem(name: str) -> str:
    return name if _NUMBERED_PEOPLE.match(name) else name.rstrip("0123456789").lower()


def _split_families(families: list[list[dict[str, Any]]]) -> list[tuple[str, list[str]]]:
    """A tenth of the women's and of the men's families for each of test and val; robots and big families train."""
    result = []
    for women in (False, True):
        group = [f for f in families if (f[0]["gender"] == 2) == women]
        human = [f for f in group if len(f) <= 3 and not any(_ROBOTS.search(v["file"]) for v in f)]
        human.sort(key=lambda f: hashed(f[0]["file"]))
        count = max(1, round(len(group) * SPLIT_SHARES["test"]))
        held_out = {id(f): "test" for f in human[:count]} | {id(f): "val" for f in human[count : 2 * count]}
        result += [(held_out.get(id(f), "train"), [v["file"] for v in f]) for f in group]
    return result


def _recorded(others: dict[str, Engine], language: str) -> list[tuple[str, Timbre]]:
    """Voices of other engines: a quarter of the people test, the rest train, each in one split."""
    voices = [v for engine in others.values() for v in engine.voices if v.language == language]
    people = sorted({v.speaker for v in voices}, key=lambda s: (s != _TEST_FIRST, hashed(s)))
    result = []
    for rank, person in enumerate(people):
        split = "test" if rank < len(people) // 4 else "train"
        for engine in others:
            own = [v for v in voices if v.speaker == person and v.engine == engine]
            if own:
                licence = f"generated audio (voice: {own[0].licence})"
                result.append((split, Timbre(engine, tuple(v.name for v in own), person, licence)))
    return result


def hashed(text: str) -> str:
    """A stable stand-in for randomness: sha256 in hex."""
    return hashlib.sha256(text.encode()).hexdigest()
