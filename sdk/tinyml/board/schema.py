"""What may stand in board.toml, soc.toml, arch.toml and driver files, and errors that name the wrong key."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from tinyml.errors import ProjectError

Scalar = bool | int | float | str
_UNITS = {"": 1, "kib": 1024, "mib": 1024**2, "gib": 1024**3}


def _bytes(value: object) -> object:
    """`"256KiB"` or a plain number of bytes. Raises: ValueError for other text."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d+)\s*([kmg]ib)?", value.strip().lower())
    if match is None:
        raise ValueError('should be a number of bytes or a text such as "256KiB" or "1MiB"')
    return int(match[1]) * _UNITS[match[2] or ""]


Bytes = Annotated[int, BeforeValidator(_bytes), Field(gt=0)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Sourced(_Strict):
    """A figure and the manual, or the estimate, that it comes from."""

    value: float = Field(gt=0)
    source: str = Field(min_length=1)


class MemoryTable(_Strict):
    name: Name
    origin: int = Field(ge=0, lt=2**32)
    length: Bytes
    dma: bool
    source: str = Field(min_length=1)


class TimeTable(_Strict):
    """Cycles of a core relative to the Cortex-M4's, with the relative errors of the fit that gave the factor."""

    factor: float = Field(gt=0)
    residual_rms: float = Field(ge=0)
    residual_max: float = Field(ge=0)
    source: str = Field(min_length=1)


class MeasuredTable(_Strict):
    """Published speed of one engine on one board, by network."""

    board: str
    hz: float = Field(gt=0)
    inferences_per_second: dict[str, Annotated[float, Field(gt=0)]]


class RunTable(_Strict):
    """The same software on a Cortex-M4 and on boards with another core."""

    software: str = Field(min_length=1)
    source: str = Field(min_length=1)
    cortex_m4: MeasuredTable
    others: list[MeasuredTable]


class TimesFile(_Strict):
    schema_: Literal[1] = Field(alias="schema")
    core: str
    run: list[RunTable]


class CpuTable(_Strict):
    fpu: str = ""
    zig_target: str = ""
    zig_flags: list[str] = []
    gcc_flags: list[str] = []
    time: TimeTable | None = None  # none: how long this core takes is not known


class ArchFile(_Strict):
    schema_: Literal[1] = Field(alias="schema")
    name: Name
    dsp: bool
    sources: list[str]
    cpu: dict[str, CpuTable]


class Regions(_Strict):
    """Which memory each part of an image goes to."""

    code: str
    data: str
    stack: str
    dma: str
    arena: str


class SocFile(_Strict):
    schema_: Literal[1] = Field(alias="schema")
    name: Name
    arch: Name
    cpu: str
    cpu_hz: Sourced
    svd: str | None = None
    interrupts: int = Field(default=0, ge=0, le=240)
    sources: list[str]
    drivers: list[str]
    memory: list[MemoryTable]
    regions: Regions


class Reserve(_Strict):
    stack_bytes: Bytes


class DeployTable(_Strict):
    """How images reach the board; `runners` in the order of preference, the other keys are the runners' own."""

    runners: list[str]
    pyocd_target: str | None = None
    uf2_family: int | None = None
    uf2_origin: int | None = None
    uf2_end: int | None = None
    uf2_board_id: str | None = None
    uf2_softdevice: str | None = None


class BoardFile(_Strict):
    schema_: Literal[1] = Field(alias="schema")
    name: Name
    product: str
    vendor: str
    soc: Name
    status: Literal["tested", "simulated", "builds", "native"]
    time_factor: Sourced
    sources: list[str]
    features: dict[str, dict[str, Scalar]]
    reserve: Reserve
    deploy: DeployTable


class KeyRule(_Strict):
    """The values that one key of a feature may take; without `default` the board has to state it."""

    min: int | None = None
    max: int | None = None
    choices: list[Scalar] | None = None
    default: Scalar | None = None


class DriverFile(_Strict):
    """A driver: the feature it provides, its C files and the keys that a board sets for it."""

    feature: str
    sources: list[str]
    source: str
    keys: dict[str, KeyRule] = {}


F = TypeVar("F", bound=BaseModel)


def read_file(model: type[F], path: Path) -> F:
    """Parse and validate one TOML file. Raises: ProjectError with the key, and the nearest valid one."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProjectError(f"the board file `{path}` does not exist") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(f"`{path}` is not valid TOML: {error}") from error
    try:
        return model.model_validate(table)
    except ValidationError as error:
        raise _explain(error, model, path) from error


def nearest(word: str, known: list[str]) -> str:
    """A hint: the known word that is meant, or all of them."""
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(known) or 'none'}"


def _explain(error: ValidationError, model: type[BaseModel], path: Path) -> ProjectError:
    lines, hint = [], None
    for problem in error.errors()[:5]:
        keys = [str(k) for k in problem["loc"]]
        where = ".".join(keys)
        if problem["type"] == "extra_forbidden":
            lines.append(f"unknown key `{where}`")
            hint = hint or nearest(keys[-1], _known_keys(model, keys[:-1]))
        elif problem["type"] == "missing":
            lines.append(f"`{where}` is missing")
        else:
            message = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
            lines.append(f"`{where}` {message}, not {problem['input']!r}")
    return ProjectError(f"{path}: {lines[0]}", details=lines[1:], hint=hint)


def _known_keys(model: Any, parents: list[str]) -> list[str]:
    """The keys of the table at `parents` inside `model`."""
    for key in parents:
        if key in model.model_fields:
            model = model.model_fields[key].annotation
            arguments = [a for a in getattr(model, "__args__", ()) if a is not type(None)]
            model = arguments[-1] if arguments else model
    return [field.alias or name for name, field in model.model_fields.items()]
