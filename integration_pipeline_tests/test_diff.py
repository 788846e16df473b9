"""The comparison of what a provider lists with what is stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_pipeline.diff import GONE, NAMED, Absence, Change, Diff, content, fingerprint
from integration_pipeline.model import Page, Rejection, Removal, State, User

LISTING = "users"


def account(key: str, *, state: State = State.ACTIVE, name: str | None = "山田 太郎") -> User:
    return User(key, "USER", state, None, name, None, None, None, None, None, None)


def hash_of(user: User, listing: str = LISTING) -> int:
    return fingerprint(user.state, content(user, listing))


def stored(*users: User) -> dict[str, int]:
    return {user.key: hash_of(user) for user in users}


def pages(*users: User, size: int = 2) -> list[Page]:
    return [Page(list(users[at : at + size]), []) for at in range(0, len(users), size)]


def feed(diff: Diff, *all_pages: Page, listing: str = LISTING) -> list[Change]:
    return [change for page in all_pages for change in diff.feed(listing, page)]


@given(st.data())
def test_different_accounts_have_different_texts_whatever_marks_they_hold(data: st.DataObject) -> None:
    marked = st.lists(st.none() | st.text("a\x1e\x1f\\", max_size=3), min_size=7, max_size=7)
    one, other = (User("k", "USER", State.ACTIVE, None, *data.draw(marked)) for _ in range(2))
    assert (content(one, LISTING) == content(other, LISTING)) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"), [(("a\x1fb", None, "c"), ("a", "b\x1f\x1e", "c")), ((None, None, None), ("\x1e", None, None))]
)
def test_an_account_whose_marks_moved_is_an_update(one: tuple[str | None, ...], other: tuple[str | None, ...]) -> None:
    before, after = (
        account("k")._replace(external_username=name, external_email=email, flags=flags)
        for name, email, flags in (one, other)
    )
    assert [change.record for change in feed(Diff(stored(before), by_kind=False), *pages(after))] == [after]
    assert feed(Diff(stored(after), by_kind=False), *pages(after)) == []


def test_an_account_that_was_never_stored_is_created() -> None:
    diff = Diff({}, by_kind=False)
    changes = feed(diff, *pages(account("a")))
    assert [(change.record.key, change.is_new) for change in changes] == [("a", True)]
    assert (diff.counts.created, diff.counts.processed) == (1, 1)


def test_an_account_that_is_as_stored_is_unchanged_and_leaves_the_loop() -> None:
    diff = Diff(stored(account("a")), by_kind=False)
    assert feed(diff, *pages(account("a"))) == []
    assert (diff.counts.unchanged, diff.counts.processed) == (1, 1)


def test_an_account_switched_off_counts_as_deleted_and_deactivates() -> None:
    diff = Diff(stored(account("a")), by_kind=False)
    (change,) = feed(diff, *pages(account("a", state=State.INACTIVE)))
    assert change.deactivates
    assert (diff.counts.deleted, diff.counts.updated, diff.deactivated) == (1, 0, {"USER": 1})


def test_an_account_that_comes_back_counts_as_updated() -> None:
    diff = Diff({"a": GONE}, by_kind=False)
    (change,) = feed(diff, *pages(account("a")))
    assert not change.deactivates
    assert diff.counts.updated == 1


def test_an_account_deleted_before_it_was_ever_stored_is_no_row_and_not_counted() -> None:
    diff = Diff({}, by_kind=False)
    assert feed(diff, *pages(account("a", state=State.GONE))) == []
    assert diff.counts.processed == 0


def test_an_account_gone_by_absence_and_then_listed_as_deleted_is_unchanged() -> None:
    diff = Diff({"a": GONE}, by_kind=False)
    assert feed(diff, *pages(account("a", state=State.GONE))) == []
    assert (diff.counts.unchanged, diff.unseen()) == (1, [])


def test_a_switched_off_account_that_is_then_deleted_is_an_update_since_it_was_not_active() -> None:
    diff = Diff(stored(account("a", state=State.INACTIVE)), by_kind=False)
    (change,) = feed(diff, *pages(account("a", state=State.GONE)))
    assert not change.deactivates
    assert (diff.counts.updated, diff.counts.deleted) == (1, 0)


def test_what_no_page_held_is_unseen_unless_it_is_gone_already() -> None:
    diff = Diff(
        {**stored(account("here"), account("left"), account("off", state=State.INACTIVE)), "gone": GONE}, by_kind=False
    )
    feed(diff, *pages(account("here")))
    assert diff.unseen() == ["left", "off"]


def test_an_id_that_comes_twice_on_one_page_counts_once() -> None:
    diff = Diff({}, by_kind=False)
    feed(diff, Page([account("a"), account("a", name="別名")], []))
    assert (diff.counts.created, diff.unproven) == (1, {})


def test_an_id_that_comes_twice_on_different_pages_shows_that_the_paging_shifted() -> None:
    diff = Diff({}, by_kind=False)
    feed(diff, Page([account("a")], []), Page([account("b")], []), Page([account("a")], []))
    assert diff.counts.created == 2
    assert set(diff.unproven) == {LISTING}


def test_an_id_in_two_listings_is_one_row_and_proves_nothing_wrong() -> None:
    diff = Diff({}, by_kind=False)
    feed(diff, Page([account("a")], []), listing="users:1")
    feed(diff, Page([account("a")], []), listing="users:2")
    assert (diff.counts.created, diff.unproven) == (1, {})


def test_a_row_that_moved_to_another_listing_is_an_update() -> None:
    diff = Diff({"a": hash_of(account("a"), "users:1")}, by_kind=False)
    (change,) = feed(diff, Page([account("a")], []), listing="users:2")
    assert change.listing == "users:2"


def test_a_rejected_record_with_a_readable_id_counts_as_seen() -> None:
    diff = Diff(stored(account("a")), by_kind=False)
    feed(diff, Page([], [Rejection("a", "USER", "email: is no string")]))
    assert (diff.unseen(), diff.counts.rejected, diff.unproven) == ([], 1, {})


def test_a_rejected_record_without_an_id_makes_its_listing_prove_nothing() -> None:
    diff = Diff(stored(account("a")), by_kind=False)
    feed(diff, Page([], [Rejection(None, "USER", "id: is missing")]))
    assert set(diff.unproven) == {LISTING}
    assert diff.rejections[0].key is None


def test_a_rejected_record_on_two_pages_counts_once_and_shows_that_the_paging_shifted() -> None:
    diff = Diff(stored(account("b")), by_kind=False)
    bad = Rejection("a", "USER", "email: is no string")
    feed(diff, Page([], [bad, bad]), Page([account("b")], []), Page([], [bad]))
    assert (diff.counts.rejected, len(diff.rejections)) == (1, 1)
    assert set(diff.unproven) == {LISTING}


def test_a_record_that_is_good_on_one_page_and_rejected_on_another_counts_once() -> None:
    diff = Diff({}, by_kind=False)
    feed(diff, Page([account("a")], []), Page([], [Rejection("a", "USER", "email: is no string")]))
    assert (diff.counts.created, diff.counts.rejected) == (1, 0)
    assert set(diff.unproven) == {LISTING}


def test_the_id_of_a_rejected_record_is_the_one_that_is_stored_without_u0000() -> None:
    diff = Diff(stored(account("a")), by_kind=False)
    feed(diff, Page([], [Rejection("a\x00", "USER", "na\x00me: is no string")]))
    assert diff.unseen() == []
    assert diff.rejections == [Rejection("a", "USER", "name: is no string")]


def test_a_mapping_that_changed_alone_is_an_update_of_an_account_that_else_is_unchanged() -> None:
    diff = Diff(stored(account("a"), account("left")), by_kind=False)
    feed(diff, *pages(account("a")))
    diff.rematched("a")
    diff.rematched("left")
    assert (diff.counts.updated, diff.counts.unchanged, diff.counts.processed) == (2, 0, 2)


def test_a_rejected_account_whose_mapping_changed_stays_counted_as_rejected() -> None:
    diff = Diff(stored(account("a")), by_kind=False)
    feed(diff, Page([], [Rejection("a", "USER", "email: is no string")]))
    diff.rematched("a")
    assert (diff.counts.updated, diff.counts.unchanged, diff.counts.processed) == (0, 0, 1)


def test_an_id_over_512_bytes_is_rejected_and_one_of_512_is_not() -> None:
    diff = Diff({}, by_kind=False)
    feed(diff, Page([account("あ" * 171), account("a" * 512)], []))
    assert (diff.counts.created, diff.counts.rejected) == (1, 1)


def test_text_that_is_no_unicode_is_rejected_by_its_id() -> None:
    diff = Diff({}, by_kind=False)
    feed(diff, Page([account("a", name="half \ud800 pair"), account("b\ud800")], []))
    assert [rejection.key for rejection in diff.rejections] == ["a", None]


def test_u0000_is_dropped_from_text_and_ids() -> None:
    diff = Diff({}, by_kind=False)
    changes = feed(diff, Page([account("a\x00", name="山\x00田")], []))
    assert [(change.record.key, change.record.external_username) for change in changes] == [("a", "山田")]


def test_ids_of_different_kinds_may_be_equal_where_kinds_have_their_own() -> None:
    diff = Diff({}, by_kind=True)
    first, second = account("1"), account("1")._replace(kind="GROUP")
    assert len(feed(diff, Page([first, second], []))) == 2


def test_an_account_that_was_switched_off_and_is_then_absent_is_an_update() -> None:
    diff = Diff(stored(account("left"), account("off", state=State.INACTIVE)), by_kind=False)
    diff.absent([Absence("left", "USER", LISTING, is_active=True), Absence("off", "USER", LISTING, is_active=False)])
    assert (diff.counts.deleted, diff.counts.updated) == (1, 1)


def test_a_held_sync_counts_its_deactivations_as_unchanged() -> None:
    diff = Diff(stored(account("a")), by_kind=False)
    feed(diff, *pages(account("a", state=State.INACTIVE)))
    diff.hold()
    assert (diff.counts.deleted, diff.counts.unchanged) == (0, 1)


def told(diff: Diff, page: Page, known: dict[str, int]) -> list[Change]:
    """One page of a listing of changes, over these stored rows."""
    diff.learn(LISTING, {name: known[name] for name in diff.names(page) if name in known})
    changes = feed(diff, page)
    diff.keep_others(LISTING, sum(value != GONE for value in known.values()))
    return changes


def test_what_a_listing_of_changes_does_not_name_is_unchanged_and_not_missing() -> None:
    known = stored(account("a"), account("b"), account("off", state=State.INACTIVE)) | {"gone": GONE}
    diff = Diff({}, by_kind=False)
    (change,) = told(diff, Page([account("a", name="改姓")], []), known)
    assert (change.record.key, change.is_new) == ("a", False)
    assert (diff.counts.updated, diff.counts.unchanged, diff.counts.processed) == (1, 2, 3)
    assert (diff.unseen(), diff.rows) == ([], {LISTING: 3})


def test_what_a_listing_of_changes_names_as_removed_is_absent_if_it_was_there() -> None:
    known = stored(account("a"), account("off", state=State.INACTIVE)) | {"gone": GONE}
    diff = Diff({}, by_kind=False)
    removed = [Removal(key, "USER") for key in ("a", "off", "gone", "never stored")]
    assert told(diff, Page([], [], removed), known) == []
    assert (diff.unseen(), diff.rows, diff.counts.processed) == (["a", "off"], {LISTING: 0}, 0)


def test_a_row_that_a_listing_of_changes_repeats_as_it_was_is_unchanged() -> None:
    known = stored(account("a"), account("b"))
    diff = Diff({}, by_kind=False)
    assert told(diff, Page([account("a")], [Rejection("b", "USER", "email: is no string")]), known) == []
    assert (diff.counts.unchanged, diff.counts.rejected, diff.counts.processed) == (1, 1, 2)


def test_a_mapping_that_changed_alone_of_an_account_that_was_not_named_is_an_update() -> None:
    known = stored(account("a"), account("b")) | {"gone": GONE}
    diff = Diff({}, by_kind=False)
    told(diff, Page([], []), known)
    assert diff.unnamed(["a", "gone"]) == ["a", "gone"]
    diff.rematched("a", is_there=True)
    diff.rematched("gone")
    assert (diff.counts.updated, diff.counts.unchanged) == (2, 1)


def test_names_that_no_database_holds_are_not_looked_up() -> None:
    diff = Diff({}, by_kind=True)
    page = Page([account("a\x00"), account("half \ud800")], [Rejection(None, "USER", "id: is missing")])
    assert diff.names(page) == ["USER\x1fa"]


states = st.sampled_from(State)
directories = st.dictionaries(
    st.text(min_size=1, max_size=3, alphabet="abcあ"),
    st.tuples(states, st.none() | st.text(max_size=3, alphabet="山x")),
    max_size=8,
)


def users_of(directory: dict[str, tuple[State, str | None]]) -> list[User]:
    return [account(key, state=state, name=name) for key, (state, name) in directory.items()]


@given(directories, directories, st.integers(1, 4))
def test_applying_the_difference_makes_the_stored_equal_to_the_source(
    before: dict[str, tuple[State, str | None]], after: dict[str, tuple[State, str | None]], size: int
) -> None:
    hashes = stored(*users_of(before))
    diff = Diff(dict(hashes), by_kind=False)
    for change in feed(diff, *pages(*users_of(after), size=size)):
        hashes[change.record.key] = change.content_hash
    for name in diff.unseen():
        hashes[name] = GONE
    truth = stored(*users_of(after))
    assert {key: value for key, value in hashes.items() if value & 1} == {
        key: value for key, value in truth.items() if value & 1
    }
    assert all(hashes[key] == value for key, value in truth.items() if key in hashes)
    again = Diff(dict(hashes), by_kind=False)
    assert feed(again, *pages(*users_of(after), size=size)) == []
    assert again.unseen() == []


@given(directories, directories)
def test_every_record_is_counted_exactly_once(
    before: dict[str, tuple[State, str | None]], after: dict[str, tuple[State, str | None]]
) -> None:
    hashes = stored(*users_of(before))
    diff = Diff(dict(hashes), by_kind=False)
    feed(diff, *pages(*users_of(after)))
    never_stored = sum(state is State.GONE and key not in hashes for key, (state, _) in after.items())
    assert diff.counts.processed == len(after) - never_stored


def test_of_a_directory_that_nobody_can_read_the_first_records_are_named_and_all_are_counted() -> None:
    diff = Diff({}, by_kind=False)
    for listing in range(20):
        bad = [Rejection(f"{listing}-{number}", "USER", "name: is no string") for number in range(150)]
        feed(diff, Page([], bad), listing=f"users:{listing}")
    assert diff.counts.rejected == 3000
    assert len(diff.rejections) == NAMED
    assert [rejection.key for rejection in diff.rejections[98:102]] == ["0-98", "0-99", "1-0", "1-1"]
    assert (diff.further["users:0"], diff.further["users:19"], sum(diff.further.values())) == (50, 150, 2000)
