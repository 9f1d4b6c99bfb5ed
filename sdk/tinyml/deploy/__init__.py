"""Getting an image onto a board: runners behind one protocol."""

from __future__ import annotations

from tinyml.deploy.registry import choose, preferred, runners, runners_of
from tinyml.deploy.runner import DeployOptions, DeployResult, Image, Runner

__all__ = ["DeployOptions", "DeployResult", "Image", "Runner", "choose", "preferred", "runners", "runners_of"]
