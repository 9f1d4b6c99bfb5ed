"""Speech data: synthesis, import, licence audit, augmentation, and the training windows cut from streams.

`synthesise` and `import_folder` make a `Manifest`, `audit` judges it, `make_examples` turns it into int8 features.
"""

from __future__ import annotations

from tinyml.data.audio import load_pcm
from tinyml.data.manifest import Clip, Manifest, merge
from tinyml.data.synthesis import synthesise

__all__ = ["Clip", "Manifest", "load_pcm", "merge", "synthesise"]
