"""Speech data: synthesis, import, licence audit, augmentation, and the training windows cut from streams.

`synthesise` and `import_folder` make a `Manifest`, `audit` judges it, `make_examples` turns it into int8 features.
"""

from __future__ import annotations

from tinyml.data.examples import ExampleSpec, make_examples
from tinyml.data.feature_set import FeatureSet
from tinyml.data.manifest import Clip, Manifest, merge
from tinyml.data.pcm import load_pcm
from tinyml.data.stream import StreamSpec, evaluation_stream
from tinyml.data.synthesis import synthesise

__all__ = [
    "Clip", "ExampleSpec", "FeatureSet", "Manifest", "StreamSpec", "evaluation_stream", "load_pcm", "make_examples",
    "merge", "synthesise",
]  # fmt: skip
