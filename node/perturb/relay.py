"""TCP relays between nodes on loopback, which can be cut: a network that can be pulled out."""

from __future__ import annotations

import socket
import threading

CHUNK_BYTES = 1 << 16
CONNECT_S = 2.0


class Relay:
    """Listens on a free loopback port and passes everything on to another, until it is cut."""

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._server = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._is_cut = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.getsockname()[1])

    def cut(self) -> None:
        """End all connections and refuse new ones."""
        with self._lock:
            self._is_cut = True
            for each in self._open:
                _end(each)

    def mend(self) -> None:
        self._is_cut = False

    def close(self) -> None:
        self.cut()
        _end(self._server)
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._server.accept()
            except OSError:
                return  # closed
            try:
                if self._is_cut:
                    raise ConnectionRefusedError
                called = socket.create_connection(self._target, timeout=CONNECT_S)
            except OSError:
                caller.close()
                continue
            called.settimeout(None)
            with self._lock:
                self._open |= {caller, called}
                if self._is_cut:
                    _end(caller)
            for pair in ((caller, called), (called, caller)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(CHUNK_BYTES):
                target.sendall(data)
        except OSError:
            pass  # one end is gone, so the other goes as well
        with self._lock:
            for each in (source, target):
                _end(each)
            if source in self._open:
                # Both directions end together; whoever comes second closes.
                self._open -= {source, target}
                return
        source.close()
        target.close()


def _end(each: socket.socket) -> None:
    try:
        each.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # not connected any more
