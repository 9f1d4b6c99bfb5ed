"""C compilers: zig's clang from a wheel by default, arm-none-eabi-gcc when asked for; host or target."""

from tinyml.toolchain.compiler import OPTIMISE, WARNINGS, Compiler, Object, select
from tinyml.toolchain.host import host_library
from tinyml.toolchain.sources import CSources, write_sources

__all__ = ["OPTIMISE", "WARNINGS", "CSources", "Compiler", "Object", "host_library", "select", "write_sources"]
