"""The errors that a user of the benchmark is meant to read."""


class HarnessError(Exception):
    """Bad input: the message names the file or key, the value found, and the fix."""


class StorageError(HarnessError):
    """The disk refused a write: it is full, over quota, or read-only."""


class MethodFailure(HarnessError):
    """A method broke its contract or raised; the run of the other methods goes on."""
