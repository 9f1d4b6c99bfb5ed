"""Networks that teach others: trained by themselves on the labels, once per place."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from tests.acceptance.search.setting import FINAL_STEPS, SEEDS, kept_path
from tests.acceptance.search.training import Network, first_weights, train_float
from tinyml.pipeline import Project
from tinyml.train.checkpoint import write_tensors
from tinyml.train.start import start_from


def trained(network: Network, project: Project, place: str) -> nn.Module:
    """A teacher, trained from scratch with the first seed as long as the finals are; `place` names whom it hears."""
    start = first_weights(network.build, SEEDS[0])
    path = kept_path("teachers", (network, start, FINAL_STEPS, place)).with_suffix(".pt")
    if not path.is_file():
        write_tensors(train_float(network.build, project, SEEDS[0], FINAL_STEPS).state_dict(), path)
    return start_from(network.build(SEEDS[0]), path).eval()


def lessons(teachers: Sequence[Network]) -> tuple[object, ...]:
    """What teachers add to the key of a training: all that their answers depend on but the place; nothing if none."""
    known = tuple((teacher, first_weights(teacher.build, SEEDS[0])) for teacher in teachers)
    return (known,) if known else ()
