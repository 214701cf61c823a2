"""--remote-write: where it may lead, and that no secret shows on the way."""

from __future__ import annotations

import pytest
from every import every

from loadlab.errors import UsageError
from loadlab.services.remote_write import RemoteWrite, remote_write

ENVIRONMENT = {
    "PUSH": "https://lab:s%3Acret@metrics.example/api/v1/push?tenant=7",
    "CLEAR": "http://lab:canary@metrics.example/push",
    "EMPTY": "",
    "WRONG": "canary",
}


def test_a_url_on_this_machine_needs_no_leave() -> None:
    given = remote_write("http://127.0.0.1:9009/push", {}, allow_remote=False)
    assert given == RemoteWrite(url="http://127.0.0.1:9009/push")


def test_a_password_comes_from_the_environment_and_leaves_the_url() -> None:
    given = remote_write("env:PUSH", ENVIRONMENT, allow_remote=True)
    assert given == RemoteWrite(url="https://metrics.example/api/v1/push?tenant=7", user="lab", password="s:cret")
    assert "s:cret" not in repr(given)


@every(
    ("given", "allow_remote", "says"),
    [
        ("http://lab:canary@127.0.0.1/push", False, "--remote-write env:NAME"),
        ("http://canary@127.0.0.1/push", False, "--remote-write env:NAME"),
        ("https://127.0.0.1/push?api_key=canary", False, "--remote-write env:NAME"),
        ("https://metrics.example/push", False, "metrics.example, not to this machine. Add --allow-remote"),
        ("env:PUSH", False, "metrics.example, not to this machine. Add --allow-remote"),
        ("env:CLEAR", True, "without encryption. Use https"),
        ("env:EMPTY", True, "the environment variable EMPTY is not set"),
        ("env:NONE", True, "the environment variable NONE is not set"),
        ("env:WRONG", True, "--remote-write env:WRONG is not an http"),
        ("localhost:9009", False, "is not an http:// or https:// URL"),
        ("http://[::1/push", False, "is not an http:// or https:// URL"),
        ("http://127.0.0.1:http/push", False, "is not an http:// or https:// URL"),
        ("ftp://127.0.0.1/push", False, "is not an http:// or https:// URL"),
    ],
)
def test_what_is_wrong_is_said_without_the_secret(given: str, *, allow_remote: bool, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        remote_write(given, ENVIRONMENT, allow_remote=allow_remote)
    assert says in str(caught.value)
    assert "canary" not in str(caught.value)
