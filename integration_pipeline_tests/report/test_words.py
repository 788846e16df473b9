"""The catalogue is whole in every language, and numbers are written so that they mislead nobody."""

import datetime as dt
import re
import string

import pytest

from integration_pipeline.errors import Cause, Kind
from integration_pipeline.report.attention import AMBIGUOUS, WARNING
from integration_pipeline.report.integration import NOT_RUN
from integration_pipeline.report.words import CATALOGUE, EN, JA, Words, language


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_have_all_words() -> None:
    assert CATALOGUE[JA].keys() == CATALOGUE[EN].keys()
    assert all(text.strip() for words in CATALOGUE.values() for text in words.values())


@pytest.mark.parametrize("key", sorted(set(CATALOGUE[JA]) - {"day", "day.short", "month"}))
def test_both_languages_have_the_same_places_for_values(key: str) -> None:
    assert places(CATALOGUE[JA][key]) == places(CATALOGUE[EN][key])


def test_every_kind_of_error_has_its_meaning_and_its_remedy() -> None:
    for words in CATALOGUE.values():
        assert {f"kind.{kind}" for kind in (*Kind, NOT_RUN, WARNING, AMBIGUOUS)} <= words.keys()
        assert {f"todo.{kind}" for kind in (*Kind, NOT_RUN, AMBIGUOUS)} <= words.keys()


def test_every_cause_of_a_critical_notice_has_its_words() -> None:
    for words in CATALOGUE.values():
        assert {f"cause.{cause}" for cause in Cause} <= words.keys()


def test_english_is_english() -> None:
    assert not [
        text for text in CATALOGUE[EN].values() if re.search(r"[\u3040-\u30ff\u4e00-\u9fff\uff00-\uffef]", text)
    ]


@pytest.mark.parametrize(
    ("locales", "spoken"),
    [
        ([], JA),
        (["ja"], JA),
        (["ja-JP", "en"], JA),
        (["en-US", "en_GB", "ja"], EN),
        (["de"], EN),
        (["JA_jp", "fr", "ja"], JA),
    ],
)
def test_a_report_speaks_the_language_of_most_of_its_tenants(locales: list[str], spoken: str) -> None:
    assert language(locales) == spoken


@pytest.mark.parametrize(
    ("share", "text"),
    [(None, "–"), (0, "0.0%"), (1, "100.0%"), (0.99999, "99.9%"), (0.00001, "0.1%"), (0.5, "50.0%"), (2 / 3, "66.7%")],
)
def test_what_only_comes_near_all_or_nothing_is_neither(share: float | None, text: str) -> None:
    assert Words(EN).percent(share) == text


@pytest.mark.parametrize(
    ("seconds", "english", "japanese"),
    [
        (0.04, "0.0\u00a0s", "0.0秒"),
        (59.9, "59.9\u00a0s", "59.9秒"),
        (59.99, "1\u00a0min 0\u00a0s", "1分0秒"),
        (200, "3\u00a0min 20\u00a0s", "3分20秒"),
        (3599.9, "1\u00a0h 0\u00a0min", "1時間0分"),
        (7_500_000, "2,083\u00a0h 20\u00a0min", "2,083時間20分"),
    ],
)
def test_spans_of_time_have_the_unit_that_fits(seconds: float, english: str, japanese: str) -> None:
    assert (Words(EN).span(seconds), Words(JA).span(seconds)) == (english, japanese)


def test_days_are_written_as_each_language_does() -> None:
    day = dt.date(2026, 12, 1)
    assert [Words(EN).day(day, form) for form in ("day", "day.short", "month")] == [
        "Tuesday, 1 Dec 2026",
        "1 Dec",
        "Dec",
    ]
    assert [Words(JA).day(day, form) for form in ("day", "day.short", "month")] == [
        "2026年12月1日（火）",
        "12/1",
        "12月",
    ]


def test_one_is_not_many() -> None:
    assert [Words(EN).count("verdict.act", number) for number in (1, 2000)] == [
        "1 thing needs attention.",
        "2,000 things need attention.",
    ]
    assert Words(JA).count("verdict.act", 1) == "対応が必要な項目が 1 件あります。"
