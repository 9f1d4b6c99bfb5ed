"""Training: the loop, augmentation of feature windows, checkpoints and metrics."""

from tinyml.train.checkpoint import Checkpoint, Checkpoints
from tinyml.train.config import TrainConfig
from tinyml.train.fit import TrainResult, fit
from tinyml.train.metrics import Metrics, evaluate, predict
from tinyml.train.start import start_from

__all__ = [
    "Checkpoint", "Checkpoints", "Metrics", "TrainConfig", "TrainResult", "evaluate", "fit", "predict", "start_from",
]  # fmt: skip
