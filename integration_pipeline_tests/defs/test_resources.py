from collections.abc import Mapping

import dagster as dg
import pytest

from integration_pipeline import registry
from integration_pipeline.defs import resources
from integration_pipeline.defs.resources import (
    DatabaseResource,
    GoogleSheetsResource,
    LineWorksResource,
    ProviderResource,
    SlackResource,
    TeamsResource,
)
from integration_pipeline.pipeline import GOOGLE_SHEETS, GOOGLE_TOKEN
from integration_pipeline.settings import DAGSTER_DATABASE_URL, DATABASE_URL, KEYS
from integration_pipeline_tests import builders


@pytest.fixture
def configured(environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return environ


def test_every_provider_has_its_resource() -> None:
    assert {each.system for each in ProviderResource.__subclasses__()} == set(registry.FOLDERS)


def test_a_ceiling_lowers_what_a_connection_allows_and_never_raises_it() -> None:
    resource = SlackResource(max_requests_per_minute=50, max_timeout_seconds=60)
    limited = resource.limited(builders.connection(api_rate_limit=600, timeout_seconds=30))
    assert (limited.api_rate_limit, limited.timeout_seconds) == (50, 30)


def test_a_resource_leaves_other_providers_and_unset_limits_alone() -> None:
    slack = builders.connection()
    assert TeamsResource(max_requests_per_minute=1).limited(slack) is slack
    assert SlackResource().limited(slack) == slack


def test_the_pipeline_is_opened_with_what_the_resources_say(configured: Mapping[str, str]) -> None:
    slack = SlackResource(base_url="http://127.0.0.1:9/api", max_requests_per_minute=5)
    with DatabaseResource().open_pipeline(TeamsResource(), slack, LineWorksResource()) as pipeline:
        assert pipeline.settings.url(registry.provider(builders.SLACK).api) == "http://127.0.0.1:9/api/"
        assert pipeline.adjust(builders.connection()).api_rate_limit == 5
        assert pipeline.adjust(builders.connection(system=builders.TEAMS)).api_rate_limit == 60


def test_a_base_url_is_checked_like_the_environments(configured: Mapping[str, str]) -> None:
    slack = SlackResource(base_url="http://slack.example/")
    with pytest.raises(dg.Failure, match="must be https"), DatabaseResource().open_pipeline(slack):
        pass


def test_wrong_configuration_is_one_line_without_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATABASE_URL, "postgresql://nobody:geheim@127.0.0.1:1/none")
    with pytest.raises(dg.Failure) as caught, DatabaseResource().open():
        pass
    assert caught.value.description is not None
    assert "127.0.0.1:1/none" in caught.value.description
    assert "geheim" not in caught.value.description
    assert not caught.value.allow_retries


def test_dagsters_own_url_may_name_its_driver(configured: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DAGSTER_DATABASE_URL, "postgresql+psycopg2:///dagster")
    with DatabaseResource().open() as database, database.operator() as cursor:
        assert cursor.execute("SELECT 1").fetchone() == (1,)


def test_resources_have_no_place_for_a_secret(configured: Mapping[str, str]) -> None:
    shown = [repr(each) for each in (DatabaseResource(), SlackResource(), TeamsResource(), LineWorksResource())]
    assert configured[KEYS] not in "".join(shown)
    assert configured[DATABASE_URL] not in "".join(shown)
    fields = {name for each in (DatabaseResource, ProviderResource) for name in each.model_fields}
    assert fields == {"base_url", "token_url", "max_requests_per_minute", "max_timeout_seconds", "connections_at_once"}
    assert resources.__doc__


def test_google_sheets_is_found_by_its_resource(configured: Mapping[str, str]) -> None:
    google = GoogleSheetsResource(base_url="http://127.0.0.1:1/sheets", token_url="http://127.0.0.1:1/token")
    with DatabaseResource().open_pipeline(google) as opened:
        assert opened.settings.url(GOOGLE_SHEETS) == "http://127.0.0.1:1/sheets/"
        assert opened.settings.url(GOOGLE_TOKEN) == "http://127.0.0.1:1/token"
    assert GoogleSheetsResource().environment() == {}
