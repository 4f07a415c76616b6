"""YAML files against typed models: one home for every key's type, default and description."""

import re
import reprlib
from collections.abc import Iterator
from dataclasses import dataclass, is_dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Strict, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError, core_schema

from harness.errors import HarnessError, suggest
from metrics.texts import printable

ROOT = Path(__file__).resolve().parents[2]
"""The repository: the folder that holds the Snakefile and the packages."""

MOST_CHARACTERS = 2_000_000
"""Values and characters of texts that a YAML file may stand for, its aliases written out."""

T = TypeVar("T")

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
"""Settings of every model."""

SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = 80


class Model(BaseModel):
    """One section of a file. An unknown key, `"3"` for a number and `True` for 1 are refused."""

    model_config = ConfigDict(**STRICT, frozen=True)


Items = Annotated[tuple[T, ...], Strict(False)]
"""A list in the file, a tuple here."""


@dataclass(frozen=True)
class Matching:
    """Annotation of a text that must match `pattern` as a whole; `expected` says so in words."""

    pattern: str
    expected: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        """Check the text after its type."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """Give the pattern to editors."""
        return {**handler(schema), "pattern": f"^{self.pattern}$"}

    def check(self, text: str) -> str:
        """Return the text if it matches."""
        if not re.fullmatch(self.pattern, text):
            raise expected(self.expected)
        return text


@dataclass(frozen=True)
class Section:
    """Annotation of a mapping that `model` checks; the keys that the file gives are kept."""

    model: type[Model]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        """Check by the model, then return to a mapping."""
        inner = handler.generate_schema(self.model)
        return core_schema.no_info_after_validator_function(given, inner)


def given(section: Model | None) -> dict[str, Any]:
    """Return the keys that were given, without defaults."""
    return section.model_dump(exclude_unset=True) if section else {}


def expected(what: str) -> PydanticCustomError:
    """Return the error for a value that is not `what`, to be raised by a validator."""
    return PydanticCustomError("expected", "expected {what}", {"what": what})


NAME_RULE = "lower-case letters a-z, digits and _, a letter first, at most 64 characters"
Name = Annotated[str, Matching("[a-z][a-z0-9_]{0,63}", NAME_RULE)]
"""Name of a method or data set, which becomes part of paths."""
Text = Annotated[str, Matching(r"(?s:.+)", "a text that is not empty")]
Sha256 = Annotated[str, Matching("[0-9a-f]{64}", "64 hexadecimal digits in lower case")]
GitBlob = Annotated[str, Matching("[0-9a-f]{40}", "40 hexadecimal digits in lower case")]
"""Name of a file in a git repository: SHA-1 of `blob SIZE`, a zero byte and the content."""


class SafeLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Safe loader that refuses a key that stands twice in one mapping.

    The compiled one takes a tenth of the time, and the workflow reads two files per method.
    """

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Look for keys that stand twice, before merged ones (`<<`) join them."""
        seen = set()
        for key, _ in node.value:
            if key.tag.endswith((":merge", ":value")) or not isinstance(key, yaml.ScalarNode):
                continue
            if (key.tag, key.value) in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands twice; keep one", key.start_mark
                )
            seen.add((key.tag, key.value))
        super().flatten_mapping(node)


def _check_extent(value: Any) -> None:
    """Refuse a value that is huge once its aliases are written out, or holds unprintable texts.

    Aliases of aliases make a short file stand for billions of values, and one inside itself for
    endless ones; who writes it out, such as for a job, would never end.

    Raises:
        ValueError: saying which.
    """
    left = MOST_CHARACTERS
    waiting = [value]
    while waiting:
        item = waiting.pop()
        left -= 1 + (len(item) if isinstance(item, str) else 0)
        if left < 0:
            raise ValueError(f"it stands for more than {MOST_CHARACTERS} values and characters")
        if isinstance(item, dict):
            waiting += [*item, *item.values()]
        elif isinstance(item, list | tuple | set):
            waiting += item
        elif isinstance(item, str) and printable(item, len(item)) != item:
            raise ValueError(f"it holds control characters: {SHORT.repr(item)}; leave them out")


def read_yaml(path: Path) -> Any:
    """Safe-load a YAML file.

    Raises:
        HarnessError: naming the file, if it is missing, broken, gives a key twice, stands for an
            endless value, or holds control characters.
    """
    try:
        value = yaml.load(path.read_text(encoding="utf-8"), Loader=SafeLoader)
        _check_extent(value)
        return value
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise HarnessError(f"{path}: cannot be read as YAML: {error}") from error


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def check(kind: Any, value: Any, source: str) -> Any:
    """Return `value` as the model `kind`.

    Raises:
        HarnessError: naming `source` and, for every violation, the key, the value found, what
            is expected, and the nearest known name of an unknown key.
    """
    try:
        if is_dataclass(kind) and isinstance(kind, type) and isinstance(value, dict):
            # Strict validation takes an instance only; the constructor checks its arguments.
            return kind(**{str(key): item for key, item in value.items()})
        return _adapter(kind).validate_python(value)
    except ValidationError as error:
        problems = [_problem(kind, item) for item in error.errors(include_url=False)]
    except RecursionError as error:
        raise HarnessError(f"{source} is nested too deeply to be checked") from error
    lines = "".join(f"\n  {problem}" for problem in problems)
    raise HarnessError(f"{source} is not as expected:{lines}")


def _problem(kind: Any, error: Any) -> str:
    place, found = error["loc"], f"found {SHORT.repr(error['input'])}"
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        known = _keys_at(kind, place[:-1])
        return f"{_dotted(place[:-1], 'unknown key')} {place[-1]!r}; {suggest(place[-1], known)}"
    if place and place[-1] == "[key]":
        name = _dotted(place[:-2], "the name")
        return (
            f"{name} {SHORT.repr(error['input'])} cannot be used, expected {NAME_RULE}"
            " (YAML reads yes, no, on, off and bare digits as something else); choose another name"
        )
    if error["type"] in ("missing", "missing_argument"):
        return f"{_dotted(place[:-1], 'the key')} {place[-1]!r} is missing"
    if error["type"] in ("model_type", "dataclass_type", "dict_type"):
        return _dotted(place, f"{found}, expected keys with values")
    words = error["msg"].removeprefix("Value error, ")
    words = words.replace("valid tuple", "list")
    words = re.sub(r"^(Input|\w+) should (be|have) ", "expected ", words)
    return _dotted(place, f"{found}, {words}")


def _dotted(place: tuple[int | str, ...], rest: str) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return f"{text.removeprefix('.')}: {rest}" if text else rest


def _keys_at(kind: Any, place: tuple[int | str, ...]) -> list[str]:
    """Return the keys of the models at a place inside `kind`."""
    models = list(_models(kind))
    for part in place:
        inner = [model.__pydantic_fields__.get(part) for model in models]
        if any(inner):
            models = [found for field in inner if field for found in _models(_type_of(field))]
    return [key for model in models for key in model.__pydantic_fields__]


def _type_of(field: Any) -> Any:
    sections = [mark.model for mark in field.metadata if isinstance(mark, Section)]
    return sections[0] if sections else field.annotation


def _models(kind: Any) -> Iterator[Any]:
    if isinstance(kind, Section):
        yield kind.model
    elif hasattr(kind, "__pydantic_fields__"):
        yield kind
    else:
        for part in get_args(kind):
            yield from _models(part)
