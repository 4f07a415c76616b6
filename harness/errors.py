"""The one error type that a user of the benchmark is meant to read."""


class HarnessError(Exception):
    """Bad input: the message names the file or key, the value found, and the fix."""
