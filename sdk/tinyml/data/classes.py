"""Every word of a project needs recordings to learn from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from tinyml.data.manifest import Manifest
from tinyml.errors import ProjectError

LEAST_CLIPS = 2


def check_classes(manifests: Iterable[Manifest], words: Sequence[str]) -> None:
    """Raises: ProjectError naming the words with fewer than two training clips over all manifests."""
    counts = Counter(clip.label for m in manifests for clip in m.select(split="train", label=set(words)))
    thin = [f"{word}: {counts[word]} training clip(s)" for word in words if counts[word] < LEAST_CLIPS]
    if thin:
        raise ProjectError(
            f"{len(thin)} of {len(words)} words have nothing to learn from", details=thin,
            hint='add "synth" to `data.sources`, import recordings of these words, or remove them from `data.words`',
        )  # fmt: skip
