"""Reads out of a project's manage.py, or of what is installed in its place, which settings it names."""

from __future__ import annotations

import ast
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def settings_of(folder: Path) -> str | None:
    """The settings that `python manage.py` in `folder` would take now: the environment's, or those that it names."""
    return os.environ.get("DJANGO_SETTINGS_MODULE") or named_by_manage_py(folder)


def named_by_manage_py(folder: Path) -> str | None:
    """The settings that manage.py in `folder` falls back on; None where it is missing, unreadable, or works them out.

    It is read and not run: what a project does on import is for the project's own Python.
    """
    return named_in(folder / "manage.py")


def named_in(path: Path) -> str | None:
    """The settings that a file of Python names as `named_by_manage_py` says."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    return next(_named(tree), None)


def _named(tree: ast.AST) -> Iterator[str]:
    """The texts beside the variable's name, in a call or in an assignment to an item of os.environ."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(args=[ast.Constant(value="DJANGO_SETTINGS_MODULE"), ast.Constant(value=str(module)), *_]):
                yield module
            case ast.Assign(
                targets=[ast.Subscript(slice=ast.Constant(value="DJANGO_SETTINGS_MODULE"))],
                value=ast.Constant(value=str(module)),
            ):
                yield module
