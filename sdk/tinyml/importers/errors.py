"""The error for model files that cannot be imported."""

from __future__ import annotations

from tinyml.errors import ProjectError


class ModelError(ProjectError):
    """A model file is damaged, of a kind that is not supported, or holds an operator that is not supported."""
