"""A TCP door in front of a server that shuts in the middle: connections cut at any byte."""
import contextlib
import socket
import threading


class Cutter:
    """Forwards to 127.0.0.1:port; each connection is cut after `next_cut()` bytes of its client.

    next_cut() returns None for a connection that may live.
    """

    def __init__(self, port, next_cut):
        self.target, self.next_cut, self.cuts = port, next_cut, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                try:
                    server = socket.create_connection(("127.0.0.1", self.target))
                except OSError:
                    client.close()
                    continue
                pair = (client, server)
                for source, sink, limit in ((client, server, self.next_cut()),
                                            (server, client, None)):
                    threading.Thread(target=self._carry, args=(pair, source, sink, limit),
                                     daemon=True).start()

    def _carry(self, pair, source, sink, left):
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                if left is not None and len(data) >= left:
                    sink.sendall(data[:left])  # half a message has gone through
                    self.cuts += 1
                    break
                sink.sendall(data)
                left = None if left is None else left - len(data)
        for each in pair:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
