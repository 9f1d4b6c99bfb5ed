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
    if unlicensed:
        log.print(f"[bold yellow]warning:[/] {', '.join(unlicensed)} holds clips without a licence: "
                  "this network may be evaluated, not shipped")  # fmt: skip
    if json:
        print_json({"steps": result.steps, "val_accuracy": result.val_accuracy, "unlicensed_sources": unlicensed})
        return
    out.print(f"trained {result.steps:,} steps, {result.val_accuracy:.3f} of the validation windows right (float)")
