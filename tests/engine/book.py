"""The outside world of tests that kill processes: a server with a book of its own, the judge.

It knows nothing of our tables. It takes its time before and after it writes down a payment, so that
a kill can come before, between and after.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Book:
    """What was really paid, by name. Starts serving at once; ``close()`` ends it."""

    def __init__(self, *, pause_seconds: float = 0.01) -> None:
        self.paid: dict[str, list[int]] = {}
        self.pause_seconds = pause_seconds
        self._number = itertools.count(1)
        self._lock = threading.Lock()
        book = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                time.sleep(book.pause_seconds)
                number = book.write(asked["name"])
                time.sleep(book.pause_seconds)
                self._answer({"receipt": number})

            def do_GET(self) -> None:
                [name] = parse_qs(urlsplit(self.path).query)["name"]
                self._answer({"receipts": book.paid.get(name, [])})

            def _answer(self, content: Any) -> None:
                body = json.dumps(content).encode()
                try:
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    self.close_connection = True  # whoever asked is dead

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # a killed client is what these tests are about

        self._server = Server(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def write(self, name: str) -> int:
        with self._lock:
            number = next(self._number)
            self.paid.setdefault(name, []).append(number)
        return number

    def counts(self) -> Counter[str]:
        return Counter({name: len(numbers) for name, numbers in self.paid.items()})

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
