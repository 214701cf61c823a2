"""Of a traceback a user is shown what is theirs."""

from __future__ import annotations

from every import every

from loadlab.lab.tracebacks import own_words

OURS = ("/lab/loadlab/",)
BOOT = """  File "/lab/loadlab/settings_override/settings.py", line 9, in <module>
    importlib.import_module(name)
  File "/usr/lib/python3.11/importlib/__init__.py", line 126, in import_module
    return _bootstrap._gcd_import(name)
  File "<frozen importlib._bootstrap>", line 1204, in _gcd_import
"""
THEIRS = """  File "/home/me/shop/settings.py", line 3, in <module>
    KEY = os.environ["KEY"]
          ~~~~~~~~~~^^^^^^^
"""
LIBRARY = """  File "<frozen os>", line 679, in __getitem__
  File "/home/me/shop/.venv/lib/python3.11/site-packages/django/conf/__init__.py", line 81, in __getattr__
    self._setup(name)
"""
HEADER = "Traceback (most recent call last):\n"


def test_the_users_own_frame_and_the_error_are_left_of_a_traceback() -> None:
    said = f"booting\n{HEADER}{BOOT}{THEIRS}{LIBRARY}KeyError: 'KEY'\n"
    assert own_words(said, OURS) == f"{THEIRS}KeyError: 'KEY'"


def test_an_error_that_no_file_of_the_users_had_a_part_in_stands_alone() -> None:
    assert own_words(f"{HEADER}{BOOT}{LIBRARY}ValueError: no\nuser class", OURS) == "ValueError: no\nuser class"


def test_the_last_of_several_tracebacks_is_the_one_to_read() -> None:
    first = f"{HEADER}{THEIRS}KeyError: 'KEY'"
    between = "During handling of the above exception, another exception occurred:"
    assert own_words(f"{first}\n\n{between}\n\n{HEADER}{LIBRARY}TypeError: second") == "TypeError: second"


def test_a_syntax_error_shows_the_line_that_it_is_in() -> None:
    file = '  File "/home/me/visitor.py", line 2\n    class Visitor(User)\n                       ^\n'
    assert own_words(f"{HEADER}{BOOT}{file}SyntaxError: expected ':'", OURS) == f"{file}SyntaxError: expected ':'"


@every("said", ["", "django-admin: no such command", "\n".join(map(str, range(5)))])
def test_text_that_is_not_a_traceback_is_shown_unchanged(said: str) -> None:
    assert own_words(said) == said


def test_of_a_long_way_through_the_users_files_the_end_is_shown() -> None:
    way = "".join(f'  File "/home/me/{number}.py", line 1, in f\n    f()\n' for number in range(9))
    words = own_words(f"{HEADER}{way}RecursionError: deep")
    assert words.count("File") == 2
    assert '"/home/me/8.py"' in words
