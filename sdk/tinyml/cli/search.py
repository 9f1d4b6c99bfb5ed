"""`tinyml search`: the network for this board, found by a search."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tinyml.board import Board
from tinyml.cli.output import log, out, print_json, print_table
from tinyml.cli.session import HERE, Folder, Json, opened
from tinyml.errors import UsageError
from tinyml.pipeline import Project
from tinyml.project import NETWORK_FILE
from tinyml.quantities import parse_bytes, parse_milliseconds, parse_seconds

if TYPE_CHECKING:
    from tinyml.nas.record import SearchRecord
    from tinyml.search_stage import SearchOutcome

NAME = "search"
INTERRUPTED = 130


def command(
    project: Folder = HERE,
    ram: Annotated[str | None, typer.Option(help="Most RAM of the whole image: 64k, 65536 (k = 1024).")] = None,
    flash: Annotated[str | None, typer.Option(help="Most flash of the whole image: 256k, 1M.")] = None,
    latency: Annotated[str | None, typer.Option(help="Longest inference on this board: 40ms.")] = None,
    budget: Annotated[str | None, typer.Option(help="Time for the search: 90s, 20m, 2h.")] = None,
    space: Annotated[str | None, typer.Option(help="A shipped search space, or a file: space.toml.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of samples, the supernet and evolution.")] = None,
    backend: Annotated[Literal["processes", "ray"], typer.Option(help="Where candidates are evaluated.")] = "processes",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes. Default: one per core.")] = None,
    ray_address: Annotated[str | None, typer.Option(help="ray: the cluster. Default: one on this machine.")] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Start over instead of going on.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what the board leaves for a network.")] = False,
    json: Json = False,
) -> None:
    """Search for the most accurate network that this board can run (goes on where a stopped one was)."""
    from tinyml.search_finish import finish
    from tinyml.search_stage import SearchOptions

    if ray_address and backend != "ray":
        raise UsageError("--ray-address needs --backend ray")
    stated = {
        "ram_bytes": _parsed("--ram", ram, parse_bytes), "flash_bytes": _parsed("--flash", flash, parse_bytes),
        "latency_ms": _parsed("--latency", latency, parse_milliseconds), "space": space, "seed": seed,
        "budget": budget if _parsed("--budget", budget, parse_seconds) else None,
    }  # fmt: skip
    stated = {key: value for key, value in stated.items() if value is not None}
    with opened(project) as p:
        p = p.override(search=stated)
        if dry_run:
            _show_budgets(p, json)
            return
        if p.config.search.enabled and stated:
            log.print("[bold yellow]warning:[/] `search.enabled` is true: the next `tinyml train` or `deploy` searches "
                      "again with what stands in [search\\]; put these options there")  # fmt: skip
        try:
            outcome = p.search(SearchOptions(backend, workers, ray_address, restart))
            record = finish(p, outcome)
        except KeyboardInterrupt:
            log.print("stopped; run the same command to go on, at most one step is repeated")
            raise typer.Exit(INTERRUPTED) from None
    if json:
        print_json(_summary(outcome, record, p))
    else:
        _show(outcome, record, p)


def _parsed(option: str, text: str | None, parse: Callable[[str], Any]) -> Any:
    """Raises: UsageError that names the option."""
    if text is None:
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error


def _show_budgets(p: Project, json: bool) -> None:
    stage = p.search_stage
    stage.check()
    budgets = stage.budgets
    if json:
        print_json({"board": p.board.name, "space": stage.space.name, "budgets": [
            {"geometry": geometry.title, "ram_bytes": b.ram_bytes, "flash_bytes": b.flash_bytes, "cycles": b.cycles}
            for geometry, b in zip(stage.space.geometries, budgets, strict=True)
        ]})  # fmt: skip
        return
    rows = [[geometry.title, b.ram_bytes, b.flash_bytes, b.cycles, f"{p.board.milliseconds(b.cycles):.1f} ms"]
            for geometry, b in zip(stage.space.geometries, budgets, strict=True)]  # fmt: skip
    print_table(f"left for a network on {p.board.name}", ["input", "RAM", "flash", "cycles", "time"], rows)


def _summary(outcome: SearchOutcome, record: SearchRecord, p: Project) -> dict[str, Any]:
    chosen = outcome.chosen
    return {
        "board": record.board, "spaces": [record.space.title(s) for s in record.chosen_spaces],
        "evaluations": len(record.evaluations), "pareto": len(record.pareto),
        "chosen": {"space": record.space.title(chosen.genome.space), "accuracy": chosen.accuracy,
                   "cost": chosen.cost, "flash_bytes": chosen.cost.flash_bytes, "budget": outcome.budget},
        "final": record.final, "baselines": record.baselines,
        "network": p.folder / NETWORK_FILE, "record": outcome.searched.record_file,
        "report": outcome.searched.report_file,
    }  # fmt: skip


def _show(outcome: SearchOutcome, record: SearchRecord, p: Project) -> None:
    chosen, budget = outcome.chosen, outcome.budget
    print_table("spaces searched, by what fits the board", ["space", "fitting", "mean MACs"], [
        [record.space.title(s.space), f"{s.fitting:,} of {s.sampled:,}", round(s.mean_macs)]
        for s in record.spaces if s.space in record.chosen_spaces
    ])  # fmt: skip
    out.print(f"\n{len(record.evaluations):,} networks tried, {len(record.pareto):,} of them in the Pareto set\n")
    cost = chosen.cost
    rows = [["RAM (arena)", f"{cost.arena_bytes:,} bytes", f"{budget.ram_bytes:,}"],
            ["flash", f"{cost.flash_bytes:,} bytes", f"{budget.flash_bytes:,}"],
            ["cycles", f"{cost.cycles:,}", "no limit" if budget.cycles is None else f"{budget.cycles:,}"],
            ["time", _milliseconds(p.board, cost.cycles), _milliseconds(p.board, budget.cycles)],
            ["MACs", f"{cost.macs:,}", ""]]  # fmt: skip
    print_table(f"chosen: {record.space.title(chosen.genome.space)}", ["", "needs", "budget"], rows)
    out.print()
    print_table("of the validation windows", ["network", "right", "cycles", "RAM (arena)", "flash"], [
        ["searched, int8", f"{record.final.int8_accuracy:.3f}", record.final.measured_cycles or cost.cycles,
         record.final.arena_bytes, record.final.flash_bytes],
        ["searched, float", f"{record.final.float_accuracy:.3f}", "", "", ""],
        ["with the supernet's weights", f"{chosen.accuracy:.3f}", "", "", ""],
        *([f"hand-made: {b.name}, float", f"{b.accuracy:.3f}", b.cost.cycles, b.cost.arena_bytes, b.cost.flash_bytes]
          for b in record.baselines),
    ])  # fmt: skip
    out.print(f"\nnetwork   {p.folder / NETWORK_FILE} (tinyml.toml names it; `tinyml deploy` runs it)")
    out.print(f"report    {outcome.searched.report_file}")


def _milliseconds(board: Board, cycles: int | None) -> str:
    return "" if cycles is None else f"{board.milliseconds(cycles):.1f} ms"
