"""What `method.yaml` says about a file of weights."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from harness.disk.schema import (
    GitBlob,
    Items,
    Matching,
    Model,
    Name,
    Section,
    Sha256,
    expected,
)

FileName = Annotated[
    str, Matching("[A-Za-z0-9_][A-Za-z0-9 ._+()-]*", "a file name without folders")
]


class TrainedOn(Model):
    """The data that weights were trained on, as names of families of data sets."""

    certain: Items[Name] = Field((), description="families that the authors name or ship")
    possible: Items[Name] = Field((), description="families that cannot be excluded")
    pairs: dict[Name, Items[str]] = Field(
        {}, description="family → names of the training pairs, where they are public"
    )


class WeightFile(Model):
    """One file of the authors' weights."""

    file: FileName = Field(description="file name that the authors gave it")
    url: str | None = Field(None, description="address, pinned to a commit where possible")
    urls: Items[str] = Field((), description="further addresses of the same file, tried in turn")
    page: str | None = Field(None, description="where a person finds the file")
    sha256: Sha256 | None = Field(None, description="hash; a file with another one is refused")
    git_blob: GitBlob | None = Field(
        None, description="hash in the authors' git repository, beside or instead of `sha256`"
    )
    bytes: int | None = Field(None, ge=1, description="size of the file")
    licence: str = Field(description="licence of the file, or `none stated`")
    trained_on: TrainedOn | None = Field(
        None,
        description="`certain` and `possible` training data, as families of data sets, and `pairs`",
    )

    @model_validator(mode="after")
    def _can_be_verified(self) -> "WeightFile":
        if not self.sha256 and not self.git_blob:
            raise expected("`sha256` or `git_blob`, to know the right file")
        return self


WeightEntry = Annotated[dict[str, Any], Section(WeightFile)]


def by_name(value: Any) -> Any:
    """Return weight files by name; a single one that stands alone is called `official`."""
    return {"official": value} if isinstance(value, Mapping) and "file" in value else value
