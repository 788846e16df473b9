"""OAuth's answer when it grants a token (RFC 6749 §5.1) → our token.

answer -> Grant -> Token
"""

import datetime as dt
from typing import Annotated, NotRequired

from pydantic import Field, SecretStr, TypeAdapter
from typing_extensions import TypedDict

from integration_pipeline.http.paging import parse
from integration_pipeline.model import Token
from integration_pipeline.provider import Answer

LONGEST_LIFE_SECONDS = 10 * 365 * 86_400
"""A token that claims to live longer is read as living so long. It is not refused: its refresh token may be the only one."""


class Grant(TypedDict):
    access_token: Annotated[str, Field(min_length=1)]
    refresh_token: NotRequired[str | None]
    expires_in: NotRequired[int | None]  # LINE WORKS documents a number and sends a string: pydantic reads both
    token_type: NotRequired[str | None]


_GRANT = TypeAdapter(Grant)


def read_grant(answer: Answer) -> Grant:
    """What was granted.

    :raises InvalidResponse: it is not as RFC 6749 has it.
    """
    return parse(_GRANT, answer.body)


def granted(grant: Grant, now: dt.datetime) -> Token:
    """The token, its life counted from ``now``. One that says nothing of an end has none."""
    refresh_token, expires_in = grant.get("refresh_token"), grant.get("expires_in")
    life = None if expires_in is None else dt.timedelta(seconds=min(max(expires_in, 0), LONGEST_LIFE_SECONDS))
    return Token(
        access_token=SecretStr(grant["access_token"]),
        refresh_token=SecretStr(refresh_token) if refresh_token else None,
        expires_at=None if life is None else now + life,
    )
