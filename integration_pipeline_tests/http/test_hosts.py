import httpx
import pytest

from integration_pipeline.errors import InvalidResponse
from integration_pipeline.http.hosts import Hosts, is_loopback

GRAPH = Hosts("https://graph.microsoft.com/v1.0/")
SANDBOX = Hosts("http://127.0.0.1:8080/line/", domains=("worksapis.com",), allowed=("Other.example.jp", "localhost:81"))


@pytest.mark.parametrize("path", ["users", "/users"])
def test_a_path_stands_under_the_base_url(path: str) -> None:
    assert str(GRAPH.url(path)) == "https://graph.microsoft.com/v1.0/users"
    assert str(Hosts("https://slack.com/api").url(path)) == "https://slack.com/api/users"


@pytest.mark.parametrize(
    "path", ["//evil.example/x", "@evil.example/x", ":81/x", "../../x", "\\evil.example", "ftp://evil.example"]
)
def test_no_path_leads_to_another_host(path: str) -> None:
    url = GRAPH.url(path)
    assert (url.scheme, url.host, url.port) == ("https", "graph.microsoft.com", None)


@pytest.mark.parametrize(
    "link",
    [
        "https://graph.microsoft.com/v1.0/users?$skiptoken=RFNwd'(x)%2B%20,&$top=999",
        "https://graph.microsoft.com:443/v1.0/users?$skiptoken=a+b%2Fc=",
    ],
)
def test_a_link_is_called_as_it_came(link: str) -> None:
    assert str(GRAPH.url(link)) == link.replace(":443", "")


@pytest.mark.parametrize(
    "link",
    [
        "http://127.0.0.1:8080/elsewhere",
        "https://worksapis.com/v1.0/",
        "https://jp2.WORKSAPIS.com/v1.0/",
        "https://other.example.jp/x",
        "https://other.example.jp:8443/x",
        "http://localhost:81/x",
    ],
)
def test_the_own_host_the_vendors_hosts_and_the_allowed_ones_are_let_through(link: str) -> None:
    assert str(SANDBOX.url(link)) == str(httpx.URL(link))


@pytest.mark.parametrize(
    ("link", "host"),
    [
        ("https://evil.example/?token=secret", "evil.example"),
        ("https://worksapis.com.evil.example/", "worksapis.com.evil.example"),
        ("https://evilworksapis.com/", "evilworksapis.com"),
        ("https://worksapis.com:8443/", "worksapis.com"),
        ("https://worksapis.com./", "worksapis.com."),
        ("https://worksapis.com@evil.example/", "evil.example"),
        ("https://worksapis.com\\@evil.example/", "evil.example"),
        ("https://user:secret@other.example.jp/", "other.example.jp"),
        ("http://other.example.jp/", "other.example.jp"),
        ("http://jp2.worksapis.com/", "jp2.worksapis.com"),
        ("http://127.0.0.1:22/", "127.0.0.1"),
        ("http://127.0.0.1/", "127.0.0.1"),
        ("http://localhost:82/", "localhost"),
        ("http://169.254.169.254/latest/meta-data", "169.254.169.254"),
        ("HTTPS://EVIL.example/", "evil.example"),
        ("https:///path", ""),
        (f"https://{'x' * 5000}.example/", "x" * 100),
    ],
)
def test_a_token_goes_nowhere_else(link: str, host: str) -> None:
    with pytest.raises(InvalidResponse) as caught:
        SANDBOX.url(link)
    assert f"a link to the host {host}" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("link", ["https://[::1/", "https://x:port/", "https://a\nb/", "http://x:99999999/"])
def test_what_is_no_url_is_invalid(link: str) -> None:
    with pytest.raises(InvalidResponse):
        SANDBOX.url(link)


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/v2/users?a=b", "http://127.0.0.1:8080/v2/users?a=b"),
        ("groups", "http://127.0.0.1:8080/line/groups"),
        ("https://jp2.worksapis.com/v1.0/users", "https://jp2.worksapis.com/v1.0/users"),
    ],
)
def test_a_location_may_be_relative(location: str, url: str) -> None:
    assert str(SANDBOX.redirected(SANDBOX.url("users"), location)) == url


@pytest.mark.parametrize(
    "location", ["//evil.example/x", "https://evil.example", "javascript:alert(1)", "file:///etc/passwd", "https://"]
)
def test_a_location_leads_nowhere_else_either(location: str) -> None:
    with pytest.raises(InvalidResponse):
        SANDBOX.redirected(SANDBOX.url("users"), location)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_is_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "10.0.0.1", "localhost.example.jp", "::2", "2130706433"])  # noqa: S104
def test_nothing_else_is_loopback(host: str) -> None:
    assert not is_loopback(host)
