"""The file of a database by its address."""

import pytest

from churnflow.domain.database import database_files


@pytest.mark.parametrize(
    ("address", "file"),
    [
        ("sqlite:///crm.db", "crm.db"),
        ("sqlite+pysqlite:///data/crm.db?mode=ro", "data/crm.db"),
        ("sqlite:////srv/crm.db", "/srv/crm.db"),
        ("sqlite:///file:crm.db?mode=ro&uri=true", "crm.db"),
    ],
)
def test_a_sqlite_database_is_a_file_with_others_beside_it(address: str, file: str) -> None:
    assert database_files(address) == (file, f"{file}-journal", f"{file}-wal", f"{file}-shm")


@pytest.mark.parametrize("address", ["sqlite://", "sqlite:///:memory:", "postgresql://me@host/crm.db", "crm.db", ""])
def test_other_addresses_name_no_file(address: str) -> None:
    assert database_files(address) == ()
