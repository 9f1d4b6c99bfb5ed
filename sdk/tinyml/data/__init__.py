"""Speech data: synthesis, import, licence audit, augmentation, and the training windows cut from streams.

`synthesise` and `import_folder` make a `Manifest`, `audit` judges it, `make_examples` turns it into int8 features.
"""

from __future__ import annotations

from tinyml.data.audit import Audit, audit
from tinyml.data.classes import check_classes
from tinyml.data.examples import ExampleSpec, make_examples
from tinyml.data.feature_set import FeatureSet
from tinyml.data.import_folder import import_folder
from tinyml.data.manifest import Clip, Manifest, merge
from tinyml.data.pcm import load_pcm
from tinyml.data.stream import StreamSpec, evaluation_stream
from tinyml.data.synthesis import synthesise

__all__ = [
    "Audit", "Clip", "ExampleSpec", "FeatureSet", "Manifest", "StreamSpec", "audit", "check_classes",
    "evaluation_stream", "import_folder", "load_pcm", "make_examples", "merge", "synthesise",
]  # fmt: skip
