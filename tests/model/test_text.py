"""Foreign text is shown without passwords, and without characters that act."""

from __future__ import annotations

import json

from every import every

from loadlab.model.text import escaped_in_json, printable, redacted


@every(
    "text",
    [
        "could not connect: postgresql://app:CANARY@db/shop",
        "postgresql://app:CANARY@x@db/shop, then more",
        "redis://:CANARY@cache:6379/0",
        "http://app:CANARY@metrics.internal/metrics",
        "host=db password=CANARY user=app",
        "password='CANARY with spaces' user=app",
        "{'NAME': 'shop', 'PASSWORD': 'CANARY', 'HOST': 'db'}",
        '{"password": "CANARY"}',
        "PGPASSWORD=CANARY psql",
        "SECRET_KEY = 'CANARY'",
        "DB_PASSWD: CANARY",
    ],
)
def test_no_password_is_left(text: str) -> None:
    assert "CANARY" not in redacted(text)
    assert "***" in redacted(text)


@every(
    "text",
    [
        'password authentication failed for user "app"',
        "Check host, port, database, user and password.",
        "http://127.0.0.1:8000/entries/?at=me@example.org",
        "https://docs.djangoproject.com/en/5.2/ref/databases/",
        "5 passed: all of them",
    ],
)
def test_text_that_is_not_a_password_stays(text: str) -> None:
    assert redacted(text) == text


def test_what_a_terminal_would_act_on_is_replaced() -> None:
    assert printable("a\x1b[2Jb\x9b31mc\u202ed\u2066e\x07f\u2028g") == "a�[2Jb�31mc�d�e�f�g"
    assert printable("one\r\ntwo\n\tthree é 字 🙂") == "one\ntwo\n\tthree é 字 🙂"


def test_json_keeps_what_it_escapes() -> None:
    said = {"message": "a\x1b[2J \u202e \x9b é"}
    text = escaped_in_json(json.dumps(said, ensure_ascii=False, indent=1))
    assert json.loads(text) == said
    assert printable(text) == text
