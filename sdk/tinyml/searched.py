"""The artifact of a search, as later stages read it; nothing here needs torch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from tinyml.architecture import Network, read_network


@dataclass(frozen=True)
class Searched:
    """`folder` holds the record, its report, the chosen network and the weights that it had in the supernet."""

    folder: Path

    @property
    def record_file(self) -> Path:
        return self.folder / "record.json"

    @property
    def finished_file(self) -> Path:
        """The record again, with what became of the chosen network; absent until that is known."""
        return self.folder / "finished.json"

    @property
    def weights_file(self) -> Path:
        """State of the plain module; fine-tuning starts from it."""
        return self.folder / "chosen.pt"

    @property
    def network_file(self) -> Path:
        """The chosen network as it was found."""
        return self.folder / "network.toml"

    @property
    def report_file(self) -> Path:
        return self.folder / "search.html"

    def starts(self, network: Network, labels: tuple[str, ...]) -> bool:
        """Whether `network`, found by this search and not edited since, can start from its weights for `labels`."""
        found = network.found
        if found is None or found.labels != labels or not found.weights_sha256:
            return False
        if not (self.weights_file.is_file() and self.network_file.is_file()):
            return False
        kept = replace(read_network(self.network_file), found=None)
        return kept == replace(network, found=None) and sha256_of(self.weights_file) == found.weights_sha256


def sha256_of(path: Path) -> str:
    """Of the file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
