"""Make a SCRAM key that logs in to PostgreSQL in place of a password, for the strategy scram_key.

The key goes into a new file of libpq's services, which only you can read. Name the file in PGSERVICEFILE, and the
service in OPTIONS of DATABASES. It is worth as much as the password, and is no longer valid once that is set anew.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadlab.errors import UsageError

if TYPE_CHECKING:
    import argparse

EXAMPLES: Final = (
    ("loadlab key --dsn env:DATABASE_URL --out shop.conf", "make the key of the role in that DSN"),
    ("loadlab key --dsn service=shop --out shop.conf --service shop_key", "the same, from a service of libpq's"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dsn", required=True, metavar="REF", help="the database: env:NAME, or service=NAME")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="the new file (mode 600)")
    parser.add_argument("--service", default="scram_key", metavar="NAME", help="its section (default: scram_key)")


def execute(arguments: argparse.Namespace) -> int:
    from loadlab.services.external_database import Reference, external_database
    from loadlab.services.scram_key import scram_keys
    from loadlab.services.secret_files import write_secret

    if arguments.out.exists() or not arguments.out.parent.is_dir():
        what = "exists already" if arguments.out.exists() else "is in a folder that does not exist"
        raise UsageError(f"{arguments.out} {what}. Name a new file with --out.")
    if not arguments.service.replace("_", "").replace("-", "").isalnum():
        raise UsageError(f"--service {arguments.service!r} should have letters, digits, - and _ only.")
    with (
        tempfile.TemporaryDirectory() as folder,
        external_database(Reference(arguments.dsn, allow_remote=True), Path(folder)) as database,
    ):
        keys = scram_keys(database)
    write_secret(arguments.out, keys.section(arguments.service))
    print(f'{arguments.out} is written. Set PGSERVICEFILE={arguments.out.resolve()}, and in DATABASES["default"]:')
    print(f'    "OPTIONS": {{"service": "{arguments.service}"}},')
    return 0
