"""The digest of the installed packages."""

import subprocess
import sys
from pathlib import Path

DIGEST = (
    "import sys; sys.path.append(sys.argv[1]); from churnflow.adapters.packages import packages_sha256 as p; print(p())"
)
ROOT = Path(__file__).parents[2]


def digest(folder: Path) -> str:
    command = [sys.executable, "-c", DIGEST, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()


def test_it_changes_with_a_package_or_a_version_and_with_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "site-packages"
    without = digest(folder)
    assert len(without) == 64
    (folder / "helper-1.0.dist-info").mkdir(parents=True)
    first = digest(folder)
    assert first != without
    (folder / "helper").mkdir()
    (folder / "churnflow-9.9.dist-info").mkdir()
    assert digest(folder) == first
    (folder / "helper-1.0.dist-info").rename(folder / "helper-1.1.dist-info")
    assert digest(folder) not in {first, without}
