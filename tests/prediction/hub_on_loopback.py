"""A stand-in for the Hugging Face hub on this machine: what the client asks for, and no more."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "a" * 40


class Hub:
    """The repositories by name, each a dict of path and content, and what was asked for."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.requests: list[str] = []
        self.address = ""


@contextmanager
def serve_hub() -> Iterator[Hub]:
    """Serve a hub without any model."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer_read()

    def do_GET(self) -> None:
        self._answer_read()

    def do_POST(self) -> None:
        self.hub.requests.append(f"POST {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Authorization") != "Bearer hf_of_the_test":
            self._send(401, b'{"error": "no right to write"}')
        elif self.path == "/api/repos/create":
            asked = json.loads(body)
            owner = asked.get("organization") or "somebody"
            self.hub.repositories.setdefault(f"{owner}/{asked['name']}", {})
            self._send_json({"url": f"{self.hub.address}/{owner}/{asked['name']}"})
        elif self.path == "/api/validate-yaml":
            self._send_json({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            files = json.loads(body)["files"]
            modes = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in files
            ]
            self._send_json({"files": modes})
        elif match := re.match(r"/api/models/([^/]+/[^/]+)/commit/", self.path):
            for line in body.decode().splitlines():
                row = json.loads(line)
                if row["key"] == "file":
                    content = base64.b64decode(row["value"]["content"])
                    self.hub.repositories[match[1]][row["value"]["path"]] = content
            url = f"{self.hub.address}/{match[1]}/commit/{COMMIT}"
            self._send_json({"commitUrl": url, "commitOid": COMMIT, "hookOutput": ""})
        else:
            self._send(404, b"{}")

    def _answer_read(self) -> None:
        self.hub.requests.append(f"{self.command} {self.path}")
        path = self.path.partition("?")[0].strip("/")
        found = re.match(r"(?:api/models/)?([^/]+/[^/]+)/?(.*)", path)
        files = self.hub.repositories.get(found[1]) if found else None
        if files is None or found is None:
            self._send(404, b'{"error": "Repository not found"}', {"X-Error-Code": "RepoNotFound"})
        elif found[2].startswith("resolve/"):
            self._send_file(files, found[2].split("/", 2)[2])
        elif found[2].startswith("tree/"):
            rows = [
                {"type": "file", "path": name, "size": len(content), "oid": _checksum(content)}
                for name, content in files.items()
            ]
            self._send_json(rows)
        else:
            names = [{"rfilename": name} for name in files]
            self._send_json({"id": found[1], "sha": COMMIT, "siblings": names})

    def _send_file(self, files: dict[str, bytes], name: str) -> None:
        if name not in files:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        headers = {"ETag": f'"{_checksum(files[name])}"', "X-Repo-Commit": COMMIT}
        self._send(200, files[name], headers)

    def _send_json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _checksum(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
