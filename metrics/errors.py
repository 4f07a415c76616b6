"""The one error type that the metrics raise for their user."""


class MetricError(ValueError):
    """Input that cannot be measured.

    The message names the file or argument, the value found, and what to change. Anything else that
    escapes from this package is a bug in it.
    """
