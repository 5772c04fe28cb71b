"""A real HTTP server on this machine that answers as a test says; no engine stands behind it."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def serving(routes):
    """Serve `routes`: by "METHOD /path" a function of the request's document (None for a GET).

    It returns status and document; bytes go out as they are, None drops the connection.

    Yields:
        The server's address, and a list that every request's headers are added to.
    """
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            self.answer(None)

        def do_POST(self):
            self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def answer(self, document):
            seen.append(dict(self.headers))
            route = routes.get(f"{self.command} {self.path}")
            answered = (404, {"detail": "Not Found"}) if route is None else route(document)
            if answered is None:
                self.close_connection = True
                return
            status, body = answered
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
