"""Text for terminals: Japanese takes two columns, and nothing gives the terminal orders."""

import pytest

from integration_pipeline import text


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("plain", "plain"),
        ("さくら 製作所", "さくら 製作所"),
        ("two\nlines\tand\r", "two lines and "),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\u2028b\x85c", "a\\u2028b\\x85c"),
        ("\ud800", "\\ud800"),
        ("\U0001f469\u200d\U0001f52c", "\U0001f469\u200d\U0001f52c"),
    ],
)
def test_only_what_a_terminal_would_obey_is_escaped(dirty: str, clean: str) -> None:
    assert text.clean(dirty) == clean


def test_columns_line_up_whatever_the_script() -> None:
    lines = text.table(["ID", "NAME", "COUNT"], [["a", "さくら", "5"], ["bb", "Sakura", "1,200"]], numbers=["COUNT"])
    assert lines == ["ID  NAME    COUNT", "a   さくら      5", "bb  Sakura  1,200"]
    assert len({text.width(line) for line in lines}) == 1


def test_a_combining_mark_takes_no_column() -> None:
    assert text.width("か\u3099") == 2


def test_an_unknown_figure_is_not_nothing() -> None:
    assert [text.figure(number) for number in (None, 0, 1200)] == ["–", "0", "1,200"]


def test_numbers_have_their_nouns() -> None:
    assert [text.count(number, "sync") for number in (0, 1, 1200)] == ["0 syncs", "1 sync", "1,200 syncs"]
    assert text.count(2, "company", "companies") == "2 companies"
