"""Reading a TOML file into dataclasses, with errors that name the key and the nearest valid one."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from tinyml.errors import ProjectError

Kind = TypeVar("Kind")


def read_table(path: Path) -> dict[str, Any]:
    """The whole file. Raises: ProjectError when it cannot be read or is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(f"{path.name} is not valid TOML: {error}") from error
    except OSError as error:
        raise ProjectError(f"cannot read `{path}`: {error.strerror or error}") from error


def validated(kind: type[Kind], table: Mapping[str, Any], path: Path, what: str, reference: str) -> Kind:
    """`table` of the file `path`, which is `what` ("project file"), as a `kind`: a pydantic dataclass that forbids
    unknown keys. `reference` is the hint where no key is near ("docs/... lists every key"). Raises: ProjectError."""
    try:
        return TypeAdapter(kind).validate_python(dict(table))
    except ValidationError as error:
        raise _explain(error, kind, path, what, reference) from error


def _explain(error: ValidationError, kind: type, path: Path, what: str, reference: str) -> ProjectError:
    """The first problems of a validation, in the user's terms."""
    lines, hint = [], None
    unknown = ("unexpected_keyword_argument", "extra_forbidden")
    problems = sorted(error.errors(), key=lambda p: p["type"] not in unknown)  # a misspelt key is also missing
    for problem in problems[:5]:
        keys = [str(k) for k in problem["loc"]]
        where = ".".join(keys)
        if problem["type"] in unknown:
            lines.append(f"unknown key `{where}`")
            hint = hint or _did_you_mean(kind, keys)
        elif problem["type"] in ("missing", "missing_argument"):
            lines.append(f"`{where}` is missing")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(f"`{where}`: {message[:1].lower()}{message[1:]}, not {problem['input']!r}")
    return ProjectError(f"{path.name} is not a valid {what}: {lines[0]}", details=lines[1:],
                        hint=hint or reference)  # fmt: skip


def _did_you_mean(kind: type, keys: Sequence[str]) -> str:
    """The nearest key of the table that holds the last of `keys`."""
    names = [f.name for f in fields(_table_at(kind, keys[:-1]))]
    near = difflib.get_close_matches(keys[-1], names, n=1)
    return f"did you mean `{'.'.join([*keys[:-1], near[0]])}`?" if near else f"known keys here: {', '.join(names)}"


def _table_at(kind: Any, keys: Sequence[str]) -> Any:
    """The dataclass behind `keys`; numbers among them are places in a list."""
    for key in keys:
        if not key.isdigit():
            kind = _dataclass_in(get_type_hints(kind)[key])
    return kind


def _dataclass_in(hint: Any) -> Any:
    """The first dataclass of a type such as `tuple[Row, ...]` or `Row | None`."""
    if is_dataclass(hint):
        return hint
    return next(found for arg in get_args(hint) if arg is not type(None) and (found := _dataclass_in(arg)))
