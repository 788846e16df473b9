"""The HTML report: one file that says what the day came to, in two languages, to eyes and to screen readers."""

import dataclasses
import datetime as dt
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from integration_pipeline.errors import RECONNECT
from integration_pipeline.report import page
from integration_pipeline.report.days import Connected, Day, Known, Moved, Overview
from integration_pipeline.report.integration import Coverage, Report, Sync
from integration_pipeline.report.page import as_html
from integration_pipeline_tests.pages import parsed, words_of
from integration_pipeline_tests.report.test_integration import DAY, FAILED, HOLD, SIX, TOLD, sync

COVERAGE = Coverage("sakura", "SLACK", 200, 150, 30, 15, 5)
MOVED = Moved(
    runs=2,
    created=1200,
    updated=3,
    deleted=1,
    api_calls=4000,
    api_calls_minimum=3990,
    seconds=200.0,
    estimated=2,
    api_calls_estimate=3995,
    seconds_estimate=190,
)


def connected(*syncs: Sync, **changes: Any) -> Connected:
    first = syncs[0]
    values: dict[str, Any] = {
        "tenant_id": first.tenant_id,
        "system": first.system,
        "syncs": {sync.sync_type: sync for sync in syncs},
        "before": {sync.sync_type: sync for sync in syncs},
        "moved": {},
        "accounts": None,
        "coverage": None,
        "coverage_before": None,
        **changes,
    }
    return Connected(**values)


def overview(*connections: Connected, locales: Sequence[str] = ("en",)) -> Overview:
    syncs = [sync for each in connections for sync in each.syncs.values()]
    known = [each.accounts for each in connections if each.accounts]
    days = [Day(DAY - dt.timedelta(days=ago), "SLACK" if ago % 2 else None, *[ago] * 7) for ago in range(13, -1, -1)]
    names = {sync.tenant_id: sync.tenant_name for sync in syncs}
    return Overview(Report(DAY, syncs, known), connections, days, names, locales, SIX)


def shown(*connections: Connected, lang: str | None = None) -> str:
    return words_of(parsed(as_html(overview(*connections), lang=lang)))


FULL = connected(
    sync(),
    sync("TEAMS", warnings=["no e-mail scope"]),
    sync("NOTIFICATIONS", **FAILED),
    moved={"USERS": MOVED},
    accounts=COVERAGE,
    coverage=Known(0.75, 200),
    coverage_before=Known(0.7, 190),
)


class Balance(HTMLParser):
    """Sees whether every element is closed where HTML wants it."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.is_good = True

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.is_good = self.is_good and bool(self.open) and self.open.pop() == tag

    def handle_startendtag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        self.is_good = self.is_good and tag in {"meta", "wbr"}


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_the_file_is_well_formed_and_needs_nothing_else(lang: str) -> None:
    text = as_html(overview(FULL), lang=lang)
    balance = Balance()
    balance.feed(text)
    assert balance.is_good
    assert not balance.open
    assert parsed(text).get("lang") == lang
    assert not re.search(r"<script|<link|<img|<iframe|<object|src=|href=|url\(|@import|//[a-z]|\son\w+=", text)
    policy = next(meta for meta in parsed(text).iter("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert (policy.get("content") or "").startswith("default-src 'none'")


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_nothing_in_it_is_taken_for_markup(lang: str) -> None:
    bad = "<script>alert('\"&1')</script>\x00\x1b\u202e"
    trouble = {**FAILED, "error_message": bad, "remedy": bad, "error_type": bad, "warnings": [bad]}
    own = sync(tenant_id=bad, tenant_name=bad, system=bad, **trouble)
    text = as_html(overview(connected(own, accounts=Coverage(bad, bad, 4, 1, 1, 1, 1))), lang=lang)
    assert "<script" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert words_of(parsed(text)).count("<script>alert('\"&1')</script>") >= 6


def test_japanese_and_english_say_the_same_day() -> None:
    english, japanese = shown(FULL, lang="en"), shown(FULL, lang="ja")
    assert "Saturday, 21 Nov 2026" in english
    assert "3 syncs: 2 succeeded, 1 failed. 3 things need attention." in english
    assert not re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", english.replace("さくら", ""))
    assert "2026年11月21日（土）" in japanese
    assert "同期 3 件の結果：成功 2 件、失敗 1 件。 対応が必要な項目が 3 件あります。" in japanese


def test_the_language_is_that_of_most_tenants_unless_asked_for() -> None:
    own = overview(FULL, locales=["en-US", "en", "ja"])
    assert parsed(as_html(own)).get("lang") == "en"
    assert parsed(as_html(own, lang="ja")).get("lang") == "ja"
    assert parsed(as_html(overview(FULL, locales=["en", "ja-JP"]))).get("lang") == "ja"


def test_figures_are_the_days_and_are_written_with_separators() -> None:
    root = parsed(as_html(overview(FULL), lang="en"))
    (row,) = [row for row in root.iter("tr") if words_of(row).startswith("Slack ") and len(row) == 16]
    cells = ["".join(cell.itertext()) for cell in row][4:]
    assert cells == [
        "1,200",
        "3",
        "1",
        "3,000",
        "3,000",
        "200",
        "75.0%",
        "30",
        "15",
        "5",
        "4,0003,990 at least",
        "3\u00a0min 20\u00a0s",
    ]
    tiles = words_of(next(root.iter("dl")))
    assert "Mapping coverage 75.0% 150 of 200 accounts ▲ 5.0 points" in tiles
    assert "Records changed 1,204 1,200 created, 3 updated, 1 deleted" in tiles
    assert "API calls 4,000 3,990 at least, 3,995 expected, over 1 connection" in tiles


def test_what_is_unknown_is_a_dash_and_no_zero() -> None:
    root = parsed(as_html(overview(connected(sync(status=None), before={})), lang="en"))
    (row,) = [row for row in root.iter("tr") if words_of(row).startswith("Slack ")]
    assert words_of(row) == "Slack – Not run off off " + " ".join("–" * 12)


def test_a_day_on_which_nothing_ran_had_nothing_to_expect() -> None:
    tiles = words_of(next(parsed(as_html(overview(connected(sync(status=None))), lang="en")).iter("dl")))
    assert "expected" not in tiles


def test_a_trouble_that_tenants_share_is_said_once_with_what_to_do() -> None:
    other = {"tenant_id": "minato", "tenant_name": "みなと"}
    own = overview(connected(sync(**FAILED), sync("TEAMS", **FAILED)), connected(sync(**FAILED, **other)))
    (english,) = [words_of(item) for item in parsed(as_html(own, lang="en")).iter("article")]
    assert "Slack さくら (Users, Teams), みなと (Users)" in english
    assert "AUTH_ERROR What to do Install it again. Details token_revoked" in english
    (japanese,) = parsed(as_html(own, lang="ja")).iter("article")
    assert "対応方法 接続先の管理者に" in words_of(japanese)
    assert [part.text for part in japanese.iter("span") if part.get("lang") == "en"] == [
        "token_revoked",
        "Install it again.",
    ]


def test_in_japanese_what_is_known_of_a_trouble_is_marked_as_japanese() -> None:
    known = {"error_message": "Slack answered token_revoked", "remedy": RECONNECT}
    (japanese,) = parsed(as_html(overview(connected(sync(**{**FAILED, **known}))), lang="ja")).iter("article")
    assert "対応方法 新しい認証情報を `connections import` で登録し" in words_of(japanese)
    assert [(part.get("lang"), part.text) for part in japanese.iter("span") if part.get("lang")] == [
        ("ja", "Slack の応答：token_revoked")
    ]


def test_a_trouble_without_a_remedy_has_the_general_one() -> None:
    text = shown(connected(sync(status="FAILED", error_type="INTERRUPTED")), lang="en")
    assert "Nothing of it was applied. INTERRUPTED What to do Sync again." in text
    assert "Something happened that nobody expected." in shown(
        connected(sync(status="FAILED", error_type="NEW")), lang="en"
    )


def changes(*connections: Connected) -> str:
    sections = parsed(as_html(overview(*connections), lang="en")).iter("section")
    return next(words_of(section) for section in sections if section.get("aria-labelledby") == "changes")


def test_what_changed_since_the_day_before_is_named() -> None:
    users, teams = sync(**FAILED), sync("TEAMS", **FAILED)
    was = {"USERS": sync(), "TEAMS": sync("TEAMS")}
    moved = {"USERS": Moved(created=12, deleted=3), "TEAMS": Moved(updated=1)}
    text = changes(
        connected(users, teams, before=was, moved=moved, coverage=Known(0.9, 10), coverage_before=Known(0.95, 20)),
        connected(sync(system="TEAMS")),
    )
    assert "Users, Teams ✓ Success → ✕ Failed" in text
    assert "12 created, 3 deleted 1 updated 95.0% → 90.0% ▼ 5.0 points" in text
    assert "1 other connection did not change." in text


def test_of_a_connection_that_was_not_read_nobody_says_that_nothing_changed() -> None:
    text = changes(connected(sync(**FAILED)), connected(sync(system="TEAMS")))
    assert "Of 1 connection whose syncs did not all succeed, no change is known." in text
    assert text.endswith("1 other connection did not change.")


def test_a_quiet_day_changed_nothing() -> None:
    assert changes(connected(sync(), moved={"USERS": Moved(runs=1, api_calls=3)})).endswith(
        "Nothing changed since the day before."
    )


def test_a_day_before_without_syncs_is_not_compared_with() -> None:
    missed = {"USERS": sync(status=None)}
    assert "there are no results to compare with" in changes(connected(sync(), before=missed))
    assert "→" not in changes(connected(sync(**FAILED), before=missed), connected(sync(system="TEAMS")))
    assert "→" not in changes(connected(sync(is_running=True, **FAILED), before={"USERS": sync()}))


def test_a_day_without_a_connection_is_said_to_be_one() -> None:
    empty = Overview(Report(DAY, [], []), [], [], {}, [], SIX)
    assert "有効な接続がなく、同期は行われていません。" in words_of(parsed(as_html(empty)))


def test_plots_are_named_and_their_days_told() -> None:
    root = parsed(as_html(overview(FULL), lang="en"))
    plots = [svg for svg in root.iter("svg") if svg.get("role") == "img"]
    assert [plot[0].text for plot in plots] == ["Syncs by result", "Slack", "Created", "Updated", "Deleted", "Slack"]
    told = [plot[1].text or "" for plot in plots]
    assert told[0].startswith("8 Nov: Success 13, Partial 13, Failed 13; 9 Nov: no sync; ")
    assert told[0].endswith("; 21 Nov: Success 2, Failed 1")
    assert told[1] == "Mapped 150, Unmatched 30, Ambiguous 15, Leavers 5"
    idents = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(idents) == len(set(idents))
    labels = {ident for element in root.iter() for ident in element.get("aria-labelledby", "").split()}
    assert labels <= set(idents)


def test_what_did_not_run_or_is_under_way_is_in_the_plot() -> None:
    running, missed = sync(is_running=True, **FAILED), sync("TEAMS", status=None)
    root = parsed(as_html(overview(connected(running, missed)), lang="en"))
    assert words_of(next(root.iter("desc"))).endswith("21 Nov: Running 1, Not run 1")


def test_no_width_is_one_that_a_phone_has_not() -> None:
    text = as_html(overview(FULL), lang="ja")
    css = (Path(page.__file__).parent / "report.css").read_text(encoding="utf-8")
    widths = [
        *re.findall(r'(?<!stroke-)width="([\d.]+)"', text),
        *re.findall(r"(?<![-\w(])(?:min-)?width: ?([\d.]+)px", css),
    ]
    assert widths
    assert all(float(width) <= 60 for width in widths)
    assert all(int(least) <= 165 for least in re.findall(r"minmax\((\d+)px", css))


def test_many_tenants_are_counted_in_the_headline() -> None:
    names = [f"t{number}" for number in range(1000)]
    text = shown(*(connected(sync(tenant_id=name, tenant_name=name)) for name in names), lang="en")
    assert "Tenants t0, t1, t2, t3, t4, t5, t6, t7 and 992 more" in text
    assert "All 1,000 syncs succeeded. Nothing needs attention." in text


@pytest.mark.parametrize(
    ("lang", "said"),
    [("en", "1,234 removals are held since 2026-11-21 06:00 (Tokyo)"), ("ja", "1,234 件の無効化を、2026-11-21 06:00")],
)
def test_what_the_guard_holds_has_a_section_of_its_own_while_it_waits(lang: str, said: str) -> None:
    own = overview(FULL)
    held = dataclasses.replace(own, report=dataclasses.replace(own.report, holds=[HOLD]))
    text = as_html(held, lang=lang)
    assert said in words_of(parsed(text))
    assert f"integration-pipeline holds show {HOLD.hold_id}" in words_of(parsed(text))
    assert 'id="holds"' in text
    assert 'id="holds"' not in as_html(own, lang=lang)


@pytest.mark.parametrize(
    ("lang", "heading", "first", "second"),
    [
        (
            "en",
            "Critical notices",
            "The credentials no longer work: connect it again. (told at 06:01 JST)",
            "(nobody told yet)",
        ),
        (
            "ja",
            "重要な通知",
            "認証情報が使えません。接続し直してください。（日本時間 06:01 に通知）",
            "書き込めません。（未通知）",
        ),
    ],
)
def test_the_days_critical_notices_stand_below_what_needs_attention(
    lang: str, heading: str, first: str, second: str
) -> None:
    found = overview(FULL)
    notices = [TOLD, TOLD._replace(system_type="GOOGLE_SHEETS", cause="SPREADSHEET", delivered_at=None)]
    told = dataclasses.replace(found, report=dataclasses.replace(found.report, notices=notices))
    words = words_of(parsed(as_html(told, lang=lang)))
    assert heading in words
    assert first in words
    assert second in words
    assert heading not in words_of(parsed(as_html(found, lang=lang)))
