"""`tinyml report`: one HTML file with everything that was measured."""

from __future__ import annotations

from tinyml.cli.output import out, print_json
from tinyml.cli.session import HERE, Folder, Json, opened

NAME = "report"


def command(project: Folder = HERE, json: Json = False) -> None:
    """Write the report of the current state (runs the virtual board)."""
    with opened(project) as p:
        path = p.report()
    if json:
        print_json({"report": path})
        return
    out.print(str(path))
