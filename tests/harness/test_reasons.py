"""Why a request failed, in the words of a message: `harness.fetching.hosts.reason_of`."""

import http.client
import socket
import ssl

import pytest
import requests
from urllib3 import exceptions as urllib3
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from harness.fetching.hosts import reason_of

HOST = HTTPConnection("data.org", 80)
POOL = HTTPConnectionPool("data.org", 80)
REFUSED = urllib3.NewConnectionError(HOST, "Failed to establish a new connection: refused")


def given_up(reason):
    """Wrap a reason as requests does after the last attempt."""
    return requests.ConnectionError(urllib3.MaxRetryError(POOL, "/a.zip?key=1", reason))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (given_up(REFUSED), "data.org:80: Failed to establish a new connection: refused"),
        (
            given_up(urllib3.NameResolutionError("data.org", HOST, socket.gaierror(-2, "unknown"))),
            "data.org:80: Failed to resolve 'data.org' ([Errno -2] unknown)",
        ),
        (
            given_up(urllib3.ConnectTimeoutError(HOST, "Connection to data.org timed out.")),
            "Connection to data.org timed out.",
        ),
        (
            given_up(urllib3.ProxyError("Unable to connect to proxy", REFUSED)),
            "Unable to connect to proxy: "
            "data.org:80: Failed to establish a new connection: refused",
        ),
        (given_up(ssl.SSLError(1, "wrong version number")), "wrong version number"),
        (
            requests.ConnectionError(
                urllib3.ProtocolError("Connection aborted.", http.client.RemoteDisconnected("gone"))
            ),
            "Connection aborted: gone",
        ),
        (
            requests.exceptions.ChunkedEncodingError(
                urllib3.ProtocolError(
                    "Connection broken: IncompleteRead(3 bytes read)",
                    http.client.IncompleteRead(b"abc"),
                )
            ),
            "Connection broken: IncompleteRead(3 bytes read)",
        ),
        (requests.ReadTimeout("two\nlines"), "two lines"),
        (requests.ConnectionError(ConnectionResetError(104, "reset by peer")), "reset by peer"),
        (requests.RequestException(), "RequestException"),
    ],
)
def test_the_reason_stands_without_its_wrapping(error, words):
    assert reason_of(error) == words
