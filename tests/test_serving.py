"""The server: what it answers, and what it refuses."""

import http.client
import json
import socket
import threading

import pytest
import tiny

from textapp.serving import LARGEST_BODY, Server


@pytest.fixture(scope="module")
def ask(trained):
    """Ask a running server: (model, method, path, body) to status, headers, text."""
    servers = {}

    def asked(name, method, path, body=None, headers=None):
        if name not in servers:
            servers[name] = Server(trained(name), port=0)
            threading.Thread(target=servers[name].serve_forever, daemon=True).start()
        connection = http.client.HTTPConnection("127.0.0.1", servers[name].server_port, timeout=60)
        content = body if isinstance(body, (bytes, type(None))) else json.dumps(body)
        connection.request(method, path, content, headers or {})
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, dict(response.getheaders()), text

    asked.port = lambda name: servers[name].server_port
    yield asked
    for server in servers.values():
        server.shutdown()
        server.server_close()


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
    assert ask("tfidf", "POST", "/generate", {})[0] == 400
    for texts in (None, "a", [1], ["a"] * 1_001):
        status, _, text = ask("tfidf", "POST", "/predict", {"texts": texts})
        assert (status, "texts must be a list of at most 1,000 strings" in text) == (400, True)
    for length in (str(LARGEST_BODY + 1), "-1", "x", "9" * 30):
        status, _, text = ask("tfidf", "POST", "/predict", b"{}", {"Content-Length": length})
        assert (status, "Content-Length of at most 1,000,000 bytes" in text) == (400, True)


def test_a_client_that_goes_away_leaves_the_server_alone(ask):
    ask("decoder", "GET", "/")
    with socket.create_connection(("127.0.0.1", ask.port("decoder"))) as connection:
        connection.sendall(b"POST /generate HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
    with socket.create_connection(("127.0.0.1", ask.port("decoder"))) as connection:
        connection.sendall(b"\x16\x03\x01 no HTTP at all\r\n\r\n")
    assert ask("decoder", "GET", "/")[0] == 200
