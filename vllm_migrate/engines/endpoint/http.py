"""JSON over HTTP to one server, with errors in one line. Proxies of the environment are not used."""

from __future__ import annotations

import http.client
import json
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vllm_migrate.errors import EngineDiedError, EngineError, EngineStartError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

API_KEY = "VLLM_MIGRATE_API_KEY"
"""Environment variable with the key of a server that asks for one."""

OK, UNAUTHORISED, FORBIDDEN = 200, 401, 403
_LONGEST = 300  # characters of a server's own words


class Server:
    """One server. Safe to use from several threads; `stop` ends what any of them waits for.

    Args:
        url: `http://host:port`, with a path where the server is mounted under one.

    Raises:
        UsageError: that is no such URL.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
            raise UsageError(f"{url!r} is no server's address", hint="write http://host:port")
        if parts.username or parts.password:
            raise UsageError(
                "the server's address holds a user's name or password", hint=f"put a key into {API_KEY}"
            )
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._secure = parts.scheme == "https"
        self._host, self._port, self._path = parts.hostname, port, parts.path.rstrip("/")
        self._lock = threading.Lock()
        self._open: set[http.client.HTTPConnection] = set()
        self._stopped = False

    def get(self, path: str, *, seconds: float) -> tuple[int, Any]:
        """Status and JSON document of a GET; the document is None where the answer is no JSON.

        Raises:
            EngineError: there is no answer, or access is refused.
        """
        return self._ask("GET", path, None, seconds)

    def text(self, path: str, *, seconds: float) -> str:
        """What a GET brings, as text; "" where its status is not 200.

        Raises:
            EngineError: there is no answer, or access is refused.
        """
        status, body = self._ask("GET", path, None, seconds, read=_text)
        return str(body) if status == OK else ""

    def post(self, path: str, body: dict[str, Any], *, seconds: float) -> Any:
        """JSON document that a POST brings.

        Raises:
            EngineError: no answer, no JSON, or a status that is not 200; with the server's own words.
        """
        status, document = self._ask("POST", path, body, seconds)
        if status != OK:
            said = _said(document)
            raise EngineError(f"{self.url}{path} answered {status}{f': {said}' if said else ''}")
        if document is None:
            raise EngineError(f"{self.url}{path} answered with something that is no JSON")
        return document

    def stop(self) -> None:
        """End every request under way, from another thread; later ones fail at once."""
        with self._lock:
            self._stopped = True
            waiting = list(self._open)
        for connection in waiting:
            with suppress(OSError, AttributeError):
                connection.sock.shutdown(2)

    def _ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None,
        seconds: float,
        read: Callable[[bytes], Any] | None = None,
    ) -> tuple[int, Any]:
        if seconds <= 0:  # a socket takes no such limit
            raise EngineDiedError(f"no time was left to ask {self.url}{path}")
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=seconds)
        with self._lock:
            if self._stopped:
                raise EngineDiedError(f"{self.url} is not asked any more")
            self._open.add(connection)
        headers = {"Accept": "application/json"}
        if key := os.environ.get(API_KEY):
            headers["Authorization"] = f"Bearer {key}"
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        try:
            connection.connect()
        except OSError as error:
            self._forget(connection)
            raise EngineStartError(
                f"nothing answers at {self.url}: {error.strerror or error}", hint="is the server up?"
            ) from None
        try:
            connection.request(method, self._path + path, data, headers)
            response = connection.getresponse()
            status, document = response.status, (read or _document)(response.read())
        except TimeoutError:
            raise EngineDiedError(f"{self.url}{path} gave no answer in {seconds:.0f} seconds") from None
        except (OSError, http.client.HTTPException) as error:
            said = str(error) or type(error).__name__
            raise EngineDiedError(f"{self.url} broke off during {path}: {said}") from None
        finally:
            self._forget(connection)
        if status in (UNAUTHORISED, FORBIDDEN):
            raise EngineError(f"{self.url} refuses access ({status})", hint=f"put its key into {API_KEY}")
        return status, document

    def _forget(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            self._open.discard(connection)
        connection.close()


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def _document(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _said(document: Any) -> str:
    """What a server says of an error: OpenAI's form, vLLM's older one, or FastAPI's."""
    if not isinstance(document, dict):
        return ""
    error = document.get("error")
    said = error.get("message") if isinstance(error, dict) else error
    said = said or document.get("message") or document.get("detail") or ""
    line = " ".join(str(said).split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
