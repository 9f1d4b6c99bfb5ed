"""`tinyml data synth|import|list|audit`: where the clips come from, and whether they may be shipped."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from tinyml.cli.output import ProgressBars, log, out, print_json, print_table
from tinyml.cli.session import HERE, Folder, Json, opened
from tinyml.errors import UsageError

app = typer.Typer(no_args_is_help=True, help="Synthesise, import, list and audit recordings.")


@app.command()
def synth(
    project: Folder = HERE,
    words: Annotated[str | None, typer.Option(help='Words of your own, e.g. "yes,no" (needs --out).')] = None,
    to: Annotated[Path | None, typer.Option("--out", help="Folder for the clips, outside a project.")] = None,
    clips: Annotated[int, typer.Option(min=1, help="With --words: number of clips.")] = 1000,
    seed: Annotated[int, typer.Option(help="With --words: seed.")] = 0,
    language: Annotated[str, typer.Option(help="With --words: language of the voices.")] = "en",
    json: Json = False,
) -> None:
    """Speak the words with every voice that is found, without the network."""
    from tinyml.data import synthesise

    if (words is None) != (to is None):
        raise UsageError("--words and --out belong together", hint='tinyml data synth --words "yes,no" --out clips')
    if words is not None and to is not None:
        with ProgressBars().shown() as bars:
            manifest = synthesise([w.strip() for w in words.split(",")], to, clips=clips, seed=seed, language=language,
                                  progress=bars)  # fmt: skip
    else:
        with opened(project) as p:
            manifest = p.override(data={"sources": ("synth",)}).manifests["synth"]
    _show(manifest, json)


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="A folder per label, or SPEECHCOMMANDS.")],
    project: Folder = HERE,
    name: Annotated[str | None, typer.Option(help="Name under data/. Default: the folder's.")] = None,
    licence: Annotated[str | None, typer.Option(help='Licence of the recordings, e.g. "CC BY 4.0".')] = None,
    speaker: Annotated[str | None, typer.Option(help="Regular expression whose group 1 is the speaker.")] = None,
    split_csv: Annotated[Path | None, typer.Option("--csv", help="CSV with file, label, speaker, split.")] = None,
    hold_out: Annotated[str | None, typer.Option(help="Speaker who is the test split.")] = None,
    enrol: Annotated[int, typer.Option(min=0, help="Recordings per word of test speakers that join training.")] = 0,
    json: Json = False,
) -> None:
    """Import recordings (WAV, FLAC, OGG; 8 to 48 kHz) and use them in training."""
    from tinyml.data import import_folder
    from tinyml.template import add_source

    with opened(project) as p:
        chosen = name or source.resolve().name
        manifest = import_folder(
            source, p.folder / "data" / chosen, licence=licence, speaker_pattern=speaker, split_csv=split_csv,
            hold_out=hold_out, enrol=enrol, progress=p.progress,
        )  # fmt: skip
        add_source(p.folder, chosen)
    _show(manifest, json)
    if any(not clip.licence for clip in manifest.clips):
        log.print("[bold yellow]warning:[/] clips without a licence are for evaluation only; "
                  "`tinyml deploy` will refuse them without --allow-unlicensed")  # fmt: skip


@app.command("list")
def list_(project: Folder = HERE, json: Json = False) -> None:
    """Clips per source, label and split."""
    with opened(project) as p:
        manifests = p.manifests
    rows = []
    for source, manifest in manifests.items():
        counts = Counter((c.label, c.split) for c in manifest.clips)
        for label in manifest.labels:
            rows.append([source, label, *(counts[label, split] for split in ("train", "val", "test"))])
    if json:
        keys = ("source", "label", "train", "val", "test")
        print_json([dict(zip(keys, row, strict=True)) for row in rows])
        return
    print_table("", ["source", "label", "train", "val", "test"], rows)


@app.command()
def audit(project: Folder = HERE, json: Json = False) -> None:
    """Licence ledger, split hygiene, loudness and bandwidth. Exits 1 when clips have no licence."""
    from tinyml.data import audit as audit_clips
    from tinyml.data import merge

    with opened(project) as p:
        result = audit_clips(merge(p.manifests.values(), p.folder / "data"))
    if json:
        print_json(result)
    else:
        rows = [[r.licence or "NONE", r.source, r.engine, r.clips, f"{r.seconds:.0f} s"] for r in result.ledger]
        print_table("", ["licence", "source", "engine", "clips", "length"], rows)
        for note in result.notes:
            out.print(f"note: {note}", markup=False)
        for warning in result.warnings:
            log.print(f"[bold yellow]warning:[/] {warning}")
        for problem in result.errors:
            log.print(f"[bold red]error:[/] {problem}")
    if not result.ok:
        raise typer.Exit(1)


def _show(manifest, json: bool) -> None:  # noqa: ANN001 (typing it would import the data package at start-up)
    counts = Counter(c.label for c in manifest.clips)
    if json:
        print_json({"root": manifest.root, "clips": len(manifest.clips), "labels": counts, "notes": manifest.notes})
        return
    out.print(f"{len(manifest.clips):,} clips in {manifest.root}")
    print_table("", ["label", "clips"], [[label, n] for label, n in sorted(counts.items())])
    for note in manifest.notes:
        log.print(f"note: {note}", markup=False)
