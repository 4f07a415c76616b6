"""How functions are compiled, and where their machine code is kept."""

import atexit
import hashlib
import logging
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba import njit

Function = TypeVar("Function", bound=Callable[..., object])

# All of them release the interpreter's lock.
_OPTIONS: Any = {
    "nogil": True,
    "fastmath": {"contract", "reassoc", "nsz"},
    "error_model": "numpy",
}

_log = logging.getLogger(__name__)


def compiled(function: Function) -> Function:
    """Compile a function that Python calls, cached on disk where anything can be.

    Every compiled function that it calls must be one of `compiled_into_callers`.
    """
    made = njit(**_OPTIONS)(function)
    _keep(made)
    return cast(Function, made)


def compiled_into_callers(function: Function) -> Function:
    """Compile a function of which every caller holds its own inlined copy.

    Machine code that stays a call is linked by name to the first copy that the process loads, and
    the copies in different callers are optimised, and so rounded, differently. Which one is loaded
    first would depend on the cache and on what was measured before. For the same reason it is not
    cached: a caller is always optimised together with freshly compiled parts.
    """
    return cast(Function, njit(forceinline=True, **_OPTIONS)(function))


def compiled_exactly(function: Function) -> Function:
    """Compile a function into its callers that rounds each operation, as numpy does."""
    options = {**_OPTIONS, "fastmath": False}
    return cast(Function, njit(forceinline=True, **options)(function))


def _keep(dispatcher: Any) -> None:
    """Let numba cache a function beside its file, below the user's home, or in a new folder."""
    try:
        dispatcher.enable_caching()
    except RuntimeError:
        config: Any = numba.config
        config.CACHE_DIR = _temporary_folder()
        if not config.CACHE_DIR:
            return
        dispatcher.enable_caching()
    # numba looks at the date and size of the function's own file alone, but the machine code holds
    # copies of functions of the other files.
    dispatcher._cache._cache_file._source_stamp = _sources()
    save = dispatcher._cache.save_overload

    def save_if_possible(*overload: Any) -> None:
        try:
            save(*overload)
        except OSError as error:
            _warn(f"the compiled metrics cannot be cached ({error})")

    dispatcher._cache.save_overload = save_if_possible


@cache
def _sources() -> str:
    """Return the SHA-256 of all files of this folder, from which machine code is made."""
    content = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        content.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return content.hexdigest()


@cache
def _temporary_folder() -> str:
    """Make a folder that this process deletes at its end, or return "" where none can be made."""
    try:
        folder = tempfile.mkdtemp(prefix="fusion-metrics-")
    except OSError:
        _warn("found no writable folder, the compiled metrics are not cached")
        return ""
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _warn("found neither a writable checkout nor a writable home, the compiled metrics are cached")
    return folder


def _warn(problem: str) -> None:
    _log.warning(
        "metrics: %s; every process compiles them for about a minute. Set NUMBA_CACHE_DIR to a "
        "writable folder, or FUSION_METRICS_COMPILED=0",
        problem,
    )
