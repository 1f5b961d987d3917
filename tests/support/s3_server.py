"""A server that speaks S3 on loopback, as a process of its own; objects by plain HTTP."""

import contextlib
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

from support.waiting import PATIENCE

_SERVE = """\
import logging, sys
from moto.server import ThreadedMotoServer
from werkzeug.serving import WSGIRequestHandler
WSGIRequestHandler.protocol_version = "HTTP/1.1"  # A client keeps its connection, as on S3.
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""

_HEADERS = {
    "Authorization": "AWS anyone:anything",
    "Content-Type": "application/octet-stream",
}


@dataclass(frozen=True)
class Bucket:
    """A bucket that was empty when the test began; `settings` is the clients' environment."""

    name: str
    endpoint: str

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "anyone",
            "AWS_SECRET_ACCESS_KEY": "anything",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def url(self, key: str) -> str:
        return f"s3://{self.name}/{key}"

    def put(self, key: str, data: bytes) -> str:
        self._ask("PUT", key, data)
        return self.url(key)

    def get(self, key: str) -> bytes:
        return self._ask("GET", key)

    def keys(self) -> list[str]:
        return self._listed("")

    def uploads(self) -> list[str]:
        """Return the keys of incomplete objects: some of their parts were sent."""
        return self._listed("?uploads")

    def _listed(self, question: str) -> list[str]:
        tree = ET.fromstring(self._ask("GET", "", question=question))  # noqa: S314 - our own server's
        return [key.text or "" for key in tree.iter() if key.tag.endswith("}Key")]

    def _ask(
        self, method: str, key: str, data: bytes | None = None, question: str = ""
    ) -> bytes:
        address = f"{self.endpoint}/{self.name}/{quote(key)}{question}"
        request = urllib.request.Request(address, data, _HEADERS, method=method)  # noqa: S310 - http
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - http
            body: bytes = answer.read()
        return body

    def make(self) -> "Bucket":
        self._ask("PUT", "")
        return self


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """Run a server of this process's own, on a free port; yield its address."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    with subprocess.Popen(
        [sys.executable, "-c", _SERVE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as running:
        assert running.stdout is not None
        assert running.stdin is not None
        port = running.stdout.readline().strip()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            running.stdin.close()
            running.wait(PATIENCE)
