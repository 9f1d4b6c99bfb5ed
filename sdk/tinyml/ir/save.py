"""Graphs on disk: a folder `NAME.tir/` with `graph.txt`, `consts.npz` and `digest`, renamed into place."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from tinyml.ir.graph import Graph
from tinyml.ir.op import GraphError
from tinyml.ir.text import from_text, to_text
from tinyml.ir.verify import verify
from tinyml.storage import writing_folder


def save(graph: Graph, directory: Path | str) -> Path:
    """Write `graph` as the folder `directory` (customarily NAME.tir), replacing what is there. Returns the folder."""
    directory = Path(directory)
    with writing_folder(directory, marker="graph.txt") as partial:
        (partial / "graph.txt").write_text(to_text(graph), newline="\n")
        np.savez(partial / "consts.npz", **{n: c.data for n, c in graph.consts.items() if c.data is not None})
        (partial / "digest").write_text(_digest(partial) + "\n")
    return directory


def _digest(directory: Path) -> str:
    digest = hashlib.sha256()
    for name in ("graph.txt", "consts.npz"):
        digest.update(hashlib.sha256((directory / name).read_bytes()).digest())
    return digest.hexdigest()


def load(directory: Path | str) -> Graph:
    """Read a graph that `save` wrote. Raises: GraphError when it is missing, damaged or of another version."""
    directory = Path(directory)
    try:
        stored = (directory / "digest").read_text().strip()
        if stored != _digest(directory):
            raise GraphError(f"the saved graph {directory} is damaged", hint="run the stage that wrote it again")
        graph = from_text((directory / "graph.txt").read_text())
        with np.load(directory / "consts.npz", allow_pickle=False) as data:
            arrays = {name: data[name] for name in data.files}
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise GraphError(f"there is no readable graph in {directory}", details=(str(error),)) from error
    for array in arrays.values():
        array.setflags(write=False)
    consts = {n: replace(c, data=arrays.get(n)) for n, c in graph.consts.items()}
    graph = replace(graph, consts=consts)
    verify(graph)
    return graph
