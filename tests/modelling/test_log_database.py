"""What the predictions log is kept in: whose it is, which versions it knows, and what is said when it is not there."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from churnflow.errors import UsageError
from churnflow.modelling.prediction_log import LogError, PredictionLog
from tests.databases import execute
from tests.predictions import SERVICE, opened, prediction, read

SECRET = "gehe1m"  # noqa: S105 - of this test alone


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log" / "predictions.db"


def test_the_files_are_for_their_owner_alone_even_after_they_were_lost(path: Path) -> None:
    with opened(f"sqlite:///{path}") as log:
        log.write([prediction(1)], [])
        reading = log.predictions(0.0, 1e12)
        next(reading)
        assert len(list(path.parent.iterdir())) == 3
        assert {file.stat().st_mode & 0o077 for file in (path.parent, *path.parent.iterdir())} == {0}
        reading.close()
        path.unlink()
        with pytest.raises(LogError, match="unable to open database file"):
            log.write([prediction(2)], [])
        assert not path.exists()
    with opened(f"sqlite:///{path}") as log:
        log.write([prediction(2)], [])
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_log_that_another_holds_is_said_to_be_locked_and_stays_whole(log, log_url) -> None:
    log.write([prediction(1)], [])
    holder = sa.create_engine(log_url).connect()
    hold = "BEGIN IMMEDIATE" if log_url.startswith("sqlite") else "LOCK TABLE predictions"
    holder.exec_driver_sql(hold)
    with pytest.raises(LogError, match="lock"):
        log.write([prediction(2)], [SERVICE])
    holder.close()
    holder.engine.dispose()
    assert (len(read(log)), log.service(0, 10)) == (1, [])
    log.write([prediction(2)], [])
    assert len(read(log)) == 2


def test_a_full_disk_is_an_error_of_the_log_and_leaves_it_readable(path: Path) -> None:
    code = (
        "import resource, signal; from tests.predictions import *; from churnflow.modelling.prediction_log import *\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"log = PredictionLog.open('sqlite:///{path}'); log.write([prediction(1)], [])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))\n"
        "try: log.write([prediction(n) for n in range(2, 20_000)], [SERVICE])\n"
        "except LogError as error: print('refused', error)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "log.write([prediction(2)], []); print('again')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    refused, again = done.stdout.splitlines()
    assert refused.startswith("refused ")
    assert again == "again"
    with opened(f"sqlite:///{path}") as log:
        assert ([row.id for row in read(log)], log.service(0, 10)) == (["00000001-0", "00000002-0"], [])


def test_a_log_of_a_newer_churnflow_is_left_alone(log, log_url) -> None:
    execute(log_url, "UPDATE log_schema SET version = 2")
    for create in (True, False):
        with pytest.raises(UsageError, match="of schema 2, and this churnflow knows 1") as refused:
            PredictionLog.open(log_url, create=create)
        assert "upgrade churnflow" in refused.value.hint


def test_a_log_that_is_only_to_be_read_is_not_made(log_url: str) -> None:
    with pytest.raises(UsageError, match="there is no predictions log"):
        PredictionLog.open(log_url, create=False)
    if log_url.startswith("sqlite"):
        path = Path(log_url.removeprefix("sqlite:///"))
        assert not path.exists()
        path.parent.mkdir()
        sqlite3.connect(path).close()
    with pytest.raises(UsageError, match="there is no predictions log in"):
        PredictionLog.open(log_url, create=False)
    engine = sa.create_engine(log_url, poolclass=sa.NullPool)
    assert "predictions" not in sa.inspect(engine).get_table_names()


def test_who_may_only_read_reads_a_log_of_postgresql(postgres: str) -> None:
    execute(
        postgres,
        "DROP TABLE IF EXISTS predictions, service, outcomes, log_schema",
        "DROP ROLE IF EXISTS watcher",
        "CREATE ROLE watcher LOGIN IN ROLE pg_read_all_data",
    )
    with opened(postgres) as log:
        log.write([prediction(1)], [])
    with opened(postgres.replace("postgres@", "watcher@")) as log:
        assert len(read(log)) == 1
        with pytest.raises(LogError, match="permission denied for table predictions"):
            log.write([prediction(2)], [])


def test_another_file_is_said_to_be_no_database(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text("id,churn\n" * 1_000)
    with pytest.raises(LogError, match="not a database"):
        PredictionLog.open(f"sqlite:///{tmp_path / 'customers.csv'}")


@pytest.mark.parametrize(
    ("url", "text"),
    [
        (f"mysql://u:{SECRET}@host/x", "can not be kept in mysql"),
        (f"what is this {SECRET}", "is not one of a database"),
        ("sqlite://", "in memory"),
        ("sqlite:////proc/none/predictions.db", "can not be made"),
        ("sqlite+foo:///x", "can not be kept in sqlite.foo"),
        (f"postgresql+asyncpg://u:{SECRET}@host/x", "can not be kept in postgresql.asyncpg"),
        (f"postgresql://u:{SECRET}@host:port/x", "is not one of a database"),
        (f"sqlite:///x.db?timeout={SECRET}", "after a question mark"),
        ("sqlite:///nul\0.db", "can not be made"),
    ],
)
def test_a_url_that_is_none_is_refused_without_its_password(url: str, text: str) -> None:
    with pytest.raises(UsageError, match=text) as refused:
        PredictionLog.open(url)
    assert SECRET not in f"{refused.value} {refused.value.hint}"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_server_that_is_not_there_is_named_without_a_password(scheme: str) -> None:
    with pytest.raises(LogError, match="refused") as failed:
        PredictionLog.open(f"{scheme}://u:{SECRET}@127.0.0.1:1/x")
    assert SECRET not in f"{failed.value} {failed.value.hint}"


def test_postgresql_without_its_driver_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from churnflow.modelling.prediction_log import PredictionLog; from churnflow.errors import UsageError\n"
        "try: PredictionLog.open('postgresql://u@host/x')\n"
        "except UsageError as error: print(error, error.hint, sep='; ')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "PostgreSQL needs its driver psycopg, which is not installed; pip install 'churnflow[sql]'\n"


def test_the_log_is_opened_without_a_data_library() -> None:
    code = "import sys, churnflow.modelling.prediction_log; print({'pandas', 'numpy', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
