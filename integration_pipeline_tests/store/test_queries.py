"""sql/ is found where it is: in a checkout, and in what pip installs."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from integration_pipeline.store import migrations, queries

ROOT = Path(__file__).resolve().parents[2]


def test_a_checkout_reads_its_own_folder() -> None:
    assert queries.folder() == ROOT / "sql"
    assert "CREATE TABLE tenants" in queries.sql("migrations/versions/0001_directory")


def test_a_query_that_is_not_there_is_an_error_and_not_an_empty_one() -> None:
    with pytest.raises(FileNotFoundError):
        queries.sql("no/such/query")


def test_an_installed_wheel_brings_all_of_sql_along(tmp_path: Path) -> None:
    build = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    site = tmp_path / "site" / "integration_pipeline"
    assert _names(site / "sql") == _names(ROOT / "sql")
    look = "from integration_pipeline.store import migrations, queries; print(queries.folder(), migrations.head())"
    found = subprocess.run(
        [sys.executable, "-P", "-c", look],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert found.stdout == f"{site / 'sql'} {migrations.head()}\n"


def _names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix in {".sql", ".py"}}
