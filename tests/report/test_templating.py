"""Templates are compiled once for all commands, where the lab's folder can keep their code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loadlab.report.templating import templates

if TYPE_CHECKING:
    from pathlib import Path


def page() -> str:
    return templates("loadlab.live").get_template("missing.html.jinja").render(why="gone")


def test_templates_render_where_no_code_can_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("no folder")
    monkeypatch.setenv("LOADLAB_STATE_DIR", str(in_the_way))
    assert "gone" in page()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.5, 0.9])
def test_damaged_code_of_a_template_is_compiled_anew(
    share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOADLAB_STATE_DIR", str(tmp_path))
    before = page()
    kept = {path: path.read_bytes() for path in (tmp_path / "templates").iterdir()}
    assert kept
    for rest in (b"", b"\0" * 100):
        for path, code in kept.items():
            path.write_bytes(code[: int(share * len(code))] + rest)
        assert page() == before
    assert {path: path.read_bytes() for path in (tmp_path / "templates").iterdir()} == kept
