import datetime as dt
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_shared.yaml_utils import load_yaml_from_path

import integration_pipeline
from integration_pipeline.definitions import defs
from integration_pipeline.defs.lines import SYNC_TYPES
from integration_pipeline.defs.mornings import TOKYO
from integration_pipeline.defs.partitions import DAYS, TENANTS

ROOT = Path(integration_pipeline.__file__).parents[1]

DAILY = {"sync_history", "daily_kpis", "google_sheets_kpis"}

LOADED = """
import sys
import integration_pipeline.definitions
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_everything_is_there_and_valid() -> None:
    dg.Definitions.validate_loadable(defs)
    repository = defs.get_repository_def()
    assert {job.name for job in repository.get_all_jobs()} >= {"sync_tenants", "retry_failed", "publish_kpis"}
    assert [each.name for each in repository.schedule_defs] == ["every_morning"]
    assert {each.name for each in repository.sensor_defs} == {"tenants_in_step", "morning_has_ended"}


def test_the_assets_come_from_two_steps_and_say_what_they_are() -> None:
    specs = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
    assert specs.keys() == SYNC_TYPES.keys() | DAILY
    assert len(defs.resolve_asset_graph().assets_defs) == 2
    for name, spec in specs.items():
        assert spec.description
        assert spec.owners
        assert spec.kinds
        assert spec.group_name == ("publishing" if name in DAILY else "directory")
        assert spec.partitions_def == (DAYS if name in DAILY else TENANTS)


def test_the_lineage_goes_from_the_tenants_to_the_spreadsheets() -> None:
    deps = {
        spec.key.to_user_string(): {dep.asset_key.to_user_string() for dep in spec.deps}
        for spec in defs.resolve_all_asset_specs()
    }
    assert {name: of for name, of in deps.items() if of} == {
        "user_mappings": {"external_users"},
        "sync_history": {"external_users", "external_teams", "notification_settings"},
        "daily_kpis": {"sync_history", "user_mappings"},
        "google_sheets_kpis": {"daily_kpis"},
    }


def test_todays_partition_is_there_and_tomorrows_is_not() -> None:
    before = dt.datetime.now(TOKYO).date()
    last = DAYS.get_last_partition_key()
    assert last in {before.isoformat(), dt.datetime.now(TOKYO).date().isoformat()}  # Dagster's clock may pass midnight


def test_loading_the_definitions_loads_nothing_heavy() -> None:
    found = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    heavy = {"pandas", "sqlalchemy", "alembic", "psycopg", "httpx", "starlette", "jwt", "rich", "gspread", "requests"}
    assert not heavy & set(found.stdout.split())


def test_one_dagster_yaml_without_telemetry_or_retries() -> None:
    (path,) = [found for found in ROOT.rglob("dagster.yaml") if ".venv" not in found.parts]
    settings: Any = load_yaml_from_path(str(path))
    assert settings["telemetry"] == {"enabled": False}
    assert settings["nux"] == {"enabled": False}
    assert settings["run_retries"]["enabled"] is False
    assert settings["storage"] == {
        "custom": {
            "module": "integration_pipeline.defs.storage",
            "class": "Storage",
            "config": {"postgres_url": {"env": "INTEGRATION_PIPELINE_DAGSTER_DATABASE_URL"}},
        }
    }
    # A pool that let fewer runs in would line all chunks up behind the slowest tenant.
    concurrency = settings["concurrency"]
    assert concurrency["pools"]["default_limit"] == concurrency["runs"]["max_concurrent_runs"]


def test_the_workspace_names_the_definitions() -> None:
    workspace = load_yaml_from_path(str(ROOT / "workspace.yaml"))
    assert workspace == {
        "load_from": [
            {
                "python_module": {
                    "module_name": "integration_pipeline.definitions",
                    "location_name": "integration_pipeline",
                }
            }
        ]
    }
