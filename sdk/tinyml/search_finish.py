"""What `tinyml search` ends with: the chosen network trained, quantised and measured, and hand-made ones beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from tinyml.compiler.cost import network_cost
from tinyml.nas.record import Baseline, Final, SearchRecord
from tinyml.pipeline import Project
from tinyml.project import Features, features_of
from tinyml.search_stage import HAND_MADE, SearchOutcome


def finish(project: Project, outcome: SearchOutcome) -> SearchRecord:
    """The record with what became of the chosen network, kept beside the search's own; its report is written anew.

    `project` uses the network that was found. All that takes long is a stage of the path, so that a stopped run goes
    on, and a run under another `[train]` is told what that makes of the network.
    Raises: OverBudgetError when the image breaks the project's limits.
    """
    from tinyml.report.search_report import write_search_report

    kept = outcome.searched
    record = replace(outcome.record, final=_final(project), baselines=tuple(_baselines(project, outcome)))
    record.save(kept.finished_file)
    write_search_report(record, kept.report_file, project.progress, project.board)
    return record


def _final(project: Project) -> Final:
    """Measured on the virtual board where there is one, a caller of about 100 bytes included; else as estimated."""
    from tinyml.bench import measure, sample_inputs

    report, board = project.quantized.report, project.board
    accuracies = report["float_accuracy"], report["int8_accuracy"]
    if "virtual" not in board.deploy["runners"]:
        cost = network_cost(project.graph, board.isa, rows=True)
        return Final(*accuracies, cost.arena_bytes, cost.flash_bytes, None)
    with TemporaryDirectory() as scratch:
        found = measure(project.graph, board, Path(scratch), compiler=project.config.board.compiler,
                        inputs=sample_inputs(project.graph, 1))  # fmt: skip
    return Final(*accuracies, found.arena_bytes, found.flash_bytes, found.cycles)


def _baselines(project: Project, outcome: SearchOutcome) -> Iterator[Baseline]:
    """The widest network of each kind that costs no more than the chosen one, trained as long, by those teachers that
    have its input; none where none fits."""
    from tinyml.nas.hand_made import scaled

    usual, every = Features().geometry, project.config.train.teachers
    able = tuple(t for t in every if t.architecture is None or usual == project.config.features.geometry)
    taught = "" if able == every else f", {len(able)} of {len(every)} teachers"
    for arch in HAND_MADE:
        found = scaled(arch, usual.shape[:2], len(project.config.labels), outcome.chosen.cost,
                       input_quant=project.features.quant, isa=project.board.isa)  # fmt: skip
        if found is None:
            continue
        width, cost = found
        model = {"arch": arch, "width_mult": width, "architecture": None}
        other = project.override(model=model, features=features_of(usual, arch), search={"enabled": False},
                                 train={"teachers": able})  # fmt: skip
        yield Baseline(f"{arch}, width {width:g}{taught}", other.trained.val_accuracy, cost)
