"""Measuring in a process of its own, so that no measurement changes the next one."""

import json
import os
import subprocess
import sys


def in_child(module, *arguments, threads=None):
    """Run a module, end with its errors if it fails, and return the JSON of its last line.

    `threads` limits what numerical libraries start; by default they choose.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    limit = {"OMP_NUM_THREADS": str(threads)} if threads else {}
    run = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **limit}
    )
    if run.returncode:
        sys.exit(f"{' '.join(command)}: failed\n{run.stderr[-3000:]}")
    return json.loads(run.stdout.splitlines()[-1])
