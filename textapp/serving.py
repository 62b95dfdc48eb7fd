"""A model behind HTTP, with Python's own server: for one machine and a few users, not for the open internet."""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import json
import logging
import socket
import socketserver
import sys
import threading
import typing
from collections.abc import Iterator
from typing import Any

from textapp.errors import UserError
from textapp.models import Classifier, Generator
from textapp.models.sampling import Sampling
from textapp.prediction import answers

LARGEST_BODY = 1_000_000  # bytes
MOST_DROPPED = 100 * LARGEST_BODY  # of a body that is too large
MOST_TEXTS = 1_000  # to classify at a time
MOST_PROMPTS = 16  # to continue at a time
SILENCE = 30.0  # seconds that a client may say nothing
LOGGER = logging.getLogger(__name__)
SETTINGS = {field.name: typing.get_type_hints(Sampling)[field.name] for field in dataclasses.fields(Sampling)}


class Server(http.server.ThreadingHTTPServer):
    """Answers for one model, which is asked one thing at a time; no client waits until another has read its answer.

    `GET /` tells which model it is, `GET /healthz` that it answers. `POST /predict` with {"texts": [...]} gives
    {"answers": [{"label", "score"}]}.
    `POST /generate` with {"prompt": "..."} and any field of `Sampling`, or "label", gives the text as it is written,
    in UTF-8; with {"prompts": [...]} it gives {"texts": [...]}. What cannot be answered gets 400 and {"error"}, and 500
    where the model fails; a text that was begun then ends without its last chunk.

    Args:
        model: a classifier or a generator.
        host, port: where to listen; port 0 for any that is free.
    """

    daemon_threads = False  # so that `server_close` waits for the answers that were begun
    request_queue_size = 128  # connections that wait to be taken

    def __init__(self, model: Classifier | Generator, *, host: str = "127.0.0.1", port: int = 8000):
        self.model, self.lock, self.open_requests = model, threading.Lock(), set()
        super().__init__((host, port), Handler)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer's own asks the network for the machine's name
        self.server_name, self.server_port = self.socket.getsockname()[:2]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what failed, but for clients that went away."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            LOGGER.exception("a request failed")

    def shutdown_request(self, request: Any) -> None:
        self.open_requests.discard(request)
        super().shutdown_request(request)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open_requests.add(request)
        super().process_request(request, client_address)

    def stop(self) -> None:
        """Take no more connections, let the answers that were begun end, and close those that wait for a request."""
        self.shutdown()
        for request in list(self.open_requests):
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RD)  # what waits for the next request finds an end
        self.server_close()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{self.server_name}:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    """One client's requests."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "textapp", ""
    timeout = SILENCE
    disable_nagle_algorithm = True  # or the end of an answer waits for the client to confirm its beginning
    wbufsize = -1  # header and body in one piece
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride] - no other makes one

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self._answer(200, {"status": "ok"})
            return
        if self.path != "/":
            self._answer(404, {"error": f"there is nothing at {self.path[:80]!r}; ask for / or post to {self._posts}"})
            return
        model = self.server.model
        labels = list(getattr(model, "label_names", ()))
        self._answer(200, {"model": model.name, "post": self._posts, "labels": labels})

    def do_POST(self) -> None:
        status = 200
        try:
            content = self._content()
            if self.path != self._posts:
                raise _NotFoundError(f"there is nothing to post to at {self.path[:80]!r}; post to {self._posts}")
            model = self.server.model
            with self.server.lock:
                answered = predict(model, content) if isinstance(model, Classifier) else generate(model, content)
        except UserError as error:
            status, answered = 404 if isinstance(error, _NotFoundError) else 400, {"error": str(error)}
        except (ConnectionError, TimeoutError):  # the client went away
            raise
        except MemoryError:
            LOGGER.exception("out of memory")
            status, answered = 500, {"error": "out of memory; ask for less at a time"}
        except Exception as error:  # a bug of ours, or of a model's libraries; the client gets no paths to see
            LOGGER.exception("the model failed")
            status, answered = 500, {"error": f"the model failed with {type(error).__name__}; send something else"}
        if isinstance(answered, dict):
            self._answer(status, answered)
        else:
            self._stream(answered)
        if status == 400 and self.close_connection:
            self._drop_body()

    @property
    def _posts(self) -> str:
        return "/predict" if isinstance(self.server.model, Classifier) else "/generate"

    def _content(self) -> dict:
        """Read the body.

        Raises:
            UserError: it is too large, of unknown length, or no JSON object.
        """
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or len(length) > 12 or int(length) > LARGEST_BODY:
            self.close_connection = True  # what comes next may be the rest of the body
            raise UserError(
                f"the body must have a Content-Length of at most {LARGEST_BODY:,} bytes; got {length[:20]!r}"
            )
        try:
            content = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            raise UserError('the body is no JSON; send an object such as {"prompt": "The movie"}') from None
        if not isinstance(content, dict):
            raise UserError('the body must be a JSON object such as {"prompt": "The movie"}')
        return content

    def _answer(self, status: int, content: dict) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _stream(self, pieces: Iterator[str]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for piece in self._one_at_a_time(pieces):
                body = piece.encode("utf-8", errors="replace")
                self.wfile.write(f"{len(body):x}\r\n".encode() + body + b"\r\n")
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()
        except (ConnectionError, TimeoutError):  # the client went away
            self.close_connection = True
        except Exception:  # only a missing end can tell the client now
            LOGGER.exception("the model failed while a text was written")
            self.close_connection = True

    def _one_at_a_time(self, pieces: Iterator[str]) -> Iterator[str]:
        """Yield pieces; the model is free for others while one is sent."""
        while True:
            with self.server.lock:
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece

    def _drop_body(self) -> None:
        """Read a body that was refused: closed before, the connection would be reset and the answer lost."""
        left = MOST_DROPPED
        with contextlib.suppress(OSError):  # the client went away
            self.connection.shutdown(socket.SHUT_WR)
            while left > 0 and (block := self.rfile.read1(2**16)):
                left -= len(block)

    def log_message(self, format: str, *args: Any) -> None:
        """Log the request line and the status, which hold no texts, where somebody wants to see them (-v)."""
        LOGGER.info("%s %s", self.client_address[0], ascii(format % args))


class _NotFoundError(UserError):
    """There is nothing at a path."""


def predict(classifier: Classifier, content: dict) -> dict:
    """Return the labels and scores of {"texts": [...]}.

    Raises:
        UserError: the content is something else.
    """
    texts = _texts(content, "texts", most=MOST_TEXTS)
    _no_others(content, ("texts",))
    found = answers(classifier, texts)
    return {"answers": [{"label": label, "score": score} for _, label, score in found]}


def generate(generator: Generator, content: dict) -> dict | Iterator[str]:
    """Return the pieces of one prompt's text, or all texts of some prompts.

    Raises:
        UserError: the content has other keys or values, or a setting is out of range.
    """
    _no_others(content, ("prompt", "prompts", "label", *SETTINGS))
    settings = {name: _setting(name, value) for name, value in content.items() if name in SETTINGS}
    label = content.get("label")
    if label is not None and not isinstance(label, str):
        raise UserError("label must be a string")
    if "prompts" in content:
        return {"texts": generator.generate(_texts(content, "prompts", most=MOST_PROMPTS), label=label, **settings)}
    prompt = content.get("prompt", "")
    if not isinstance(prompt, str):
        raise UserError('prompt must be a string; for several send "prompts"')
    return generator.stream(prompt, label=label, **settings)


def _no_others(content: dict, names: tuple[str, ...]) -> None:
    if others := sorted(content.keys() - set(names)):
        raise UserError(f"unknown key {others[0][:40]!r}; choose from {list(names)}")


def _texts(content: dict, key: str, *, most: int) -> list[str]:
    texts = content.get(key)
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts) or len(texts) > most:
        raise UserError(f"{key} must be a list of at most {most:,} strings")
    return texts


def _setting(name: str, value: Any) -> Any:
    """Return the value of a setting, which must be of its type: JSON's numbers have no types of their own."""
    wanted = SETTINGS[name]
    if wanted is float and type(value) in (int, float) and abs(value) < 1e30:  # which nan is not
        return float(value)
    if wanted is int and type(value) is int:
        return value
    if typing.get_origin(wanted) is tuple and isinstance(value, list) and all(isinstance(part, str) for part in value):
        return tuple(value)
    kinds = {int: "a whole number", float: "a number"}
    raise UserError(f"{name} must be {kinds.get(wanted, 'a list of strings')}")
