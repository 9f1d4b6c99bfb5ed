"""What all steps of `make search-figures` share: the digits, the space, the budgets, what is compared with what.

Search, random search and ablations see one fixed rotation: `TEST_SPEAKER` is held out, and so is `FITNESS_SPEAKER`,
whose clips, with synthesised voices not trained on either, are the fitness: what counts is a voice never heard.
The final networks are trained on all four rotations, each with three speakers and one held out.
"""

from __future__ import annotations

import hashlib
import json
from argparse import Namespace
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.acceptance.digits import DIGITS, SHARED, imported
from tinyml.architecture import Geometry
from tinyml.board import load_board
from tinyml.cli.output import ProgressBars, log
from tinyml.cli.session import announce
from tinyml.compiler.cost import NetworkCost
from tinyml.data import FeatureSet, import_folder
from tinyml.nas.budget import Budget
from tinyml.nas.costing import Costs
from tinyml.nas.record import Counts
from tinyml.nas.space import SearchSpace
from tinyml.nas.space_file import load_space
from tinyml.pipeline import Project
from tinyml.project import features_of
from tinyml.storage import write_text
from tinyml.template import create

CLIPS = SHARED / "data" / "spoken_digits"
SPLITS = SHARED / "data" / "splits" / "spoken_digits.csv"
REPOSITORY = Path(__file__).resolve().parents[3]
WORK = REPOSITORY / "acceptance" / "search"
SPEAKERS = ("george", "jackson", "lucas", "yweweler")
TEST_SPEAKER, FITNESS_SPEAKER = "george", "lucas"
VOICES = tuple(speaker for speaker in SPEAKERS if speaker != TEST_SPEAKER)
"""Who may be heard before the last word: each in turn validates what the other two have trained."""
SEEDS = (0, 1, 2)
CLASSES = 2 + len(DIGITS)
TRAIN_STEPS, FINAL_STEPS, QAT_STEPS = 1200, 3600, 150
"""Of a network by itself: to compare many, and of those that are compared in the end, hand-made ones too."""
EVALUATIONS, POPULATION = 300, 20
COUNTS = Counts(samples_per_space=1000, largest_steps=700, supernet_steps=3500, population=POPULATION,
                evaluations=EVALUATIONS, random_evaluations=EVALUATIONS)  # fmt: skip
TIGHT_SHARE = 0.6
"""The second cost at which networks are compared: 40 % fewer cycles and bytes than the template's own network needs."""


def space() -> SearchSpace:
    """The space that the kws template searches."""
    return load_space("kws", WORK)


@cache
def costs() -> Costs:
    return Costs(space(), CLASSES, load_board("nrf52840").isa)


@cache
def project() -> Project:
    """The digits, as a project of the kws template."""
    folder = WORK / "digits"
    if not folder.exists():
        WORK.mkdir(parents=True, exist_ok=True)
        create("kws", folder, board="nrf52840", words=DIGITS)
    return Project.load(folder, progress=bars(), announce=announce)


@cache
def bars() -> ProgressBars:
    return ProgressBars()


def rotation(speaker: str, geometry: Geometry) -> Project:
    """The project with one speaker held out, on a geometry of its own."""
    imported(project(), speaker, speaker, 0, Namespace(digits=CLIPS, splits=SPLITS))
    return _on(geometry, speaker)


def searched(geometry: Geometry, voice: str = FITNESS_SPEAKER) -> Project:
    """The project of the search: of the three speakers that are not tested, two train and `voice` validates."""
    name = "search" if voice == FITNESS_SPEAKER else f"search-{voice}"
    out = project().folder / "data" / name
    if not (out / "manifest.jsonl").is_file():
        part = {TEST_SPEAKER: "test", voice: "val"}
        rows = [row.split(",") for row in SPLITS.read_text().splitlines()[1:]]
        lines = ["file,label,speaker,index,split", *(",".join([*row, part.get(row[2], "train")]) for row in rows)]
        table = WORK / f"{name}.csv"
        write_text(table, "\n".join(lines) + "\n")
        import_folder(CLIPS, out, split_csv=table, licence="CC BY-SA 4.0", progress=bars())
    return _on(geometry, name)


def _on(geometry: Geometry, source: str) -> Project:
    return project().override(data={"sources": ("synth", source)}, features=features_of(geometry, source))


def spoken(chosen: Project, split: str = "test") -> FeatureSet:
    """The windows of a split's recorded clips alone."""
    alone = chosen.override(data={"sources": chosen.config.data.sources[1:]}).examples(split)
    said = np.flatnonzero(alone.clip >= 0)
    return FeatureSet(alone.x[said], alone.y[said], alone.clip[said], alone.labels)


def budgets(limit: NetworkCost) -> tuple[Budget, ...]:
    """As many cycles and bytes of arena as `limit` has, whatever the geometry; a quarter of a megabyte of flash."""
    return (Budget(limit.arena_bytes, 262_144, limit.cycles),) * len(space().geometries)


def kept(kind: str, key: object, make: Callable[[], Any]) -> Any:
    """What `make` gives, JSON-able; made once for a `key`, all that it depends on, so that what was killed loses little
    and what has changed is made anew."""
    path = kept_path(kind, key)
    if not path.is_file():
        write_text(path, json.dumps(make()))
    return json.loads(path.read_text())


def kept_path(kind: str, key: object) -> Path:
    """Where it is kept."""
    return WORK / kind / f"{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}.json"


def result_path(name: str) -> Path:
    return WORK / "results" / f"{name}.json"


def result(name: str) -> Any:
    """What a step found."""
    return json.loads(result_path(name).read_text())["found"]


def minutes(name: str) -> float:
    """How long the run took that found it."""
    return json.loads(result_path(name).read_text())["minutes"]


def keep(name: str, found: Any) -> None:
    write_text(result_path(name), json.dumps(found, indent=1, default=asdict))


def say(text: str) -> None:
    log.print(text, markup=False)
