"""The digest of the installed packages, read from the names of their metadata folders."""

import hashlib
import sys
from pathlib import Path


def packages_sha256() -> str:
    """Return the sha256 over the sorted `name-version` of every installed distribution and the Python version.

    Only folder names are read: each package's metadata would take a tenth of a second, which every command would pay.
    """
    installed = {
        entry.name.removesuffix(".dist-info").lower()
        for folder in {Path(item) for item in sys.path if item.endswith("-packages")}
        if folder.is_dir()
        for entry in folder.iterdir()
        if entry.name.endswith(".dist-info") and not entry.name.startswith("churnflow-")
    }
    version = ".".join(str(part) for part in sys.version_info[:3])
    return hashlib.sha256("\n".join([version, *sorted(installed)]).encode()).hexdigest()
