"""Markup: whatever comes in as text is text in it."""

from hypothesis import given
from hypothesis import strategies as st

from integration_pipeline.report.markup import Markup, markup, tag
from integration_pipeline.text import clean
from integration_pipeline_tests.pages import parsed


@given(st.text(), st.text())
def test_any_text_is_read_back_as_it_is(text: str, attribute: str) -> None:
    read = parsed(tag("p", text, title=attribute))
    assert (read.text or "", read.get("title")) == (clean(text), clean(attribute))
    assert not list(read)


def test_markup_is_not_escaped_again() -> None:
    assert markup(["1 < 2", [tag("b", "&"), Markup("<i></i>")]]) == "1 &lt; 2<b>&amp;</b><i></i>"


def test_attributes_are_named_as_python_can_and_left_out_when_none() -> None:
    assert tag("text", class_="note", text_anchor="end", x=-6, y=1 / 3, fill=None) == (
        '<text class="note" text-anchor="end" x="-6" y="0.33"></text>'
    )


def test_elements_that_have_no_end_have_none() -> None:
    assert tag("meta", charset="utf-8") == '<meta charset="utf-8"/>'
