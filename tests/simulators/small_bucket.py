"""An S3 server of a test's own: moto's, a process on loopback. It speaks S3 with parts, ranges and checksums, and checks no key."""

import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import httpx2
import pytest
from patience import until


class SmallBucket:
    """`endpoint`: where it listens."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def bucket(self) -> str:
        """The URL of a fresh bucket, as a hub's settings have it."""
        name = f"blobs-{secrets.token_hex(6)}"
        assert httpx2.put(f"{self.endpoint}/{name}").status_code == 200
        return f"s3://{name}/of-a-hub?endpoint={self.endpoint}&region=us-east-1"


@contextmanager
def small_bucket() -> Iterator[SmallBucket]:
    """The server, until the block ends. Skips the test where it is not installed."""
    if not find_spec("moto") or not find_spec("obstore"):
        pytest.skip("no S3 server for tests: pip install 'rapha[s3,dev]'")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    words = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ))
    try:
        until(lambda: server.poll() is not None or _listens(port), seconds=60, every=0.05)
        assert server.poll() is None
        yield SmallBucket(f"http://127.0.0.1:{port}")
    finally:
        server.kill()
        server.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
