"""Entry of `python -m metrics`."""

from .cli import program

if __name__ == "__main__":
    program()
