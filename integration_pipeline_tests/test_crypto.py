"""Sealed values: they open where they were sealed, under a key of the ring, and nowhere else."""

import base64
import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from integration_pipeline import crypto
from integration_pipeline.crypto import Keyring
from integration_pipeline.errors import UsageError
from integration_pipeline.settings import Settings
from integration_pipeline_tests import builders

OLD = f"old:{base64.b64encode(bytes(32)).decode()}"
NEW = f"new:{base64.b64encode(bytes([7] * 32)).decode()}"
RING = Keyring.parse(builders.KEYS)

words = st.text(st.characters(exclude_categories=["Cs"]))
places = st.tuples(words, words, words)


def seal(value: str, place: tuple[str, str, str] = ("tenant-a", "SLACK", "access_token"), ring: Keyring = RING) -> str:
    return ring.seal(SecretStr(value), tenant_id=place[0], system=place[1], column=place[2])


def opened(
    sealed: str, place: tuple[str, str, str] = ("tenant-a", "SLACK", "access_token"), ring: Keyring = RING
) -> str:
    return ring.open(sealed, tenant_id=place[0], system=place[1], column=place[2]).get_secret_value()


@given(words, places)
def test_what_was_sealed_opens_in_its_place(value: str, place: tuple[str, str, str]) -> None:
    assert opened(seal(value, place), place) == value


@given(words, places, places)
def test_it_opens_in_no_other_place(value: str, place: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    if place != other:
        with pytest.raises(UsageError, match="does not open"):
            opened(seal(value, place), other)


def test_places_that_read_the_same_when_joined_are_different() -> None:
    with pytest.raises(UsageError):
        opened(seal("x", ("a|b", "c", "d")), ("a", "b|c", "d"))


@given(words, st.data())
def test_an_altered_value_does_not_open_and_is_not_shown(value: str, data: st.DataObject) -> None:
    head, _, encoded = seal(value).rpartition(":")
    body = bytearray(base64.b64decode(encoded))
    position = data.draw(st.integers(0, len(body) - 1))
    body[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(UsageError, match="access_token of tenant-a SLACK") as caught:
        opened(f"{head}:{base64.b64encode(body).decode()}")
    assert "test" in str(caught.value)


@given(st.text(max_size=80))
def test_no_text_that_was_never_sealed_opens(text: str) -> None:
    with pytest.raises(UsageError, match="access_token of tenant-a SLACK"):
        opened(text)


def test_equal_values_never_look_equal() -> None:
    assert len({seal("same") for _ in range(100)}) == 100


def test_the_first_key_seals_and_all_of_them_open() -> None:
    before, after = Keyring.parse(OLD), Keyring.parse(f"{NEW},{OLD}")
    sealed = seal("x", ring=before)
    assert opened(sealed, ring=after) == "x"
    assert seal("x", ring=after).startswith("v1:new:")


def test_a_missing_key_is_named_with_its_place() -> None:
    sealed = seal("hunter2", ring=Keyring.parse(OLD))
    with pytest.raises(UsageError, match="access_token of tenant-a SLACK is sealed with the key old") as caught:
        opened(sealed, ring=Keyring.parse(NEW))
    assert "hunter2" not in str(caught.value)


def test_a_missing_key_is_missed_where_the_ring_is(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    sealed = seal("hunter2", ring=Keyring.parse(OLD))
    with pytest.raises(UsageError, match="sealed with the key old") as caught:
        opened(sealed, ring=Keyring.load(settings))
    assert str(caught.value).endswith(f"which is not in {tmp_path / 'keys'}")


def test_another_key_of_the_same_name_is_named() -> None:
    with pytest.raises(UsageError, match="the key old"):
        opened(seal("x", ring=Keyring.parse(OLD)), ring=Keyring.parse(NEW.replace("new", "old")))


def test_a_ring_shows_its_ids_only() -> None:
    assert repr(Keyring.parse(f"{NEW},{OLD}")) == "Keyring(new, old)"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "holds no key"),
        (" , ", "holds no key"),
        ("hunter2", "entry 1"),
        ("k:hunter2", "entry 1"),
        (f"{OLD},k:aHVudGVyMg==", "entry 2"),
        (OLD.replace("old", "o d"), "entry 1"),
        (OLD.replace("old", ""), "entry 1"),
        (f"{OLD},{OLD}", "same id old"),
    ],
)
def test_a_ring_that_is_none_is_refused_without_being_repeated(text: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem) as caught:
        Keyring.parse(text)
    assert "INTEGRATION_PIPELINE_KEYS" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_generated_key_is_a_ring() -> None:
    first, second = crypto.generate(), crypto.generate()
    assert first != second
    assert opened(seal("x", ring=Keyring.parse(first)), ring=Keyring.parse(f"{second},{first}")) == "x"


def test_a_ring_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"{NEW}\n{OLD}\n")
    ring = Keyring.load(Settings(home=tmp_path, keys=f"file:{tmp_path / 'keys'}"))
    assert repr(ring) == "Keyring(new, old)"


def test_a_file_of_keys_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"keys cannot be read|the keys in .*missing"):
        Keyring.load(Settings(home=tmp_path, keys=f"file:{tmp_path / 'missing'}"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="binary is no file of keys"):
        Keyring.load(Settings(home=tmp_path, keys=f"file:{tmp_path / 'binary'}"))


def test_another_database_never_gets_generated_keys(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="keys generate"):
        Keyring.load(Settings(home=tmp_path, database_url="postgresql://h/d"))
    assert list(tmp_path.iterdir()) == []


def test_the_embedded_database_gets_keys_once_for_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    sealed = seal("x", ring=Keyring.load(settings))
    assert opened(sealed, ring=Keyring.load(settings)) == "x"
    assert [path.name for path in settings.home.iterdir()] == ["keys"]
    assert stat.S_IMODE((settings.home / "keys").stat().st_mode) == 0o600


def test_of_processes_that_make_keys_at_once_one_wins(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    together = threading.Barrier(8)
    rings: list[Keyring] = []

    def make() -> None:
        together.wait()
        rings.append(Keyring.load(settings))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rings) == 8
    assert len({repr(ring) for ring in rings}) == 1
    assert os.listdir(tmp_path) == ["keys"]  # noqa: PTH208 - as the shell sees it


def test_a_home_that_cannot_hold_keys_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="no keys can be made in"):
        Keyring.load(Settings(home=tmp_path / "file"))
