#!/usr/bin/env bash
# pydantic_core's from_json(allow_inf_nan=False), and a number beyond what a float holds.
#
# Expected: with allow_inf_nan=False no infinity comes out of from_json(): a number such as 1e999 is refused, as by msgspec and by
#   pydantic's own float with the same setting, or stays an exact number.
# Seen: 1e999 becomes inf without a word. Only the words Infinity and NaN are refused. to_json() then writes Infinity, which is no
#   JSON, and which the same from_json() refuses: what was valid has passed through, and cannot be read again.
# Who meets it: a service that reads messages or stored records by from_json(), and takes the setting for a promise that all numbers
#   are finite, or writes them on.
# Versions: pydantic-core 2.50.5, msgspec 0.22.0; CPython 3.11.7.
# Output seen: "from_json: inf, to_json: Infinity, from_json again: ValueError; a float of pydantic: ValidationError; msgspec: ValidationError".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pydantic-core==2.50.5 msgspec==0.22.0
cat > read.py <<'PY'
import msgspec
from pydantic_core import SchemaValidator, core_schema, from_json, to_json


def said(read, text):
    try:
        return read(text)
    except ValueError as error:
        return type(error).__name__


def strictly(text):
    return from_json(text, allow_inf_nan=False)


def as_float(text):
    return SchemaValidator(core_schema.float_schema(allow_inf_nan=False)).validate_json(text)


number = said(strictly, b"1e999")
written = to_json(number)
print(f"from_json: {number}, to_json: {written.decode()}, from_json again: {said(strictly, written)}", end="; ")
print(f"a float of pydantic: {said(as_float, b'1e999')}; msgspec: {said(msgspec.json.decode, b'1e999')}")
PY
seen=$(venv/bin/python read.py)
echo "$seen"
[ "$seen" = "from_json: inf, to_json: Infinity, from_json again: ValueError; a float of pydantic: ValidationError; msgspec: ValidationError" ]
