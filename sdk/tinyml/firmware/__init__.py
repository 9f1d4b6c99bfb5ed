"""Firmware images: linker script from the board, build, sizes, Intel HEX."""

from tinyml.firmware.app_config import IGNORED_LABELS, AppConfig
from tinyml.firmware.build import build
from tinyml.firmware.elf import Section, Symbol
from tinyml.firmware.image import PARTS, Image
from tinyml.firmware.intel_hex import intel_hex
from tinyml.firmware.linker import linker_script

__all__ = ["IGNORED_LABELS", "PARTS", "AppConfig", "Image", "Section", "Symbol", "build", "intel_hex", "linker_script"]
