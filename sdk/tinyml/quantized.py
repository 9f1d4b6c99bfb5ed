"""The artifact of quantisation, as every later stage reads it; nothing here needs torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tinyml.ir.graph import Graph
from tinyml.ir.save import load


@dataclass(frozen=True)
class Quantized:
    """`folder` holds `model.tir`, its ONNX QDQ twin, the float network's answers and a report."""

    folder: Path

    @cached_property
    def graph(self) -> Graph:
        """The int8 network. Raises: ProjectError when the files were changed."""
        return load(self.graph_dir)

    @property
    def graph_dir(self) -> Path:
        return self.folder / "model.tir"

    @property
    def onnx_file(self) -> Path:
        return self.folder / "model.onnx"

    @property
    def float_answers_file(self) -> Path:
        """The class that the float network gives each test window."""
        return self.folder / "float_answers.npz"

    @property
    def report_file(self) -> Path:
        return self.folder / "report.json"

    @cached_property
    def report(self) -> dict[str, Any]:
        """Validation accuracy of the float and the int8 network, their agreement, and the loss of every step."""
        return json.loads(self.report_file.read_text())

    @property
    def sha256(self) -> str:
        """Identifies the network; the boot line of every image shows its beginning."""
        return (self.graph_dir / "digest").read_text().strip()
