"""Short digests of a Locust file's code and of a project's files, to notice that they have changed."""

from __future__ import annotations

import ast
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadlab.moved import present_name

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_FILES: Final = 20_000
SHOWN: Final = 16  # digits of a digest
WITH_DOCSTRING: Final = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
WITHOUT_MEANING: Final = ("ctx", "kind", "type_comment", "type_ignores")
PASSED_OVER: Final = {"node_modules", "__pycache__", "site-packages"}


def file_digest(path: Path) -> str:
    """A digest of the bytes of a file."""
    return f"sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:SHOWN]}"


def code_digest(path: Path) -> str:
    """A digest of what a Python file does: without comments, docstrings and layout.

    An import by an older name of a module is the same as one by its present name. A file that Python cannot parse gets
    the digest of its bytes.
    """
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return file_digest(path)
    return f"sha256 {hashlib.sha256(_spelt(tree).encode(errors='surrogatepass')).hexdigest()[:SHOWN]}"


def _spelt(part: object) -> str:
    """Part of a syntax tree as text, the same on every version of Python: `ast.dump` changed with 3.13."""
    if isinstance(part, ast.AST):
        fields = ((name, _meaning(part, name)) for name in part._fields if name not in WITHOUT_MEANING)
        inner = ",".join(f"{name}={_spelt(value)}" for name, value in fields if value not in (None, []))
        return f"{type(part).__name__}({inner})"
    if isinstance(part, list):
        return f"[{','.join(map(_spelt, part))}]"
    return repr(part)


def _meaning(node: ast.AST, name: str) -> object:
    """A field of a node: a body without its docstring, a module by its present name, and None for nothing."""
    value: object = getattr(node, name, None)
    if name == "body" and isinstance(node, WITH_DOCSTRING) and ast.get_docstring(node, clean=False) is not None:
        return node.body[1:]
    names_module = isinstance(node, ast.ImportFrom) or (isinstance(node, ast.alias) and name == "name")
    return present_name(value) or value if names_module and isinstance(value, str) else value


def python_files(folder: Path) -> str:
    """How many Python files a project has, and a digest over their names and contents.

    Virtualenvs, hidden folders and what is installed are passed over, and so are links.
    """
    digest, count = hashlib.sha256(), 0
    for path in _python_files(folder):
        if count == MOST_FILES:
            return f"more than {MOST_FILES:,}, not compared"
        count += 1
        name = os.fsencode(path.relative_to(folder))
        content = _content(path)
        digest.update(b"%d %s %d " % (len(name), name, len(content)) + content)
    return f"{count:,}, sha256 {digest.hexdigest()[:SHOWN]}"


def _content(path: Path) -> bytes:
    with suppress(OSError):
        return path.read_bytes() if path.is_file() else b""
    return b""


def _python_files(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        inner = [name for name in sorted(folders) if name not in PASSED_OVER and not name.startswith(".")]
        folders[:] = [name for name in inner if not os.path.lexists(Path(root, name, "pyvenv.cfg"))]
        found = (Path(root, name) for name in sorted(files) if name.endswith(".py"))
        yield from (path for path in found if not path.is_symlink())
