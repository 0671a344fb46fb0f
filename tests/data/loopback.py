"""A server on loopback that serves files as a publisher does, and fails as publishers fail."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Publisher:
    """What is served, and how. Each request is noted as (path, the Range header or "")."""

    files: dict[str, bytes] = field(default_factory=dict)  # by path
    status: dict[str, list[int]] = field(default_factory=dict)  # answers that come first
    cuts: dict[str, list[int]] = field(default_factory=dict)  # bytes before the connection breaks
    redirects: dict[str, str] = field(default_factory=dict)
    ranges: bool = True  # whether parts can be asked for
    validators: bool = True  # whether there is an ETag
    lengths: bool = True  # whether the length is told
    lie: bool = False  # answer a part with another part
    requests: list[tuple[str, str]] = field(default_factory=list)
    address: str = ""

    def url(self, path: str) -> str:
        return f"{self.address}{path}"


@contextmanager
def serve(publisher: Publisher) -> Iterator[Publisher]:
    """Serve on a free port of loopback until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, publisher)

        def log_message(self, *arguments: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    publisher.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield publisher
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(handler: BaseHTTPRequestHandler, publisher: Publisher) -> None:
    path, wanted = handler.path, handler.headers.get("Range", "")
    publisher.requests.append((path, wanted))
    if path in publisher.redirects:
        handler.send_response(302)
        handler.send_header("Location", publisher.redirects[path])
        handler.end_headers()
        return
    if publisher.status.get(path):
        handler.send_error(publisher.status[path].pop(0))
        return
    if path not in publisher.files:
        handler.send_error(404)
        return
    content = publisher.files[path]
    tag = f'"{hash(content)}"'
    start = _find_start(handler, publisher, wanted, tag)
    if start >= len(content) and start:
        handler.send_error(416)
        return
    body = content[start:]
    handler.send_response(206 if start else 200)
    if start:
        told = start + 1 if publisher.lie else start
        handler.send_header("Content-Range", f"bytes {told}-{len(content) - 1}/{len(content)}")
    if publisher.validators:
        handler.send_header("ETag", tag)
    if publisher.lengths:
        handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    cuts = publisher.cuts.get(path)
    handler.wfile.write(body[: cuts.pop(0)] if cuts else body)


def _find_start(
    handler: BaseHTTPRequestHandler, publisher: Publisher, wanted: str, tag: str
) -> int:
    same = handler.headers.get("If-Range", tag) == tag
    if not (publisher.ranges and wanted and same):
        return 0
    return int(wanted.removeprefix("bytes=").removesuffix("-"))
