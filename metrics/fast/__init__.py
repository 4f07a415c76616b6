"""The compiled path: loops that need numba, checked against the definitions beside the metrics."""
