"""The environment, read once and checked: what is wrong with it is said in one line that names the variable."""

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from integration_pipeline.errors import UsageError
from integration_pipeline.provider import Endpoint

PREFIX = "INTEGRATION_PIPELINE_"
HOME = f"{PREFIX}HOME"
DATABASE_URL = f"{PREFIX}DATABASE_URL"
DAGSTER_DATABASE_URL = f"{PREFIX}DAGSTER_DATABASE_URL"
KEYS = f"{PREFIX}KEYS"
ALLOWED_HOSTS = f"{PREFIX}ALLOWED_HOSTS"
NOTICE_URL = f"{PREFIX}NOTICE_URL"
NOTICE_SECRET = f"{PREFIX}NOTICE_SECRET"

_FIXED = (HOME, DATABASE_URL, DAGSTER_DATABASE_URL, KEYS, ALLOWED_HOSTS, NOTICE_URL, NOTICE_SECRET)

SHORTEST_SECRET = 16

_MISSPELT = 0.85
"""How alike a name must be to one that is read. Variables that others make of the same prefix (Kubernetes does, of a
service's name) are less so."""

_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
# A browser's and an HTTP library's reading of these differ, and so could ours and the client's: they are refused.
_AMBIGUOUS = re.compile(r"[\x00-\x20\x7f\\]")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says. ``home`` is absolute; it need not exist yet."""

    home: Path
    database_url: str | None = field(default=None, repr=False)
    """None = the embedded PostgreSQL in ``home``."""
    dagster_database_url: str | None = field(default=None, repr=False)
    """None = the database ``dagster`` on the same server."""
    keys: str | None = field(default=None, repr=False)
    """The keyring as the environment gives it; None = generated into ``home``, with the embedded database only."""
    urls: Mapping[str, str] = field(default_factory=dict)
    """Variable → base URL, for every endpoint that is overridden."""
    allowed_hosts: frozenset[str] = frozenset()
    """Further hosts that a connection's ``api_endpoint`` may name."""
    notice_url: str | None = field(default=None, repr=False)
    """Where critical notices are posted; None = they are logged, and that is all."""
    notice_secret: str | None = field(default=None, repr=False)
    """What they are signed with; there is one where there is a URL."""

    def url(self, endpoint: Endpoint) -> str:
        return self.urls.get(endpoint.variable, endpoint.default)


def load(environ: Mapping[str, str], endpoints: Iterable[Endpoint]) -> Settings:
    """Read the environment. A variable set to nothing counts as unset.

    :param endpoints: the base URLs that may be overridden, the registry's and the publishers'.
    :raises UsageError: a value is wrong; the message names the variable and holds no credentials.
    """
    endpoints = tuple(endpoints)
    values = {name: value.strip() for name, value in environ.items() if name.startswith(PREFIX) and value.strip()}
    _refuse_misspelt(values, (*_FIXED, *(endpoint.variable for endpoint in endpoints)))
    notice_url, notice_secret = _receiver(values)
    return Settings(
        home=_home(values.get(HOME, ".integration-pipeline")),
        database_url=_database_url(DATABASE_URL, values),
        dagster_database_url=_database_url(DAGSTER_DATABASE_URL, values),
        keys=values.get(KEYS),
        urls={
            endpoint.variable: _base_url(endpoint, values[endpoint.variable])
            for endpoint in endpoints
            if endpoint.variable in values
        },
        allowed_hosts=_hosts(values.get(ALLOWED_HOSTS, "")),
        notice_url=notice_url,
        notice_secret=notice_secret,
    )


def is_safe_url(url: str) -> bool:
    """Whether an HTTP client may be pointed at it: https, or http on this machine's loopback; no credentials inside."""
    return _problem(url) is None


def check_api_endpoint(url: str, endpoint: Endpoint, settings: Settings) -> str:
    """A connection's own base URL, with the trailing slash that the endpoint's default has.

    :raises UsageError: it is neither https nor loopback, or its host is neither the vendor's, nor the configured base
        URL's, nor allowed by the operator: a connection file must not send tokens to arbitrary hosts.
    """
    problem = _problem(url)
    if problem is not None:
        raise UsageError(f"api_endpoint {problem}")
    host = urlsplit(url).hostname
    known = {urlsplit(endpoint.default).hostname, urlsplit(settings.url(endpoint)).hostname}
    if host not in known | settings.allowed_hosts:
        raise UsageError(f"api_endpoint names the host {host}, which is not allowed; {ALLOWED_HOSTS} can allow it")
    return _with_slash_like(endpoint.default, url)


def _refuse_misspelt(values: Mapping[str, str], known: Sequence[str]) -> None:
    """A misspelt database would be the embedded one, where nothing is to be done and all is well."""
    unset = {name.removeprefix(PREFIX): name for name in known if name not in values}
    for name in sorted(values.keys() - set(known)):
        if meant := get_close_matches(name.removeprefix(PREFIX), unset, n=1, cutoff=_MISSPELT):
            raise UsageError(f"{name} is no variable of the pipeline's: {unset[meant[0]]} is")


def _home(value: str) -> Path:
    if "\0" in value:
        raise UsageError(f"{HOME} is no path")
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:
        raise UsageError(f"{HOME}: {error}") from error


def _database_url(variable: str, values: Mapping[str, str]) -> str | None:
    url = values.get(variable)
    if url is not None and variable == DAGSTER_DATABASE_URL:
        # Dagster's own processes read the same variable, and need the driver named.
        url = url.replace("postgresql+psycopg2://", "postgresql://", 1)
    if url is not None and not url.startswith(("postgresql://", "postgres://")):
        raise UsageError(f"{variable} must start with postgresql://")
    return url


def _receiver(values: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Where critical notices go, and what signs them."""
    url, secret = values.get(NOTICE_URL), values.get(NOTICE_SECRET)
    if url is None:
        return None, None
    # A receiver's URL may well be one with a query: many services put their own key there.
    problem = _problem(url.partition("?")[0])
    if problem is not None or "#" in url or _AMBIGUOUS.search(url):
        raise UsageError(f"{NOTICE_URL} {problem or 'is not a URL'}")
    if secret is None or len(secret) < SHORTEST_SECRET:
        raise UsageError(
            f"{NOTICE_SECRET} must hold at least {SHORTEST_SECRET} characters: notices to {NOTICE_URL} are signed"
        )
    return url, secret


def _base_url(endpoint: Endpoint, url: str) -> str:
    problem = _problem(url)
    if problem is not None:
        raise UsageError(f"{endpoint.variable} {problem}")
    return _with_slash_like(endpoint.default, url)


def _with_slash_like(default: str, url: str) -> str:
    return f"{url}/" if default.endswith("/") and not url.endswith("/") else url


def _problem(url: str) -> str | None:
    """What is wrong with a base URL, without repeating it: it may carry credentials."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a URL"
    if _AMBIGUOUS.search(url) or not host:
        return "is not a URL"
    if not _HOST.fullmatch(host) and not _is_address(
        host
    ):  # one that is not ASCII may be another to the client, or none
        return "must name its host in ASCII letters (others as xn--…), or by its address"
    return _forbidden_part(parts, host)


def _forbidden_part(parts: SplitResult, host: str) -> str | None:
    if parts.username is not None or parts.password is not None:
        return "must not carry credentials"
    if parts.query or parts.fragment:
        return "must end with its path: no query, no fragment"
    if parts.scheme == "http":
        return None if _is_loopback(host) else f"must be https: http is for loopback addresses only, not for {host}"
    return None if parts.scheme == "https" else "must be an https URL"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in _LOOPBACK)


def _hosts(value: str) -> frozenset[str]:
    hosts = frozenset(part.strip().lower() for part in value.split(",") if part.strip())
    for host in sorted(hosts):
        if not _HOST.fullmatch(host) and not _is_address(host):
            raise UsageError(f"{ALLOWED_HOSTS} is a comma-separated list of host names, without scheme, port or path")
    return hosts


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
