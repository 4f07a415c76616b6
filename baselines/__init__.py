"""One folder per method; see docs/add-a-baseline.md.

This file makes `baselines` a regular package. Without it, an installed package of the same name
would be imported instead, wherever it lies on the path.
"""
