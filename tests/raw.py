"""Servers that say exactly the bytes they are given, for what no portal would do."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Self

Talk = Callable[[socket.socket], None]


class Raw:
    """Listens on 127.0.0.1; ``answer``: the bytes to send once a whole request has come, or what to do with the connection.

    ``received`` holds every byte that came, ``requests`` counts requests, ``connections`` counts connections.
    """

    def __init__(self, answer: bytes | Talk = b"", *, tls: ssl.SSLContext | None = None, read: bool = True) -> None:
        self._answer, self._tls, self._read = answer, tls, read
        self.received, self.requests, self.connections = b"", 0, 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/v1"
        self._open: list[socket.socket] = []
        self._lock, self._closing = threading.Lock(), threading.Event()
        self._threads = [threading.Thread(target=self._listen, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for opened in self._open:
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    @property
    def closing(self) -> threading.Event:
        """Set when the server is closed: what a talk that never ends waits for."""
        return self._closing

    def _listen(self) -> None:
        while True:
            try:
                opened, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(opened)
            thread = threading.Thread(target=self._talk, args=(opened,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _talk(self, opened: socket.socket) -> None:
        with contextlib.suppress(OSError, ssl.SSLError), opened:
            if self._tls is not None:
                opened = self._tls.wrap_socket(opened, server_side=True)
            while not self._read or self._request(opened):
                if callable(self._answer):
                    self._answer(opened)
                    return
                opened.sendall(self._answer)

    def _request(self, opened: socket.socket) -> bool:
        """Read one request to its end; false where none came."""
        seen = b""
        while b"\r\n\r\n" not in seen:
            if not (piece := opened.recv(65536)):
                return False
            seen += piece
        head, _, body = seen.partition(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
        while len(body) < length:
            body += opened.recv(65536)
        with self._lock:
            self.received += head + b"\r\n\r\n" + body
            self.requests += 1
        return True
