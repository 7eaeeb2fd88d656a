"""What `churnflow new` writes: a git repository with a workflow for the data at hand."""

import importlib
import importlib.resources
import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from churnflow.adapters.durable import explained, remove
from churnflow.adapters.repository import clean_environment
from churnflow.errors import ConflictError, UsageError

BUNDLED: Final = "telco.csv.gz"
TRIALS: Final = 24
# So many rows the workflow asks for; of a smaller file a bit less than it has, so that a cut one is noticed.
ADVISED_ROWS: Final = 1000
KEPT_SHARE: Final = 0.9
SHARED: Final = "    - step: features"
NOTES: Final = """churnflow takes a model from plan to production as declared steps that leave evidence.
Each checkpoint keeps code and data and model together so that one command brings all of it back.
"""


@dataclass(frozen=True)
class Source:
    """The data that a new project works on: a file to copy, and what its columns mean."""

    file: Path
    name: str
    target: str
    positive: str | None = None
    id: str | None = None
    rows: int = 1112
    groups: tuple[str, ...] = ()

    @property
    def least_rows(self) -> int:
        """How many rows the checks of the workflow ask for: as many as are advised, or nearly all of a smaller file."""
        return min(ADVISED_ROWS, int(self.rows * KEPT_SHARE))

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the steps that read the file."""
        known = {"source": f"data/{self.name}", "target": self.target, "id": self.id, "positive": self.positive}
        return {name: value for name, value in known.items() if value is not None}


@dataclass(frozen=True)
class EventSource:
    """The log of events that a new project works on: a file to copy, what its columns mean, and what counts as churn.

    outcome: no event in so many days or weeks after the cut, such as 90d or 13w.
    """

    file: Path
    name: str
    customer: str
    time: str
    amount: str | None
    outcome: str

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the step that reads the file."""
        columns = {"customer": self.customer, "time": self.time, "amount": self.amount}
        known = {"source": f"data/{self.name}", **columns, "outcome": self.outcome}
        return {name: value for name, value in known.items() if value is not None}


def bundled_source() -> Source:
    """Return the real data set that comes with churnflow: IBM's Telco sample, 7,043 customers."""
    file = Path(str(importlib.resources.files("churnflow.data").joinpath(BUNDLED)))
    groups = ("senior_citizen", "female")
    return Source(file, "customers.csv.gz", "churn", "Yes", "customer_id", rows=7043, groups=groups)


def guess(file: Path) -> Any:
    """Return what the columns of `file` seem to mean; the module that knows brings pandas, so it is reached by name."""
    return importlib.import_module("churnflow.modelling.profile").guess(file)


def columns_of(log: Path) -> tuple[str, ...]:
    """Return the columns of a log of events. Raises UsageError for a file that is none."""
    with tempfile.TemporaryDirectory(prefix="churnflow-new-") as folder:
        opened = importlib.import_module("churnflow.modelling.event_sources").open_events(log, Path(folder))
    columns: tuple[str, ...] = opened.header
    return columns


def scaffold(folder: Path, template: str, source: Source | EventSource) -> list[Path]:
    """Write a project into `folder`, which must be new or empty; return the files written.

    Raises ConflictError when something is there already, UsageError when git is missing or the folder can not be made.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        message = f"{folder} is there already and not empty; nothing was written"
        raise ConflictError(message, hint="name a new folder, or add workflows/churn.yaml to yours by hand")
    is_new = not folder.exists()
    try:
        _prepare(folder)
        with explained(folder):
            return _write(folder, template, source)
    except BaseException:
        if folder.exists():
            for path in [folder] if is_new else folder.iterdir():
                remove(path)
        raise


def _write(folder: Path, template: str, source: Source | EventSource) -> list[Path]:
    files: dict[str, str] = {".gitignore": _template("gitignore.txt")}
    copies: dict[str, Path] = {}
    if template == "quickstart":
        files |= {
            "workflows/quickstart.yaml": _fill("quickstart.yaml", {"name": "quickstart"}),
            "steps.py": _template("quickstart_steps.txt"),
            "data/notes.txt": NOTES,
        }
    else:
        made = churn_workflow(source) if isinstance(source, Source) else events_workflow(source)
        files |= {"workflows/churn.yaml": made, "workflows/monitor.yaml": _template("monitor.yaml")}
        copies[f"data/{source.name}"] = source.file
    for name in (*files, *copies):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    for name, file in copies.items():
        shutil.copyfile(file, folder / name)
    _commit(folder)
    return [folder / name for name in (*files, *copies)]


def churn_workflow(source: Source) -> str:
    """Return the churn workflow, written for `source`."""
    groups = f"\n      with: {_flow({'groups': list(source.groups)})}" if source.groups else ""
    return _fill(
        "churn.yaml",
        {
            "name": "churn",
            "task": "Build ML pipeline for customer churn prediction",
            "source": _flow(source.parameters()),
            "records": str(source.least_rows),
            "trials": str(TRIALS),
            "groups": groups,
        },
    )


def events_workflow(source: EventSource) -> str:
    """Return the churn workflow that begins with a log of events, written for `source`."""
    words = {"name": "churn", "task": "Predict churn from a log of events", "source": _flow(source.parameters())}
    # Once there are customers, both go the same way.
    rest = _fill("churn.yaml", {"trials": str(TRIALS), "groups": ""}).partition(SHARED)
    return _fill("events.yaml", words) + rest[1] + rest[2]


def _prepare(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        command = ("git", "init", "--quiet", "--initial-branch=main", ".")
        subprocess.run(command, cwd=folder, env=clean_environment(), check=True, capture_output=True)
    except FileNotFoundError:
        message = "git is not installed, or not on the PATH"
        raise UsageError(message, hint="install git 2.35 or newer, for example: apt install git") from None
    except (OSError, subprocess.CalledProcessError) as error:
        message = f"{folder} can not be made a project: {getattr(error, 'strerror', None) or 'git init failed'}"
        raise UsageError(message, hint="name a folder in which you may write") from None


def _commit(folder: Path) -> None:
    """Commit what was written, so that checking out a checkpoint's tag by hand finds nothing untracked in its way."""
    git = ("git", "-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false")
    environment = clean_environment()
    named = subprocess.run(
        (*git, "var", "GIT_COMMITTER_IDENT"), cwd=folder, env=environment, capture_output=True, check=False
    )
    own = () if named.returncode == 0 else ("-c", "user.name=churnflow", "-c", "user.email=churnflow@localhost.invalid")
    for command in (("add", "--all"), ("commit", "--quiet", "-m", "Begin the project")):
        subprocess.run((*git, *own, *command), cwd=folder, env=environment, capture_output=True, check=True)


def _template(name: str) -> str:
    return importlib.resources.files("churnflow.templates").joinpath(name).read_text()


def _fill(name: str, words: Mapping[str, str]) -> str:
    text = _template(name)
    for word, value in words.items():
        text = text.replace(f"[[{word}]]", value)
    return text


def _flow(values: Mapping[str, Any]) -> str:
    """Write a mapping as YAML's flow style; JSON strings are YAML strings, and plain words need no quotes."""
    return "{" + ", ".join(f"{name}: {_word(value)}" for name, value in values.items()) + "}"


def _word(value: Any) -> str:
    plain = isinstance(value, str) and value.replace("_", "").replace("/", "").replace(".", "").isalpha()
    if isinstance(value, list):
        return "[" + ", ".join(_word(item) for item in value) + "]"
    return value if plain and value.lower() not in {"true", "false", "null"} else json.dumps(value, ensure_ascii=False)
