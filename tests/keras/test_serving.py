"""The server: what it answers, and what it refuses."""

import contextlib
import http.client
import json
import re
import signal
import socket
import struct
import subprocess
import sys
import threading

import pytest
from helpers import tiny
from helpers.commands import refused

from textapp.serving import LARGEST_BODY, Handler, Server


@contextlib.contextmanager
def running(model):
    """Give the port of a server that answers for a model."""
    with Server(model, port=0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def request(port, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    content = body if isinstance(body, (bytes, type(None))) else json.dumps(body)
    with contextlib.closing(connection):
        connection.request(method, path, content, headers or {})
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read().decode()


@pytest.fixture(scope="module")
def ask(trained):
    """Ask a running server: (model, method, path, body) to status, headers, text."""
    ports = {}

    def asked(name, *arguments):
        if name not in ports:
            ports[name] = servers.enter_context(running(trained(name)))
        return request(ports[name], *arguments)

    asked.port = ports.__getitem__
    with contextlib.ExitStack() as servers:
        yield asked


SETTINGS = {"max_new_tokens": 9, "temperature": 1, "seed": 3}


def test_a_text_comes_in_pieces(ask, trained):
    status, headers, text = ask("decoder", "POST", "/generate", {"prompt": "é good", **SETTINGS})
    assert status == 200
    assert headers["Transfer-Encoding"] == "chunked"
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert [text] == trained("decoder").generate(["é good"], **SETTINGS)


def test_several_prompts(ask, trained):
    body = {"prompts": ["a", "b"], **SETTINGS, "samples": 2, "stop": ["zz"], "min_p": 0.1}
    status, _, text = ask("decoder", "POST", "/generate", body)
    settings = {**SETTINGS, "samples": 2, "stop": ["zz"], "min_p": 0.1}
    assert (status, json.loads(text)) == (200, {"texts": trained("decoder").generate(["a", "b"], **settings)})


def test_a_classifier(ask, trained):
    texts = [*tiny.TEXTS, "", "\ud800"]
    status, _, text = ask("tfidf", "POST", "/predict", {"texts": texts})
    assert status == 200
    found = json.loads(text)["answers"]
    assert [answer["label"] for answer in found] == trained("tfidf").predict(texts)
    assert found[0]["score"] == pytest.approx(float(trained("tfidf").predict_proba(texts[:1]).max()))


def test_what_is_served(ask):
    assert json.loads(ask("decoder", "GET", "/")[2]) == {"model": "decoder", "post": "/generate", "labels": []}
    assert json.loads(ask("tfidf", "GET", "/")[2])["labels"] == list(tiny.LABEL_NAMES)
    assert ask("tfidf", "GET", "/../../etc/passwd")[0] == 404
    assert json.loads(ask("tfidf", "GET", "/healthz")[2]) == {"status": "ok"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "the body is no JSON"),
        (b"\xff\xfe\x00", "the body is no JSON"),
        (b"[" * 100_000, "the body is no JSON"),
        (b"[]", "must be a JSON object"),
        (b"", "the body is no JSON"),
        ({"prompt": 3}, "prompt must be a string"),
        ({"prompts": ["a"] * 17}, "prompts must be a list of at most 16 strings"),
        ({"prompts": "a"}, "prompts must be a list"),
        ({"temperature": "hot"}, "temperature must be a number"),
        (b'{"temperature": NaN}', "temperature must be a number"),
        (b'{"temperature": ' + b"9" * 400 + b"}", "temperature must be a number"),
        ({"top_k": 10**12}, "top-k is 1000000000000"),
        ({"top_k": 1.5}, "top_k must be a whole number"),
        ({"max_new_tokens": True}, "max_new_tokens must be a whole number"),
        ({"max_new_tokens": 10**9}, "max-new-tokens is 1000000000; this model takes 1 to 69"),
        ({"stop": "x"}, "stop must be a list of strings"),
        ({"samples": 2}, "one text at a time can be streamed"),
        ({"label": 3}, "label must be a string"),
        ({"label": "good"}, "was not trained with labels"),
        ({"prompt": "a", "__class__": 1}, "unknown key '__class__'"),
    ],
)
def test_hostile_requests_get_a_sentence(ask, body, message):
    status, _, text = ask("decoder", "POST", "/generate", body)
    assert status == 400
    assert message in json.loads(text)["error"]


def test_other_refusals(ask):
    assert ask("tfidf", "POST", "/generate", {})[0] == 404
    for texts in (None, "a", [1], ["a"] * 1_001):
        status, _, text = ask("tfidf", "POST", "/predict", {"texts": texts})
        assert (status, "texts must be a list of at most 1,000 strings" in text) == (400, True)
    for length in ("-1", "x", "9" * 30):
        status, _, text = ask("tfidf", "POST", "/predict", b"{}", {"Content-Length": length})
        assert (status, "Content-Length of at most 1,000,000 bytes" in text) == (400, True)


def test_a_body_that_is_too_large_gets_its_answer(ask):
    status, _, text = ask("tfidf", "POST", "/predict", b" " * 20 * LARGEST_BODY)
    assert (status, "at most 1,000,000 bytes; got '20000000'" in text) == (400, True)


def test_a_client_that_goes_away_leaves_the_server_alone(ask):
    ask("decoder", "GET", "/")
    with socket.create_connection(("127.0.0.1", ask.port("decoder"))) as connection:
        connection.sendall(b"POST /generate HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
    with socket.create_connection(("127.0.0.1", ask.port("decoder"))) as connection:
        connection.sendall(b"\x16\x03\x01 no HTTP at all\r\n\r\n")
    assert ask("decoder", "POST", "/generate", {"prompt": "good", **SETTINGS})[0] == 200


def test_no_traceback_of_a_client_that_went_away(trained, caplog):
    with Server(trained("tfidf"), port=0) as server, socket.create_connection(server.server_address) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset when it is closed
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        connection, address = server.get_request()
        client.close()
        server.process_request_thread(connection, address)
        assert not caplog.records
        try:
            raise KeyError("ours")  # is told
        except KeyError:
            server.handle_error(connection, address)
        assert "KeyError: 'ours'" in caplog.text


class Stub:
    """A generator that writes without end, or fails at "bad"."""

    name = "stub"

    def generate(self, prompts, **_):
        return [self._checked(prompt) for prompt in prompts]

    def stream(self, prompt, **_):
        while True:
            yield "x" * 1_000_000
            self._checked(prompt)

    def _checked(self, prompt):
        if prompt == "bad":
            raise RuntimeError("secret")
        return prompt


def test_a_client_that_does_not_read_stops_nobody_else(monkeypatch):
    monkeypatch.setattr(Handler, "timeout", 600)
    with running(Stub()) as port, socket.create_connection(("127.0.0.1", port)) as silent:
        silent.sendall(b"POST /generate HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
        assert silent.recv(4) == b"HTTP"  # and no more
        assert request(port, "POST", "/generate", {"prompts": ["fine"]})[::2] == (200, '{"texts": ["fine"]}')


def test_a_model_that_fails_is_told_without_its_words(caplog):
    """To the client; the log has them."""
    with running(Stub()) as port:
        status, _, text = request(port, "POST", "/generate", {"prompts": ["bad"]})
        assert (status, json.loads(text)) == (500, {"error": "the model failed with RuntimeError; send something else"})
        assert "RuntimeError: secret" in caplog.text
        with pytest.raises(http.client.IncompleteRead):
            request(port, "POST", "/generate", {"prompt": "bad"})
        assert request(port, "POST", "/generate", {"prompts": ["fine"]})[0] == 200


@pytest.mark.slow
def test_a_server_ends_well(folder_of, textapp):
    """At SIGTERM, after the answers that were begun; its port is free then, and taken before."""
    command = [sys.executable, "-m", "textapp", "serve", "--model", folder_of("tfidf"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            (port,) = re.findall(r"http://[\w.]+:(\d+)", server.stdout.readline())
            refused(textapp("serve", "--model", folder_of("tfidf"), "--port", port), f"port {port} is taken")
            with socket.create_connection(("127.0.0.1", int(port))):  # which never asks
                assert request(int(port), "POST", "/predict", {"texts": ["good"]})[0] == 200
                server.send_signal(signal.SIGTERM)
                assert server.wait(timeout=60) == 0
            assert server.stderr.read() == ""
        finally:
            server.kill()
