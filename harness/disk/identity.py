"""What a result belongs to: what was asked for, and what it was made from.

A record states its identity: the `request`, which is everything that the result depends on but
its inputs, and the `inputs`, the content behind every record that the job read. The workflow
tells each job the identities that it asks for, and every reader compares.
"""

from collections.abc import Mapping
from typing import Any

from harness.disk.code import DIGITS
from harness.disk.files import sha256_json

Request = dict[str, Any]
"""Configuration slice, seed and code of one result, as `harness.stages.identity` states them."""
SHOWN = ("dataset", "row", "method", "stretch", "seed", "adapter")
"""Keys by which a person recognises a request."""


def identifier(request: Mapping[str, Any]) -> str:
    """Return the short name of a request, by which it is passed on and compared."""
    return sha256_json(dict(request))[:DIGITS]


def content_of(record: Mapping[str, Any]) -> str:
    """Return the short name of what lies behind a record: its request and its artefacts."""
    request = (record.get("identity") or {}).get("request")
    return sha256_json([request, record["status"], record["artefacts"]])[:DIGITS]


def described(request: Mapping[str, Any]) -> str:
    """Return the short name of a request and what a person recognises it by."""
    words = ", ".join(f"{key} {request[key]}" for key in SHOWN if key in request)
    return f"{identifier(request)} ({words})" if words else identifier(request)


def differences(found: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """Return in words where two requests differ, with files by their names; "" if nowhere."""
    words = []
    for key in sorted(found.keys() | asked.keys()):
        before, now = found.get(key), asked.get(key)
        # As they are hashed: True is not 1 there.
        if sha256_json(before) == sha256_json(now):
            continue
        if isinstance(before, dict) and isinstance(now, dict):
            names = sorted(n for n in before.keys() | now if before.get(n) != now.get(n))
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            words.append(f"{key}: {', '.join(names[:3])}{more}")
        else:
            words.append(f"{key}: {_short(before)} became {_short(now)}")
    return "; ".join(words)


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
