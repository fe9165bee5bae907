"""A server in this process that answers as it is told to, faults included, and keeps what it was sent."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """One HTTP answer. ``cut`` sends fewer bytes than announced; ``delay_s`` waits before; ``drip_s`` between bytes."""

    body: bytes | str | dict[str, Any] = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    delay_s: float = 0.0
    drip_s: float = 0.0

    def data(self) -> bytes:
        body = json.dumps(self.body) if isinstance(self.body, dict) else self.body
        return body.encode() if isinstance(body, str) else body


def completion(*texts: str | None, **more: Any) -> dict[str, Any]:
    choices = [
        {"index": i, "message": {"role": "assistant", "content": t}, "finish_reason": "stop", **more}
        for i, t in enumerate(texts)
    ]
    return {"id": "x", "object": "chat.completion", "model": "m", "choices": choices}


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def text(self) -> str:
        return self.body["messages"][0]["content"][1]["text"]

    @property
    def picture(self) -> str:
        return self.body["messages"][0]["content"][0]["image_url"]["url"]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # clients may go away, that is no news
            super().handle_error(request, client_address)


class ScriptedServer:
    """``answer(request) -> Reply`` decides; by default the queue ``script`` is worked off, its last reply repeating."""

    def __init__(self) -> None:
        self.script: list[Reply] = []
        self.answer: Callable[[Request], Reply] = self._next
        self.requests: list[Request] = []
        self.most_at_once = 0
        self._now = 0
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                data = self.rfile.read(length)
                if len(data) < length:  # the client went away
                    self.close_connection = True
                    return
                request = Request(self.command, self.path, dict(self.headers), json.loads(data) if data else {})
                with outer._lock:
                    outer.requests.append(request)
                    outer._now += 1
                    outer.most_at_once = max(outer.most_at_once, outer._now)
                    reply = outer.answer(request)
                try:
                    outer._send(self, reply)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True
                finally:
                    with outer._lock:
                        outer._now -= 1

            do_GET = do_POST = _serve

            def log_message(self, *args: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def _next(self, request: Request) -> Reply:
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    def _send(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        time.sleep(reply.delay_s)
        data = reply.data()
        handler.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        sent = data[: len(data) - reply.cut]
        if reply.drip_s:
            for byte in sent:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                time.sleep(reply.drip_s)
        else:
            handler.wfile.write(sent)
        if reply.cut:
            handler.close_connection = True

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
