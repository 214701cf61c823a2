"""A server behind nginx: `python -m loadlab.settings_override.behind_nginx HOST:PORT FOLDER KEPT SECONDS SERVER...`.

nginx listens at HOST:PORT, keeps its files in FOLDER, and keeps at most KEPT idle connections to the server, each for
SECONDS. SERVER is a command line of gunicorn, which is told where nginx will look for it. Both programs are
children of this one, in its process group. When one of them ends, or this one is asked to, both end.
"""

from __future__ import annotations

import os
import pwd
import resource
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from loadlab.system.programs import NGINX

if TYPE_CHECKING:
    from types import FrameType

LOOPBACK: Final = "127.0.0.1"
UNPRIVILEGED: Final = "nobody"
BACKLOG: Final = 2048  # gunicorn's own
QUIET_SECONDS: Final = 2.0  # for requests under way, when nginx is asked to end
MOST_FILES: Final = 65_536
CLOSED: Final = 'proxy_http_version 1.0;\n      proxy_set_header Connection "close";'  # the default up to nginx 1.28
KEPT: Final = 'proxy_http_version 1.1;\n      proxy_set_header Connection "";'
# One worker, so that all clients share the connections that are kept.
CONFIGURATION: Final = """\
daemon off;
worker_processes 1;
worker_rlimit_nofile {files};
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections {connections}; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream site {{
    server {site};
    {keep}
  }}
  server {{
    listen {address};
    location / {{
      proxy_pass http://site;
      {connection}
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
    }}
  }}
}}
"""


class _Stopped(Exception):  # noqa: N818  it is no error
    """This process has been asked to end."""


def configuration(address: str, site: str, folder: Path, kept: int, seconds: int) -> str:
    """What nginx is told; with `kept` 0 it connects for each request."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = MOST_FILES if most == resource.RLIM_INFINITY else min(most, MOST_FILES)
    return CONFIGURATION.format(
        folder=folder,
        files=files,
        connections=files // 2,
        site=site,
        address=address,
        keep=f"keepalive {kept};\n    keepalive_timeout {seconds}s;" if kept else "",
        connection=KEPT if kept else CLOSED,
    )


def nginx(address: str, site: str, folder: Path, kept: int, seconds: int) -> subprocess.Popen[bytes]:
    """Start it, as an ordinary user."""
    program = NGINX.find()
    if program is None:
        sys.exit(f"nginx is not installed. Install it: {NGINX.install}")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "nginx.conf"
    file.write_text(configuration(address, site, folder, kept, seconds))
    ordinary: dict[str, object] = {}
    if os.getuid() == 0:
        user = pwd.getpwnam(UNPRIVILEGED)
        shutil.chown(folder, user.pw_uid)
        ordinary = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    argv = [str(program), "-p", str(folder), "-e", "stderr", "-c", str(file)]
    return subprocess.Popen(argv, cwd="/", **ordinary)  # type: ignore[call-overload,no-any-return]


def server(command: list[str], listening: socket.socket) -> subprocess.Popen[bytes]:
    """Start it on a socket that is bound already: no other program can take its port."""
    number = listening.fileno()
    return subprocess.Popen([*command, "--bind", f"fd://{number}"], pass_fds=[number])


def main() -> int:
    address, folder, kept, seconds, *command = sys.argv[1:]
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, _stop)
    with socket.socket() as listening:
        listening.bind((LOOPBACK, 0))
        listening.listen(BACKLOG)
        site = "{}:{}".format(*listening.getsockname())
        programs: list[subprocess.Popen[bytes]] = []
        stop_signal = signal.SIGTERM
        try:
            programs.append(server(command, listening))
            programs.append(nginx(address, site, Path(folder), int(kept), int(seconds)))
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        except _Stopped as stopped:
            stop_signal = stopped.args[0]
            return 0
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
                signal.signal(number, signal.SIG_IGN)
            end(programs, stop_signal)
    return 1


def end(programs: list[subprocess.Popen[bytes]], stop_signal: signal.Signals) -> None:
    """First nginx, in an orderly way: then no client and no kept connection holds the server up."""
    for program in programs[1:]:
        _signalled(program, signal.SIGQUIT)
        with suppress(subprocess.TimeoutExpired):
            program.wait(QUIET_SECONDS)
        _signalled(program, signal.SIGTERM)
        program.wait()
    for program in programs[:1]:
        _signalled(program, stop_signal)
        program.wait()


def _signalled(program: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if program.poll() is None:
        program.send_signal(number)


def _stop(number: int, _: FrameType | None) -> NoReturn:
    raise _Stopped(signal.Signals(number))


if __name__ == "__main__":
    sys.exit(main())
