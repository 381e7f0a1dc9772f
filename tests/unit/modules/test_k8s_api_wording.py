"""What is shown of other programs' words: useful, short, without secrets."""

import pytest
import requests

from k8s_lifecycle.cluster.api import ConflictError, NotFoundError, RefusedError, _answer
from k8s_lifecycle.wording import brief, last_useful_lines, redacted


def test_tokens_and_keys_are_not_shown():
    key = "-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----"
    assert redacted(f"token abcdef.0123456789abcdef and {key}!") == "token (token) and (private key)!"


def test_half_a_key_is_not_shown():
    assert redacted("-----BEGIN RSA PRIVATE KEY-----\nMIIE") == "(private key)"


def test_the_last_lines_that_say_something():
    output = "\n".join(
        ["[certs] a", "", "I1123 10:00:00 noise", "CGROUPS_CPU: enabled", "\x1b[31merror: b\x1b[0m"]
    )
    assert last_useful_lines(output) == "[certs] a\nerror: b"
    assert last_useful_lines("1\n2\n3", 2) == "2\n3"


def test_a_libraries_wrapping_is_taken_off():
    with pytest.raises(requests.RequestException) as caught:
        requests.get("http://127.0.0.1:1/", timeout=1)
    assert brief(caught.value) == "Failed to establish a new connection: [Errno 111] Connection refused"


@pytest.mark.parametrize(
    ("status", "kind"), [(404, NotFoundError), (409, ConflictError), (422, RefusedError), (500, RefusedError)]
)
def test_an_answer_that_says_no_keeps_its_message_only(status, kind):
    content = b'{"reason": "Because", "message": "it is so", "details": {"token-secret": "hidden"}}'
    with pytest.raises(kind) as caught:
        _answer("GET /x", status, content)
    assert str(caught.value) == "GET /x: it is so"
    assert caught.value.status == status


def test_an_answer_that_is_no_object_is_shortened():
    assert _answer("GET /readyz", 200, b"ok") == {"message": "ok"}
    with pytest.raises(RefusedError, match="bad gateway"):
        _answer("GET /x", 502, b"<html>bad gateway</html>")
