"""Front ends: audio to int8 features, one C source for the host and for every board."""

from tinyml.features.log_mel import LogMel
from tinyml.features.spec import LogMelSpec
from tinyml.features.tables import write_c

__all__ = ["LogMel", "LogMelSpec", "write_c"]
