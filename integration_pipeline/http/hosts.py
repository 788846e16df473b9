"""Where a token may be sent: the connection's own host, the vendor's other ones, and those an operator allowed.

    path | absolute URL -> URL

``nextLink`` and ``Location`` are text from outside: a token follows them nowhere else (SSRF).
"""

import ipaddress
from collections.abc import Collection

import httpx

from integration_pipeline.errors import InvalidResponse


class Hosts:
    """The hosts of one connection.

    :param base_url: the API's base URL, trusted.
    :param domains: the vendor's domains; the hosts under them are allowed.
    :param allowed: further hosts, with or without a port.
    """

    def __init__(self, base_url: str, *, domains: Collection[str] = (), allowed: Collection[str] = ()) -> None:
        self._base = httpx.URL(base_url)
        self._domains = tuple(domain.lower() for domain in domains)
        self._allowed = frozenset(host.lower() for host in allowed)

    def url(self, path: str) -> httpx.URL:
        """Make the URL of a path under the base URL, or check an absolute one.

        :raises InvalidResponse: the URL leads elsewhere; the message names the host.
        """
        if path.lower().startswith(("https://", "http://")):
            return self._checked(_parsed(path))
        # Joined as text: a path with dots or slashes of its own cannot change the host.
        return _parsed(f"{str(self._base).rstrip('/')}/{path.lstrip('/')}")

    def redirected(self, url: httpx.URL, location: str) -> httpx.URL:
        """Follow a ``Location``, which may be relative to the URL that was asked.

        :raises InvalidResponse: as in :meth:`url`.
        """
        target = _parsed(location)
        return self._checked(url.join(target))

    def _checked(self, url: httpx.URL) -> httpx.URL:
        host = url.host[:100]
        if url.userinfo:
            raise InvalidResponse(f"a link to the host {host} with a user name in it")
        if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.host)):
            raise InvalidResponse(f"a link to the host {host} that is not https")
        if not self._is_allowed(url):
            raise InvalidResponse(
                f"a link to the host {host}, which is neither the provider's nor allowed",
                remedy="If the host is right, add it to INTEGRATION_PIPELINE_ALLOWED_HOSTS.",
            )
        return url

    def _is_allowed(self, url: httpx.URL) -> bool:
        if (url.host, _port(url)) == (self._base.host, _port(self._base)):
            return True
        if url.host in self._allowed or f"{url.host}:{_port(url)}" in self._allowed:
            return True
        is_vendors = any(url.host == domain or url.host.endswith(f".{domain}") for domain in self._domains)
        return is_vendors and _port(url) == _port(httpx.URL("https://"))


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, where plain http is no danger."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _port(url: httpx.URL) -> int:
    return url.port or (80 if url.scheme == "http" else 443)


def _parsed(text: str) -> httpx.URL:
    try:
        return httpx.URL(text)
    except httpx.InvalidURL:
        pass  # raised below: the cause's own text may quote the URL with its query
    raise InvalidResponse("a link that is no URL")
