"""`tinyml train`: data, features and the float network, only what is stale."""

from __future__ import annotations

from tinyml.cli.output import log, out, print_json
from tinyml.cli.session import HERE, Folder, Json, opened

NAME = "train"


def command(project: Folder = HERE, json: Json = False) -> None:
    """Train the network (resumes where a killed run stopped)."""
    with opened(project) as p:
        p.check_feasible()
        unlicensed = p.check_licences(allow_unlicensed=True)
        result = p.train().trained
        teachers = [teacher.title for teacher in p.config.train.teachers]
    if unlicensed:
        log.print(f"[bold yellow]warning:[/] {', '.join(unlicensed)} holds clips without a licence: "
                  "this network may be evaluated, not shipped")  # fmt: skip
    if json:
        print_json({"steps": result.steps, "val_accuracy": result.val_accuracy, "teachers": teachers,
                    "unlicensed_sources": unlicensed})  # fmt: skip
        return
    taught = f"taught by {', '.join(teachers)}, " if teachers else ""
    right = f"{result.val_accuracy:.3f} of the validation windows right (float)"
    out.print(f"trained {result.steps:,} steps, {taught}{right}")
