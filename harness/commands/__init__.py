"""Commands for people, one a module: `add_parser` says what it takes, `run` does it."""
