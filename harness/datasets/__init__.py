"""Data set adapters: one module each, with `open_dataset(options) -> Dataset`."""
