"""What `tinyml search` ends with: the chosen network trained, quantised and measured, and hand-made ones beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tinyml.nas.record import Baseline, Final, SearchRecord
from tinyml.pipeline import Project
from tinyml.project import Features
from tinyml.search_stage import HAND_MADE, SearchOutcome


def finish(project: Project, outcome: SearchOutcome) -> SearchRecord:
    """The record with what became of the chosen network, kept beside the search's own; its report is written anew.

    `project` uses the network that was found. Everything is a stage of the path, so that a stopped run goes on.
    Raises: OverBudgetError when the image breaks the project's limits.
    """
    from tinyml.report.search_report import write_search_report

    kept = outcome.searched
    if kept.finished_file.is_file():
        return SearchRecord.load(kept.finished_file)
    record = replace(outcome.record, final=_final(project), baselines=tuple(_baselines(project, outcome)))
    record.save(kept.finished_file)
    write_search_report(record, kept.report_file, project.progress, project.board)
    return record


def _final(project: Project) -> Final:
    report = project.quantized.report
    layers = project.compiled.layers
    measured = None
    if project.board.has_firmware and "virtual" in project.board.deploy["runners"]:
        measured = round(sum(project.simulated.result.layers.values()))
    return Final(
        report["float_accuracy"], report["int8_accuracy"], project.compiled.plan.arena_bytes,
        sum(layer.code_bytes + layer.weight_bytes for layer in layers), measured,
    )  # fmt: skip


def _baselines(project: Project, outcome: SearchOutcome) -> Iterator[Baseline]:
    """The widest network of each kind that costs no more than the chosen one, trained as long; none where none fits."""
    from tinyml.nas.hand_made import scaled

    usual = Features()
    geometry = {"hop_ms": usual.hop_ms, "mel_bins": usual.mel_bins, "window_frames": usual.window_frames}
    for arch in HAND_MADE:
        found = scaled(arch, (usual.window_frames, usual.mel_bins), len(project.config.labels), outcome.chosen.cost,
                       input_quant=project.features.quant, isa=project.board.isa)  # fmt: skip
        if found is None:
            continue
        width, cost = found
        model = {"arch": arch, "width_mult": width, "architecture": None}
        other = project.override(model=model, features=geometry, search={"enabled": False})
        yield Baseline(f"{arch}, width {width:g}", other.trained.val_accuracy, cost)
