"""`tinyml eval`: the int8 network on held-out windows, beside the float one."""

from __future__ import annotations

from tinyml.cli.output import out, print_json, print_table
from tinyml.cli.session import HERE, Folder, Json, opened

NAME = "eval"


def command(project: Folder = HERE, json: Json = False) -> None:
    """Measure accuracy on held-out speakers and voices."""
    with opened(project) as p:
        result = p.evaluated
    if json:
        print_json(result.summary())
        return
    out.print(f"int8  {result.int8_accuracy:.3f} of {result.windows:,} held-out windows right")
    out.print(f"float {result.float_accuracy:.3f}; both agree on {result.agreement:.1%}")
    rows = [[label, f"{share:.3f}", count] for label, share, count in result.per_class()]
    print_table("", ["class", "recall", "windows"], rows)
