"""Everything a run produced, as the plain `RunRecord` that a report is made of."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tinyml import __version__
from tinyml.board import Board
from tinyml.compiler import Compiled
from tinyml.evaluate.offline import Evaluation
from tinyml.evaluate.stream import VirtualRun
from tinyml.firmware import PARTS, Image
from tinyml.project import Config
from tinyml.quantized import Quantized
from tinyml.report import collect as parts

if TYPE_CHECKING:
    from tinyml.data import Manifest


@dataclass(frozen=True)
class Sources:
    """The results of the stages; `training_dir` is the artifact folder of the float training."""

    config: Config
    config_text: str
    board: Board
    manifests: Mapping[str, Manifest]
    training_dir: Path
    quantized: Quantized
    evaluation: Evaluation
    compiled: Compiled
    image: Image
    run: VirtualRun


def collect(s: Sources) -> parts.RunRecord:
    """Gather the record. Nothing here needs torch."""
    now = datetime.now(UTC)
    training = json.loads((s.training_dir / "training.json").read_text())
    taught = ", to answer as its teachers do" if s.config.train.teachers else ""
    return parts.RunRecord(
        run_id=now.strftime("%Y%m%d-%H%M%S"), project=s.config.app.name, created=now.isoformat(timespec="seconds"),
        version=__version__, board=s.board.name, board_product=s.board.product, board_status=s.board.status,
        cpu_hz=s.board.cpu_hz, time_factor=s.board.time_factor, compiler=s.config.board.compiler,
        config=s.config_text, labels=s.evaluation.labels,
        curves=(parts.Curve(f"training (float{taught})", tuple(training["history"])),
                parts.Curve("quantisation-aware training", tuple(s.quantized.report["history"]))),
        accuracies=(("int8", s.evaluation.int8_accuracy, "held-out windows, the C that is flashed"),
                    ("float", s.evaluation.float_accuracy, "held-out windows"),
                    ("agreement", s.evaluation.agreement, "float and int8 give the same class")),
        confusion=s.evaluation.confusion, layers=_layers(s), steps=tuple(x.name for x in s.compiled.plan.steps),
        tensors=_tensors(s.compiled), arena_bytes=s.compiled.plan.arena_bytes,
        arena_lower_bound_bytes=s.compiled.plan.lower_bound_bytes, memories=_memories(s),
        simulation=_simulation(s), hop_ms=s.config.features.hop_ms,
        mistakes=tuple(parts.Mistake(m.features, m.label, m.predicted, m.probability) for m in s.evaluation.mistakes),
        ledger=_ledger(s.manifests),
    )  # fmt: skip


def _layers(s: Sources) -> tuple[parts.Layer, ...]:
    measured = s.run.result.layers
    return tuple(
        parts.Layer(x.name, x.op, x.macs, x.cycles, round(measured[x.symbol]), x.weight_bytes, x.code_bytes)
        for x in s.compiled.layers
    )


def _tensors(compiled: Compiled) -> tuple[parts.Tensor, ...]:
    return tuple(
        parts.Tensor(p.name, p.offset, p.size, p.first_step, p.last_step, p.kind)
        for p in compiled.plan.placements
    )


def _memories(s: Sources) -> tuple[parts.MemoryUse, ...]:
    limits = {s.board.regions["code"]: s.config.limits.flash_bytes, s.board.regions["data"]: s.config.limits.ram_bytes}
    filled: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for section in s.image.sections:
        filled[section.memory].append((PARTS.get(section.name, section.name), section.size_bytes))
    return tuple(
        parts.MemoryUse(m.name, m.length_bytes, tuple(filled[m.name]), limits.get(m.name))
        for m in s.board.memories if filled[m.name]
    )  # fmt: skip


def _simulation(s: Sources) -> parts.Simulation:
    r, heard = s.run.result, s.run.heard
    cycles = round(sum(r.layers.values()))
    return parts.Simulation(
        r.seconds, r.console, cycles, s.board.milliseconds(cycles), r.invocations, r.duty, r.stack_high_water_bytes,
        r.stack_bytes, r.lost_samples, r.missed_deadlines, r.mips, r.trace_sha256, r.functions,
        (heard.hits, heard.hits + heard.misses, heard.false_accepts) if heard else None,
        r.fault.message if r.fault else None,
    )  # fmt: skip


def _ledger(manifests: Mapping[str, Manifest]) -> tuple[parts.LedgerRow, ...]:
    rows: dict[tuple[str, str], list[float]] = defaultdict(list)
    for manifest in manifests.values():
        for clip in manifest.clips:
            rows[clip.source, clip.licence].append(clip.seconds)
    return tuple(parts.LedgerRow(source, licence, len(v), sum(v)) for (source, licence), v in sorted(rows.items()))
