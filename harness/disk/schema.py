"""Checks of YAML files against the JSON schemas in `workflow/schemas`."""

from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from referencing import Registry, Resource

from harness.errors import HarnessError

ROOT = Path(__file__).resolve().parents[2]
"""The repository: the folder that holds the Snakefile and the packages."""
SCHEMAS = ROOT / "workflow" / "schemas"

# The compiled one takes a tenth of the time, and the workflow reads two files a method.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: Path) -> Any:
    """Safe-load a YAML file; a missing or broken one is a HarnessError that names it."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise HarnessError(f"{path}: cannot be read as YAML: {error}") from error


def check_schema(value: Any, schema_name: str, source: str) -> None:
    """Check `value` against `workflow/schemas/<schema_name>.schema.yaml`.

    Raises:
        HarnessError: naming `source`, the place inside it, and every violation.
    """
    try:
        errors = sorted(_validator(schema_name).iter_errors(value), key=lambda e: e.json_path)
        problems = [f"  {error.json_path}: {error.message}" for error in errors]
    except RecursionError as error:
        raise HarnessError(f"{source} is nested too deeply to be checked") from error
    if problems:
        raise HarnessError(f"{source} does not follow its schema:\n" + "\n".join(problems))


@cache
def _validator(schema_name: str) -> jsonschema.Draft202012Validator:
    registry: Registry[Any] = Registry(retrieve=_other_schema)  # type: ignore[call-arg]
    schema = read_yaml(SCHEMAS / f"{schema_name}.schema.yaml")
    return jsonschema.Draft202012Validator(schema, registry=registry)


def _other_schema(file: str) -> Resource[Any]:
    return Resource.from_contents(read_yaml(SCHEMAS / file))
