"""A password in the address of a server is seen wherever it stands, and nothing else is taken for one."""

import pytest

from churnflow.domain.secrets import holds_password


@pytest.mark.parametrize(
    "value",
    [
        "postgresql://user:secret@host/db",
        "mysql+pymysql://:secret@host",
        "postgresql+psycopg://user@host/db?sslmode=require&password=secret",
        "odbc://host/db?PWD=secret",
        "mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BUID%3Du%3BPWD%3Dsecret",
        "https://host/customers.csv?access_token=secret",
        "sftp://host/db?key=a&passphrase=secret",
        "postgresql://user:pass/word@host/db",
        "host=h user=u password=secret",
        "Driver={x};Server=h;UID=u;PWD=secret",
        ["a", {"database": "http://user:secret@host/customers.csv"}],
    ],
)
def test_a_password_is_seen(value: object) -> None:
    assert holds_password(value)


@pytest.mark.parametrize(
    "value",
    [
        "postgresql+psycopg://user@host:5432/db",
        "postgresql:///db?host=/tmp/socket",
        "https://host/a?b=c",
        "a: b@c",
        "https://host:5000/image@sha256:0",
        "SELECT * FROM a WHERE user = 1 AND token = 2",
        "the token = a word",
        "SELECT * FROM a WHERE note = 'x:y@z'",
        ["a", {"b": 1}],
        None,
        3,
    ],
)
def test_what_holds_none_is_left_alone(value: object) -> None:
    assert not holds_password(value)
