"""The addresses that checkpoints may be shared at."""

import pytest

from churnflow.domain.remote import Remotes, split_url, why_refused

# Put together here, so that this file holds no secret.
TOKEN = "ghp" + "_" + "aB3dE6gH9j" * 4


@pytest.mark.parametrize(
    "url",
    [
        "/srv/models",
        "models",
        "file:///srv/models",
        "s3://bucket/team",
        "S3://bucket",
        "sftp://ann@host:22/srv",
        "gs://b",
        "abfss://container@account.dfs.core.windows.net/team",
        "s3://bucket/ann@example.org",
    ],
)
def test_a_folder_and_the_known_protocols_are_addresses(url: str) -> None:
    assert why_refused(url) is None


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "no address"),
        ("/", "no address"),
        ("--output=/etc/passwd", "no address"),
        ("s3://bucket/\x1b[31m", "no address"),
        ("s3://", "no address"),
        ("simplecache::s3://bucket", "chain"),
        ("ext::sh -c id", "chain"),
        ("memory://x", "memory://"),
        ("reference://x", "reference://"),
        ("https://host/x", "https://"),
        ("s3://key:hidden@bucket/x", "secret"),
        ("s3://bucket/x?secret_access_key=hidden", "secret"),
        ("sftp://ann:hidden@host/x", "secret"),
        ("sftp://ann:@host/x", "secret"),
        ("s3://bucket/x?a=b", "secret"),
        ("s3://AKIA" + "IOSFODNN7EXAMPLE@bucket", "secret"),
        ("s3a://ann@bucket/x", "secret"),
        ("gs://ann%40bucket@bucket", "secret"),
        ("s3://bucket/AKIA" + "Q2W3E4R5T6Y7U2I3/x", "secret"),
        (f"sftp://{TOKEN}@host/x", "secret"),
        (f"sftp://{TOKEN.replace('_', '%5F')}@host/x", "secret"),
        (f"/srv/{TOKEN}/models", "secret"),
    ],
)
def test_what_could_run_or_leak_something_is_refused(url: str, why: str) -> None:
    assert why in str(why_refused(url))


def test_an_address_has_a_protocol_and_a_path() -> None:
    assert [split_url(url) for url in ("S3://a/b", "/a", "c:/a")] == [("s3", "a/b"), ("file", "/a"), ("file", "c:/a")]


@pytest.mark.parametrize(
    ("urls", "name"),
    [({}, None), ({"backup": "/a"}, "backup"), ({"a": "/a", "origin": "/b"}, "origin"), ({"a": "/a", "b": "/b"}, None)],
)
def test_the_only_remote_or_origin_is_the_default(urls: dict[str, str], name: str | None) -> None:
    assert Remotes(urls=urls).default() == name
