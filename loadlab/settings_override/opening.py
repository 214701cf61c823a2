"""Opens connections one after the other as the project does, and prints what each took.

For each, as JSON: the pid of its backend, the seconds, and the seconds of this process' CPU.
"""

import json
import os
import sys
import time

import django

PAUSE_SECONDS = 0.005  # the last backend ends meanwhile


def opened(times: int) -> list[tuple[int, float, float]]:
    from django.db import connection  # noqa: PLC0415  once there are settings

    connection.settings_dict["OPTIONS"].pop("pool", None)  # which would open them in its own time
    parameters = connection.get_connection_params()
    taken = []
    for _ in range(times):
        time.sleep(PAUSE_SECONDS)
        begun, spent = time.perf_counter(), time.process_time()
        driver = connection.get_new_connection(parameters)
        took = time.perf_counter() - begun, time.process_time() - spent
        taken.append((driver.info.backend_pid, *took))
        driver.close()
    return taken


def main(times: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loadlab.settings_override.settings")
    django.setup()
    sys.stdout.write(f"{json.dumps(opened(int(times)))}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
