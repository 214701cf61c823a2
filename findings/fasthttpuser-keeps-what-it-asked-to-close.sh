#!/usr/bin/env bash
# Locust's FastHttpUser that sends "Connection: close", and a server that closes and does not repeat these words.
#
# Expected: the client closes its end with the response, as it has said that it would, and as the server does.
# Seen: the connection goes back into the client's pool, half closed (CLOSE_WAIT), until the user's next request finds it dead.
# Why: geventhttpclient's should_close() looks at the response alone. Django's runserver, for one, closes after each such
#   request and answers without "Connection: close".
# Who meets it: anybody who drains a host behind a proxy or load balancer: the connections of idle users keep the host busy
#   until they ask again, although it has answered all that it was asked.
# Versions: Locust 2.47.0, geventhttpclient 2.6.1, gevent 26.9.0, CPython 3.11.7.
# Output seen: "without the words: client open; with the words: client closed".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check locust==2.47.0 geventhttpclient==2.6.1 gevent==26.9.0
cat > asks_to_close.py <<'PY'
from locust import FastHttpUser
from locust.env import Environment
import gevent
from gevent.server import StreamServer

heard = []


def answer(words):
    def serve(connection, _):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + words + b"\r\nOK")
        connection.shutdown(1)  # that was all, as the client has asked
        with gevent.Timeout(2, False):
            heard.append(connection.recv(1))  # empty: the client has closed too

    return serve


found = []
for what, words in (("without", b""), ("with", b"Connection: close\r\n")):
    heard.clear()
    server = StreamServer(("127.0.0.1", 0), answer(words))
    server.start()
    made = type("Visitor", (FastHttpUser,), {"host": f"http://127.0.0.1:{server.server_port}"})
    user = made(Environment(user_classes=[made]))
    assert user.client.get("/", headers={"Connection": "close"}).text == "OK"
    gevent.sleep(2.5)
    found.append(f"{what} the words: client {'closed' if heard == [b''] else 'open'}")
print("; ".join(found))
PY
seen=$(venv/bin/python asks_to_close.py)
echo "$seen"
[ "$seen" = "without the words: client open; with the words: client closed" ]
