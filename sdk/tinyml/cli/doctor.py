"""`tinyml doctor`: what is installed, what is missing and the command that adds it."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from dataclasses import dataclass

import typer

from tinyml import __version__
from tinyml.cli.output import log, print_json, print_table
from tinyml.cli.session import Json

NAME = "doctor"


@dataclass(frozen=True)
class Check:
    """One thing the SDK can use. `needed`: without it a stage of the main path cannot run."""

    what: str
    found: bool
    needed: bool
    fix: str


def checks() -> list[Check]:
    """Look for modules and programs without importing or running them."""
    def module(name: str) -> bool:
        return importlib.util.find_spec(name) is not None

    return [
        Check("C compiler (ziglang)", module("ziglang"), True, "pip install ziglang"),
        Check("training (torch)", module("torch"), True, 'pip install "tinyml[train]"'),
        Check("audio augmentation (torchaudio)", module("torchaudio"), False, 'pip install "tinyml[train]"'),
        Check("virtual board (unicorn)", module("unicorn"), True, 'pip install "tinyml[sim]"'),
        Check("speech synthesis (espeakng-loader)", module("espeakng_loader"), True, 'pip install "tinyml[speech]"'),
        Check("flashing by probe (pyocd)", module("pyocd"), False, 'pip install "tinyml[flash]"'),
        Check("ONNX export check (onnxruntime)", module("onnxruntime"), False, 'pip install "tinyml[train]"'),
        Check("arm-none-eabi-gcc", shutil.which("arm-none-eabi-gcc") is not None, False,
              "apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi"),
        Check("flite (second voice)", shutil.which("flite") is not None, False, "apt-get install flite"),
        Check("qemu-system-arm", shutil.which("qemu-system-arm") is not None, False, "apt-get install qemu-system-arm"),
    ]  # fmt: skip


def command(json: Json = False) -> None:
    """Check this machine; exit 3 when something the main path needs is missing."""
    results = checks()
    if json:
        print_json({"tinyml": __version__, "python": sys.version.split()[0], "checks": results})
    else:
        state = {(True, True): "ok", (True, False): "ok", (False, True): "MISSING", (False, False): "absent (optional)"}
        rows = [[c.what, state[c.found, c.needed], "" if c.found else c.fix] for c in results]
        print_table(f"tinyml {__version__}, Python {sys.version.split()[0]}", ["what", "state", "to add it"], rows)
    missing = [c for c in results if c.needed and not c.found]
    if missing:
        log.print(f"{len(missing)} thing(s) that the main path needs are missing")
        raise typer.Exit(3)
