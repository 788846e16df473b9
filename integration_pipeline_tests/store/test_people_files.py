"""CSV files of tenants and users: cells keep their text, and what is wrong is said with its line."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_pipeline.errors import UsageError
from integration_pipeline.store.people import InternalUser, Tenant
from integration_pipeline.store.people_files import parse_tenants, parse_users

USERS = "tenant_id,internal_user_id,email,employee_number,display_name,is_active\n"


def tenants(text: str | bytes) -> list[Tenant]:
    return parse_tenants(io.BytesIO(text.encode() if isinstance(text, str) else text))


def users(rows: str | bytes) -> list[InternalUser]:
    return parse_users(io.BytesIO(USERS.encode() + (rows.encode() if isinstance(rows, str) else rows)))


def test_tenants_are_read_with_their_defaults() -> None:
    text = "tenant_id,name,time_zone,locale\na,株式会社 山田,,\nb,B,Europe/Berlin,en\n"
    assert tenants(text) == [
        Tenant("a", "株式会社 山田", "Asia/Tokyo", "ja", 2),
        Tenant("b", "B", "Europe/Berlin", "en", 3),
    ]
    assert tenants("name,tenant_id\nA,a\n") == [Tenant("a", "A", "Asia/Tokyo", "ja", 2)]


def test_users_are_read_as_they_stand() -> None:
    rows = 'a,u1,Taro@Example.com ,0042,"山田, ""Taro""",true\r\na,u2,,,,NO\n\nb,u1,,,"two\nlines",\n'
    assert users(rows) == [
        InternalUser("a", "u1", "Taro@Example.com ", "0042", '山田, "Taro"', is_active=True, line=2),
        InternalUser("a", "u2", None, None, None, is_active=False, line=3),
        InternalUser("b", "u1", None, None, "two\nlines", is_active=True, line=6),
    ]


def test_a_byte_order_mark_is_no_part_of_the_first_column() -> None:
    assert tenants(b"\xef\xbb\xbftenant_id,name\na,A\n")[0].tenant_id == "a"


def test_a_file_without_rows_is_a_file() -> None:
    assert users("") == []


@pytest.mark.parametrize(
    ("word", "is_active"),
    [
        ("true", True),
        ("TRUE", True),
        ("1", True),
        ("yes", True),
        ("", True),
        ("false", False),
        ("0", False),
        ("no", False),
    ],
)
def test_active_is_said_in_several_words(word: str, is_active: bool) -> None:  # noqa: FBT001
    assert users(f"a,u,,,,{word}\n")[0].is_active is is_active


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: the column tenant_id is missing"),
        ("tenant_id\na\n", "line 1: the column name is missing"),
        ("tenant_id,name,colour\n", "line 1: there is no column 'colour'"),
        ("tenant_id,name,name\n", "line 1: the column name stands there twice"),
        ("tenant_id,name\n,A\n", "line 2: tenant_id is empty"),
        ("tenant_id,name\n  ,A\n", "line 2: tenant_id is empty"),
        ("tenant_id,name\na,\n", "line 2: name is empty"),
        ("tenant_id,name\na,A\n\na,B\n", "line 4: the same id as in line 2"),
        ("tenant_id,name\na,A,extra\n", "line 2: 3 cells under 2 columns"),
        ("tenant_id,name\na\n", "line 2: 1 cells under 2 columns"),
        ("tenant_id,name,time_zone\na,A,Asia/Nowhere\n", "line 2: time_zone"),
        ("tenant_id,name,time_zone\na,A,../../etc/passwd\n", "line 2: time_zone"),
        ("tenant_id,name,time_zone\na,A,Asia\n", "line 2: time_zone"),
        ("tenant_id,name,locale\na,A,de\n", "line 2: locale must be one of ja, en"),
        ('tenant_id,name\n\na,"A\nb,B\n', "line 3: "),
        ('tenant_id,name\na,"A"B\n', "line 2: "),
        ("tenant_id,name\na,A\0\n", "line 2: has a NUL"),
        (f"tenant_id,name\n{'あ' * 171},A\n", "line 2: tenant_id is longer than 512 bytes"),
        (b"tenant_id,name\na,A\nb,\x8e\x52\x93\x63\n", "line 3: not UTF-8"),
        (b"\xff\xfet\x00e\x00n\x00", "line 1: not UTF-8"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str | bytes, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        tenants(text)
    assert str(caught.value).startswith(problem)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("テナント,名称\na,A\n".encode("cp932"), 'in Excel, save it as "CSV UTF-8"'),
        ("tenant_id;name\na;A\n", "with commas between: tenant_id, name, and may name time_zone, locale"),
        ("tenant_id,name,colour\n", "with commas between: tenant_id, name, and may name time_zone, locale"),
        ('tenant_id,name\na,"A\nb,B\n', "a cell that begins with a quotation mark must end with one"),
    ],
)
def test_what_is_wrong_with_the_whole_file_comes_with_what_to_do(text: str | bytes, remedy: str) -> None:
    with pytest.raises(UsageError) as caught:
        tenants(text)
    assert remedy in (caught.value.remedy or "")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("a,u,,,,maybe\n", "line 2: is_active must be one of"),
        ("a,,,,,\n", "line 2: internal_user_id is empty"),
        ("a,u,,,,\na,u,,,,\n", "line 3: the same id as in line 2"),
    ],
)
def test_what_is_wrong_with_a_user_is_said_with_its_line(row: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        users(row)


def test_the_same_user_id_in_two_tenants_is_two_users() -> None:
    assert len(users("a,u,,,,\nb,u,,,,\n")) == 2


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(st.dictionaries(cells.filter(lambda text: bool(text.strip())), st.tuples(cells, cells, cells), max_size=5))
def test_whatever_a_spreadsheet_writes_is_read_back(people: dict[str, tuple[str, str, str]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerows(["a", key, *rest, "true"] for key, rest in people.items())
    read = users(text.getvalue())
    assert [(user.internal_user_id, user.email, user.employee_number, user.display_name) for user in read] == [
        (key, *(cell or None for cell in rest)) for key, rest in people.items()
    ]
