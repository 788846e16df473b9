"""The environment: every wrong value is one line that names its variable and repeats no credentials."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_pipeline.errors import UsageError
from integration_pipeline.provider import Endpoint
from integration_pipeline.settings import Settings, check_api_endpoint, is_safe_url, load

API = Endpoint("INTEGRATION_PIPELINE_SLACK_URL", "https://slack.com/api/")
TOKEN = Endpoint("INTEGRATION_PIPELINE_GOOGLE_TOKEN_URL", "https://oauth2.googleapis.com/token")


def with_url(url: str) -> Settings:
    return load({API.variable: url}, [API])


def test_an_empty_environment_means_the_defaults() -> None:
    settings = load({}, [API, TOKEN])
    assert settings.home == Path.cwd() / ".integration-pipeline"
    assert settings.database_url is None
    assert settings.keys is None
    assert settings.url(API) == "https://slack.com/api/"
    assert settings.allowed_hosts == frozenset()


def test_a_variable_set_to_nothing_is_unset() -> None:
    environ = {
        "INTEGRATION_PIPELINE_DATABASE_URL": "",
        "INTEGRATION_PIPELINE_HOME": " ",
        "INTEGRATION_PIPELINE_KEYS": "",
        API.variable: "",
    }
    assert load(environ, [API]) == load({}, [API])


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [("DATABSE_URL", "DATABASE_URL"), ("KEY", "KEYS"), ("NOTICES_URL", "NOTICE_URL"), ("SLACK_URI", "SLACK_URL")],
)
def test_a_misspelt_variable_is_refused_where_the_one_that_was_meant_is_not_set(misspelt: str, meant: str) -> None:
    wrong, right = f"INTEGRATION_PIPELINE_{misspelt}", f"INTEGRATION_PIPELINE_{meant}"
    with pytest.raises(UsageError, match=f"{wrong} is no variable of the pipeline's: {right} is"):
        load({wrong: "hunter2"}, [API])


def test_other_peoples_variables_of_the_same_prefix_are_left_alone() -> None:
    right = {"INTEGRATION_PIPELINE_DATABASE_URL": "postgresql://h/d"}
    others = {
        "INTEGRATION_PIPELINE_DATABASE_URL_OLD": "postgresql://h/e",
        "INTEGRATION_PIPELINE_SERVICE_HOST": "10.0.0.1",
        "INTEGRATION_PIPELINE_DATABASE_PORT": "tcp://10.0.0.1:5432",
    }
    assert load(right | others, [API]) == load(right, [API])
    assert load({"INTEGRATION_PIPELINE_DATABASE_PORT": "tcp://10.0.0.1:5432"}, [API]) == load({}, [API])


def test_a_relative_home_is_made_absolute_and_a_tilde_is_the_users() -> None:
    assert load({"INTEGRATION_PIPELINE_HOME": "here/there"}, []).home == Path.cwd() / "here" / "there"
    assert load({"INTEGRATION_PIPELINE_HOME": "~/there"}, []).home == Path.home() / "there"


def test_secrets_stand_in_no_repr() -> None:
    settings = load(
        {
            "INTEGRATION_PIPELINE_DATABASE_URL": "postgresql://u:hunter2@h/d",
            "INTEGRATION_PIPELINE_DAGSTER_DATABASE_URL": "postgresql://u:hunter3@h/d",
            "INTEGRATION_PIPELINE_KEYS": "k:hunter4",
            "INTEGRATION_PIPELINE_NOTICE_URL": "https://h/hunter5?key=hunter6",
            "INTEGRATION_PIPELINE_NOTICE_SECRET": "hunter7 and some more",
        },
        [],
    )
    assert "hunter" not in repr(settings)


@pytest.mark.parametrize("variable", ["INTEGRATION_PIPELINE_DATABASE_URL", "INTEGRATION_PIPELINE_DAGSTER_DATABASE_URL"])
@pytest.mark.parametrize(
    "url", ["mysql://u:hunter2@h/d", "host=h password=hunter2", "postgresql+psycopg://u:hunter2@h/d"]
)
def test_another_database_is_refused_by_its_variables_name(variable: str, url: str) -> None:
    with pytest.raises(UsageError, match=variable) as caught:
        load({variable: url}, [])
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/api/",
        "http://127.0.0.1:8080/slack/",
        "http://127.9.9.9/",
        "http://localhost:1/",
        "http://[::1]:8080/slack/",
    ],
)
def test_https_and_loopback_are_accepted(url: str) -> None:
    assert is_safe_url(url)
    assert with_url(url).url(API) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "http://10.0.0.1/",
        "http://0.0.0.0/",
        "http://localhost.example.com/",
        "http://127.0.0.1.example.com/",
        "http://127.0.0.1@example.com/",
        "http://example.com\\@127.0.0.1/",
        "http://local\nhost/",
        "http://[::2]/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "https://example.com:port/",
        "https://[::1/",
        "https://user:hunter2@example.com/",
        "https://hunter2@example.com/",
        "https://example.com/?token=hunter2",
        "https://example.com/#hunter2",
        "example.com",
        "//example.com/",
        "https://\uff25\uff38.com/",
        "https://ü..com/",
        "https://ex<ample.com/",
    ],
)
def test_anything_else_is_refused_by_its_variables_name_and_not_repeated(url: str) -> None:
    assert not is_safe_url(url)
    with pytest.raises(UsageError, match=API.variable) as caught:
        with_url(url)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text())
def test_no_text_at_all_makes_the_check_stumble(url: str) -> None:
    assert is_safe_url(url) in {True, False}


def test_the_trailing_slash_is_the_defaults() -> None:
    assert with_url("https://example.com/api").url(API) == "https://example.com/api/"
    settings = load({TOKEN.variable: "https://example.com/token"}, [TOKEN])
    assert settings.url(TOKEN) == "https://example.com/token"


def test_an_endpoint_nobody_asked_for_is_not_read() -> None:
    assert load({API.variable: "nonsense"}, []).urls == {}


def test_allowed_hosts_are_a_list_without_spaces_and_capitals() -> None:
    settings = load({"INTEGRATION_PIPELINE_ALLOWED_HOSTS": "Proxy.example.com, 10.0.0.1,,::1"}, [])
    assert settings.allowed_hosts == {"proxy.example.com", "10.0.0.1", "::1"}


@pytest.mark.parametrize("hosts", ["https://example.com", "example.com:443", "example.com/path", "a b", "*", "a,*.b"])
def test_an_allowed_host_is_a_host_and_nothing_more(hosts: str) -> None:
    with pytest.raises(UsageError, match="INTEGRATION_PIPELINE_ALLOWED_HOSTS"):
        load({"INTEGRATION_PIPELINE_ALLOWED_HOSTS": hosts}, [])


def test_a_connection_may_name_the_vendors_host_the_configured_one_and_the_allowed_ones() -> None:
    settings = load(
        {API.variable: "http://127.0.0.1:9/slack/", "INTEGRATION_PIPELINE_ALLOWED_HOSTS": "proxy.example.com"}, [API]
    )
    assert check_api_endpoint("https://slack.com/api/v2", API, settings) == "https://slack.com/api/v2/"
    assert check_api_endpoint("http://127.0.0.1:8/x/", API, settings) == "http://127.0.0.1:8/x/"
    assert check_api_endpoint("https://Proxy.Example.com/", API, settings) == "https://Proxy.Example.com/"


@pytest.mark.parametrize(
    "url", ["https://example.com/", "https://slack.com.example.com/", "https://169.254.169.254/", "http://127.0.0.1/"]
)
def test_a_connection_may_name_no_other_host(url: str) -> None:
    with pytest.raises(UsageError, match="INTEGRATION_PIPELINE_ALLOWED_HOSTS"):
        check_api_endpoint(url, API, load({}, [API]))


def test_an_allowed_host_must_still_be_https() -> None:
    with pytest.raises(UsageError, match="https"):
        check_api_endpoint("http://slack.com/api/", API, load({}, [API]))


def receiver(url: str, secret: str = "0123456789abcdef") -> Settings:  # noqa: S107
    return load({"INTEGRATION_PIPELINE_NOTICE_URL": url, "INTEGRATION_PIPELINE_NOTICE_SECRET": secret}, [])


@pytest.mark.parametrize(
    "url", ["https://ops.example.co.jp/hooks/a?key=b&c=d", "http://127.0.0.1:8000/", "http://localhost/"]
)
def test_notices_go_by_https_or_stay_on_this_machine_and_a_query_may_be_part_of_where(url: str) -> None:
    assert receiver(url).notice_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://ops.example.co.jp/", "ftp://h/", "https://u:hunter2@h/", "https://h/#hunter2", "h", "https://",
        "https://h/?a=hunter2 b", "https://h\\hunter2/", "https://\uff4fps.example.co.jp/hunter2",
    ],
)  # fmt: skip
def test_a_receiver_that_cannot_be_one_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(UsageError, match=r"^INTEGRATION_PIPELINE_NOTICE_URL ") as caught:
        receiver(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("secret", ["", "short"])
def test_notices_are_never_sent_unsigned(secret: str) -> None:
    with pytest.raises(UsageError, match="INTEGRATION_PIPELINE_NOTICE_SECRET must hold at least 16 characters"):
        receiver("https://ops.example.co.jp/", secret)
