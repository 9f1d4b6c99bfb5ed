"""Importing torchaudio beside a CPU build of torch.

PyPI's torchaudio links its native extension against CUDA builds of torch, and importing it on a CPU build fails in
`torchaudio._extension`. Nothing here needs the extension, so that module is replaced by one that says it is absent:
transforms, functional, resampling and data-set listings work; `torchaudio.load` does not (soundfile decodes instead).
"""

from __future__ import annotations

import sys
from types import ModuleType

from tinyml.errors import missing_extra


def load_torchaudio() -> ModuleType:
    """The module `torchaudio`, imported. Raises: MissingToolError when it or torch is not installed."""
    try:
        try:
            import torchaudio
        except OSError:  # the extension does not load
            for name in [n for n in sys.modules if n == "torchaudio" or n.startswith("torchaudio.")]:
                del sys.modules[name]
            sys.modules["torchaudio._extension"] = _no_extension()
            import torchaudio
    except ModuleNotFoundError as error:
        raise missing_extra("train", error.name or "torchaudio") from error
    return torchaudio


def _no_extension() -> ModuleType:
    module = ModuleType("torchaudio._extension")
    module._IS_TORCHAUDIO_EXT_AVAILABLE = False  # type: ignore[attr-defined]
    module._IS_ALIGN_AVAILABLE = False  # type: ignore[attr-defined]
    module.fail_if_no_align = lambda function: function  # type: ignore[attr-defined]
    return module
