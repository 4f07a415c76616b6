"""What of a folder is fused already, and which of its pairs could not be fused."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.commands.image_pairs import PairFiles
from harness.disk.files import sha256, sha256_json
from harness.errors import HarnessError, StorageError
from metrics.texts import printable

RECORD = ".segfanet-fused.jsonl"
"""Name of the record in the folder of fused images: one line of JSON per image."""
SHOWN = 20
"""Number of failures that the final message describes."""


class FolderRun:
    """Goes through pairs, some of which may be finished and some of which may fail.

    A pair is finished if its image is there with the content that was written, from sources with
    the same content, by the same request. The record gets a line when an image is complete, so
    that an interrupted run goes on where it stopped. Without a folder, for two single files, there
    is no record, and a failure ends the run at once.

    Args:
        files: all pairs.
        folder: where the fused images lie.
        request: everything that the images depend on but the sources.
        again: whether finished pairs are fused again.
    """

    def __init__(
        self,
        files: Sequence[PairFiles],
        folder: Path | None,
        request: Mapping[str, Any],
        *,
        again: bool,
    ) -> None:
        self.files, self.request = files, dict(request)
        self.record = folder / RECORD if folder else None
        self.failures: list[str] = []
        self._known = {} if again or self.record is None else _read(self.record)

    def waiting(self, together: int = 1) -> list[Sequence[PairFiles]]:
        """Return the groups of `together` consecutive pairs that have to be fused.

        Images of one group depend on each other, so that a group is finished as a whole.
        """
        groups = [self.files[i : i + together] for i in range(0, len(self.files), together)]
        waiting = [group for group in groups if not self._is_finished(group)]
        finished = len(self.files) - sum(map(len, waiting))
        if finished:
            print(
                f"{finished} of {len(self.files)} pairs are finished and unchanged; "
                "--again fuses them again"
            )
        return waiting

    def _is_finished(self, group: Sequence[PairFiles]) -> bool:
        names = [pair.output.name for pair in group]
        if not all(name in self._known for name in names):
            return False
        try:
            key = self._key(group)
            return all(
                self._known[pair.output.name] == (key, sha256(pair.output)) for pair in group
            )
        except (OSError, HarnessError):
            # What cannot be read now is reported when it is read for fusing.
            return False

    def _key(self, group: Sequence[PairFiles]) -> str:
        sources = [[sha256(pair.infrared), sha256(pair.visible)] for pair in group]
        return sha256_json([self.request, sources, [pair.output.name for pair in group]])

    @contextmanager
    def attempt(self, group: Sequence[PairFiles]) -> Iterator[None]:
        """Fuse a group in this block: its failure is kept for the end, its success noted.

        Raises:
            HarnessError: as `fail`.
        """
        try:
            yield
        except HarnessError as error:
            self.fail(group, error)
        else:
            self._note(group)

    def fail(self, group: Sequence[PairFiles], error: HarnessError) -> None:
        """Keep the failure of a group for the end.

        Raises:
            StorageError: the same error, if the disk refuses an image; the others would not fit
                either.
            HarnessError: the same error, if there is only one pair.
        """
        if self.record is None or isinstance(error, StorageError):
            raise error
        self.failures += [f"{pair.infrared.name}: {error}" for pair in group]

    def _note(self, group: Sequence[PairFiles]) -> None:
        if self.record is None:
            return
        key = self._key(group)
        with self.record.open("a", encoding="utf-8") as stream:
            for pair in group:
                line = {"image": pair.output.name, "key": key, "sha256": sha256(pair.output)}
                stream.write(json.dumps(line) + "\n")

    def finish(self) -> None:
        """End the run.

        Raises:
            HarnessError: listing the pairs that failed, if there are any.
        """
        if not self.failures:
            return
        shown = [printable(failure) for failure in self.failures[:SHOWN]]
        more = len(self.failures) - len(shown)
        lines = [f"{len(self.failures)} of {len(self.files)} pairs failed", *shown]
        lines += [f"and {more} more"] if more else []
        lines.append("the other pairs are fused; the same command tries these again")
        raise HarnessError("\n  ".join(lines))


def _read(path: Path) -> dict[str, tuple[str, str]]:
    """Return image → key and hash; what is no such line, such as the last one of a kill, is not."""
    if not path.is_file():
        return {}
    found: dict[str, tuple[str, str]] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
            found[str(entry["image"])] = str(entry["key"]), str(entry["sha256"])
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
    return found
