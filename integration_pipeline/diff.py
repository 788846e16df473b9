"""What changed: the records of a walk against what is stored, as they stream by.

``stored`` maps a record's identity to its content hash (:func:`fingerprint`): an even hash belongs to an inactive row,
an odd one to an active row, and 0 to one that is gone. A record that equals its hash never leaves :meth:`Diff.feed`,
so that memory and database work follow the changes and not the directory. What was seen is noted in the same dict, as
the negative number of its page, so that a million rows need no second one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

from integration_pipeline.model import Counts, Page, Record, Rejection, State

GONE = 0
"""The hash of a row that is gone, whether its provider says so or no longer lists it: both read the same."""

LARGEST_KEY_BYTES = 512
_LARGEST_CHARACTER_BYTES = 4


SEPARATOR, NULL = "\x1f", "\x1e"
"""Between a text's fields, and for one that is null: as COPY is told to read them (``store/spool.py``)."""

_ESCAPED = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", SEPARATOR: "\\" + SEPARATOR})

_ACTIVE, _GONE = State.ACTIVE, State.GONE  # an enum's member by its name costs as much as half a hash

NAMED_OF_LISTING, NAMED = 100, 1000
"""How many records that cannot be read are named, of one listing and in all; the others are counted. A provider that
changes a field overnight makes every record unreadable, and whoever looks into it needs a few."""


class Change(NamedTuple):
    """A record that differs from what is stored."""

    record: Any
    listing: str
    content: str
    content_hash: int
    is_new: bool
    deactivates: bool
    """Whether an active row becomes inactive by it: those pass the guard."""


class Absence(NamedTuple):
    """A stored row that its complete listing did not hold, and that is not known to be gone yet."""

    key: str
    kind: str
    listing: str
    is_active: bool
    """Whether it is deactivated by it; else it was switched off already, and only its state is another now."""


def identity(kind: str, key: str, *, by_kind: bool) -> str:
    """What a row is called in ``stored``. Ids of users are unique; ids of groups and org units only within their kind."""
    return f"{kind}\x1f{key}" if by_kind else key


def content(record: Record, listing: str) -> str:
    """All that makes a record what it is, as one text: what is hashed, and where it differs what is stored.

    Different records have different texts, for one that holds a mark of its own is escaped.
    """
    fields: Any = record
    try:
        text = f"{listing}{SEPARATOR}" + SEPARATOR.join([NULL if value is None else value for value in fields])
    except TypeError:  # a truth value, which few kinds of records have
        text = SEPARATOR.join([NULL if text is None else text for text in words(record, listing)])
    if text.count(SEPARATOR) != len(fields) or NULL in fields:
        return escaped(words(record, listing))
    return text


def escaped(texts: Iterable[str | None]) -> str:
    """Texts as COPY reads them, whatever they hold."""
    return SEPARATOR.join(
        [NULL if text is None else f"\\{NULL}" if text == NULL else text.translate(_ESCAPED) for text in texts]
    )


def words(record: Record, listing: str) -> list[str | None]:
    """The fields of a record's :func:`content`."""
    return [listing, *("t" if value is True else "f" if value is False else value for value in record)]


def fingerprint(state: State, text: str) -> int:
    """A record's :func:`content` as 63 bits, odd when it is active.

    :raises UnicodeEncodeError: the text holds half a surrogate pair, which no database stores.
    """
    digest = int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
    if state is _ACTIVE:
        return digest | 1
    return GONE if state is _GONE else (digest & ~1) or 2


def without_nul(record: Any) -> Any:
    """The record without U+0000, which PostgreSQL cannot hold."""
    return record._make(value.replace("\x00", "") if type(value) is str else value for value in record)


@dataclass(slots=True)
class Diff:
    """One walk's comparison. Feed it every page; then ask what is absent."""

    stored: dict[str, int]
    by_kind: bool
    counts: Counts = field(default_factory=Counts)
    rejections: list[Rejection] = field(default_factory=list)
    """The first of them (:data:`NAMED_OF_LISTING`, :data:`NAMED`)."""
    further: dict[str, int] = field(default_factory=dict)
    """listing → how many more were rejected."""
    deactivated: dict[str, int] = field(default_factory=dict)
    """kind → how many active rows the provider flags as inactive or gone."""
    unproven: dict[str, str] = field(default_factory=dict)
    """listing → why it cannot prove that something is absent although it was read to its end."""
    is_loaded: bool = False
    """Whether ``stored`` is all that is stored."""
    rows: dict[str, int] = field(default_factory=dict)
    """listing → how many rows it held, rejected ones included."""
    _named: dict[str, int] = field(default_factory=dict)
    """listing that tells changes → how many of the rows it names were there before."""
    _pages: list[str] = field(default_factory=list)
    """The listing of every page."""
    _rejected: set[str] = field(default_factory=set)
    _kept: dict[str, int] = field(default_factory=dict)
    """listing → how many of its rejections are kept."""

    def load(self, stored: dict[str, int]) -> None:
        """Take all that is stored, before the first listing that is read whole."""
        self.stored = stored | self.stored if self.stored else stored
        self.is_loaded = True

    def names(self, page: Page) -> list[str]:
        """Identities of all that a page names and nothing is known of yet: what :meth:`learn` is to be told."""
        named: list[tuple[str, str]] = [(record.kind, record.key) for record in page.records]
        named += [(removal.kind, removal.key) for removal in page.removed]
        named += [(rejection.kind, rejection.key) for rejection in page.rejected if rejection.key is not None]
        found = (identity(kind, key.replace("\x00", ""), by_kind=self.by_kind) for kind, key in named)
        return [name for name in dict.fromkeys(found) if name not in self.stored and _is_text(name)]

    def learn(self, listing: str, hashes: Mapping[str, int]) -> None:
        """Take what is stored of the rows that a listing of changes names, before its page is fed.

        What it then names as removed is learnt and never seen: absent, as from a whole listing.
        """
        self.stored |= hashes
        self._named[listing] = self._named.get(listing, 0) + sum(value != GONE for value in hashes.values())

    def keep_others(self, listing: str, there: int) -> None:
        """End a listing of changes: the rows that it did not name are in it as they were.

        :param there: how many rows were stored as being in it, whether active or not.
        """
        others = there - self._named.get(listing, 0)
        self.rows[listing] = self.rows.get(listing, 0) + others
        self.counts.unchanged += others

    def feed(self, listing: str, page: Page) -> list[Change]:
        """Compare one page; returns what differs.

        An id that comes twice counts once, as it came first. Twice on different pages of one listing means that the
        paging shifted under the walk, so another row may have been skipped: the listing proves nothing any more.
        """
        self.rows[listing] = self.rows.get(listing, 0) + len(page.records) + len(page.rejected)
        self._pages.append(listing)
        number = -len(self._pages)
        stored, changes, unchanged = self.stored, list[Change](), 0
        for raw in page.records:
            record, text = raw, content(raw, listing)
            if "\x00" in text:
                record = without_nul(raw)
                text = content(record, listing)
            name = identity(record.kind, record.key, by_kind=True) if self.by_kind else record.key
            before = stored.get(name)
            if before is not None and before < 0:
                self._came_again(listing, name)
                continue
            try:
                after = fingerprint(record.state, text)
                problem = None if before == after else _problem(record.key)
            except UnicodeEncodeError:
                problem = "text: is not valid Unicode"
            if problem:
                self._reject(listing, Rejection(record.key, record.kind, problem))
            elif before == after:
                unchanged += 1
                stored[name] = number
            elif before is not None or after != GONE:
                changes.append(self._changed(record, listing, text, before, after))
                stored[name] = number
        self.counts.unchanged += unchanged
        for rejection in page.rejected:
            self._reject(listing, rejection)
        return changes

    def _changed(self, record: Record, listing: str, text: str, before: int | None, after: int) -> Change:
        is_new, deactivates = before is None, before is not None and bool(before & 1) and not after & 1
        if is_new:
            self.counts.created += 1
        elif deactivates:
            self.counts.deleted += 1
            self.deactivated[record.kind] = self.deactivated.get(record.kind, 0) + 1
        else:
            self.counts.updated += 1
        return Change(record, listing, text, after, is_new, deactivates)

    def _reject(self, listing: str, rejection: Rejection) -> None:
        """Count a record that cannot be read. With a readable id it was seen; without one it may be any stored row."""
        key, message = ((text or "").replace("\x00", "") for text in (rejection.key, rejection.message))
        rejection = Rejection(key if _is_text(key) else None, rejection.kind, message)
        if rejection.key is None:
            self.unproven[listing] = "a record without a readable id"
        else:
            name = identity(rejection.kind, rejection.key, by_kind=self.by_kind)
            if self.has_seen(name):
                self._came_again(listing, name)
                return
            self._rejected.add(name)
            self.stored[name] = -len(self._pages)
        self.counts.rejected += 1
        kept = self._kept.get(listing, 0)
        if kept < NAMED_OF_LISTING and len(self.rejections) < NAMED:
            self._kept[listing] = kept + 1
            self.rejections.append(rejection)
        else:
            self.further[listing] = self.further.get(listing, 0) + 1

    def _came_again(self, listing: str, name: str) -> None:
        page = -self.stored[name]
        if page < len(self._pages) and self._pages[page - 1] == listing:
            self.unproven[listing] = "an id came twice on different pages"

    def rematched(self, name: str, *, is_there: bool = False) -> None:
        """Count a mapping that changed alone: an update, of an account that else would be unchanged (requirement A5).

        An account that could not be read has its count already.

        :param is_there: whether a listing of changes stands for the account without having named it.
        """
        if name in self._rejected:
            return
        self.counts.updated += 1
        self.counts.unchanged -= is_there or self.has_seen(name)

    def unnamed(self, names: Iterable[str]) -> list[str]:
        """Of these identities, those that neither a whole listing nor one of changes has to do with."""
        return [name for name in names if name not in self.stored]

    def unseen(self) -> list[str]:
        """Identities of the rows that no page held, of those that are not gone already."""
        return [name for name, value in self.stored.items() if value > GONE]

    def has_seen(self, name: str) -> bool:
        return self.stored.get(name, 0) < 0

    def absent(self, absences: Sequence[Absence]) -> None:
        """Count what is proven absent: deleted where it was active, else an update of its state."""
        deleted = sum(absence.is_active for absence in absences)
        self.counts.deleted += deleted
        self.counts.updated += len(absences) - deleted

    def hold(self) -> None:
        """The guard keeps every deactivation back: those records count as what they stay, unchanged."""
        self.counts.unchanged += self.counts.deleted
        self.counts.deleted = 0


def _problem(key: str) -> str | None:
    if 0 < len(key) <= LARGEST_KEY_BYTES // _LARGEST_CHARACTER_BYTES:
        return None
    if not key:
        return "id: is empty"
    return f"id: is longer than {LARGEST_KEY_BYTES} bytes" if len(key.encode()) > LARGEST_KEY_BYTES else None


def _is_text(key: str) -> bool:
    try:
        return bool(key.encode())
    except UnicodeEncodeError:
        return False
