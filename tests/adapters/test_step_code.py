"""Step functions found, imported and hashed from a real project folder."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from churnflow.adapters.step_code import StepCode
from churnflow.errors import UsageError

_SERIAL = itertools.count()
ROOT = Path(__file__).parents[2]


class Project:
    """A project folder with a package of a name that no other test has imported."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.package = f"team_{next(_SERIAL)}"

    def write(self, name: str, text: str) -> None:
        file = self.root / self.package / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def sha256(self, uses: str = "steps:run") -> str:
        return self.catalog().code_sha256(f"{self.package}.{uses}")

    def catalog(self) -> StepCode:
        return StepCode(self.root, {"churn.known": f"{self.package}.steps:run"})


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(sys, "path", list(sys.path))
    project = Project(tmp_path)
    project.write("__init__.py", "raise SystemExit('imported')\n")
    project.write("steps.py", "from .near import helper\nimport json\nimport sys\n\ndef run():\n    return helper()\n")
    project.write("near.py", "def late():\n    from . import far\n    return far\n\ndef helper():\n    return 1\n")
    project.write("far.py", "x = 1\n")
    project.write("other.py", "y = 1\n")
    return project


@pytest.mark.parametrize("file", ["steps.py", "near.py", "far.py", "__init__.py"])
def test_a_change_in_what_the_function_is_made_of_changes_the_digest(project: Project, file: str) -> None:
    before = project.sha256()
    project.write(file, "\nfrom .near import helper  # changed\n")
    assert project.sha256() != before


def test_a_change_elsewhere_or_another_function_is_another_matter(project: Project) -> None:
    before = project.sha256()
    project.write("other.py", "y = 2\n")
    assert project.sha256() == before
    assert project.sha256("steps:other") != before
    assert StepCode(project.root, {"known": f"{project.package}.steps:run"}).code_sha256("known") == before


def test_hashing_does_not_import(project: Project) -> None:
    project.sha256()
    assert project.package not in sys.modules


def test_a_function_is_imported_by_name_or_place(project: Project) -> None:
    project.write("__init__.py", "")
    catalog = project.catalog()
    assert catalog.function("churn.known")() == 1
    assert catalog.function(f"{project.package}.steps:run") is catalog.function("churn.known")
    assert "churn.known" in catalog.names()
    assert list(catalog.names()) == sorted(set(catalog.names()))


def test_an_edit_in_the_same_second_and_of_the_same_size_is_run(project: Project) -> None:
    project.write("__init__.py", "")
    for number in (1, 2):
        project.write("steps.py", f"def run():\n    return {number}\n")
        os.utime(project.root / project.package / "steps.py", (1_000_000_000, 1_000_000_000))
        code = (
            "import sys; from pathlib import Path; from churnflow.adapters.step_code import StepCode\n"
            f"print(StepCode(Path(sys.argv[1]), {{}}).function('{project.package}.steps:run')())"
        )
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        done = subprocess.run(
            [sys.executable, "-c", code, str(project.root)], capture_output=True, text=True, check=True, env=environment
        )
        assert done.stdout == f"{number}\n"


STRANGER = """
import sys
from pathlib import Path
from churnflow.adapters.artifact_files import ArtifactFiles
from churnflow.adapters.step_code import StepCode
root = Path(sys.argv[1])
sys.path.append(str(root / "site"))
catalog = StepCode(root, {"churn.known": "stranger:own"})
store = ArtifactFiles(root / "store", {"json": "stranger_codec"})
print(*[name for name in catalog.names() if name.startswith(("churn.known", "stranger."))])
print(catalog.function("stranger.step")(), catalog.function("churn.known")(), len(catalog.code_sha256("stranger.step")))
print(store.get(store.put("a", "text", "stranger-text")), "stranger-text" in store.codecs())
"""


def test_an_installed_package_adds_steps_and_codecs_and_takes_no_built_in_name(tmp_path: Path) -> None:
    metadata = tmp_path / "site/stranger-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[churnflow.steps]\nstranger.step = stranger:run\nchurn.known = stranger:run\n"
        "[churnflow.codecs]\nstranger-text = stranger_codec\njson = none_such\n"
    )
    (tmp_path / "site/stranger.py").write_text("def run():\n    return 'run'\n\ndef own():\n    return 'own'\n")
    (tmp_path / "site/stranger_codec.py").write_text(
        "SUFFIX = '.txt'\n"
        "def dump(value, path):\n    path.write_text(value)\n"
        "def load(path):\n    return path.read_text()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", STRANGER, str(tmp_path)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.splitlines() == ["churn.known stranger.step", "run own 64", "text True"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("run = 1\n", "is not a function"),
        ("from churnflow.errors import UsageError\nraise UsageError('mine', hint='own')\n", "^mine$"),
        ("import none_such_module\n", r"steps\.py:1: ModuleNotFoundError"),
    ],
)
def test_what_cannot_be_a_step_says_why(project: Project, body: str, said: str) -> None:
    project.write("__init__.py", "")
    project.write("steps.py", body)
    with pytest.raises(UsageError, match=said):
        project.catalog().function(f"{project.package}.steps:run")


def test_an_unknown_name_that_is_near_to_nothing_lists_what_there_is(project: Project) -> None:
    with pytest.raises(UsageError, match="unknown step function: zzzz") as caught:
        project.catalog().function("zzzz")
    assert "churn.known" in caught.value.hint
    project.write("__init__.py", "")
    with pytest.raises(UsageError) as caught:
        project.catalog().function(f"{project.package}.steps:zzzz")
    assert caught.value.hint == "define `zzzz` in it"


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("NAME.py", "import NAME"),
        ("NAME/__init__.py", "import NAME.util"),
        ("NAME/util.py", "from NAME import util"),
        ("NAME/deep/util.py", "from NAME.deep.util import x"),
        ("src/NAME/util.py", "import NAME.util"),
    ],
)
def test_code_of_the_project_that_the_step_imports_counts(project: Project, file: str, line: str) -> None:
    name = f"near_{project.package}"
    sys.path.append(str(project.root / "src"))
    project.write("steps.py", f"{line.replace('NAME', name)}\nfrom . import gone\n\ndef run():\n    return 1\n")
    near = project.root / file.replace("NAME", name)
    near.parent.mkdir(parents=True, exist_ok=True)
    near.write_text("x = 1\n")
    before = project.sha256()
    near.write_text("x = 2\n")
    assert project.sha256() != before


def test_a_package_installed_in_a_folder_of_the_project_does_not_count(project: Project) -> None:
    name = f"far_{project.package}"
    project.write("steps.py", f"import {name}\n\ndef run():\n    return 1\n")
    site = project.root / ".venv/lib/python3/site-packages"
    site.mkdir(parents=True)
    sys.path.append(str(site))
    (site / f"{name}.py").write_text("x = 1\n")
    before = project.sha256()
    (site / f"{name}.py").write_text("x = 2\n")
    assert project.sha256() == before


def test_unknown_names_are_met_with_the_nearest(project: Project) -> None:
    project.write("__init__.py", "")
    catalog = project.catalog()
    with pytest.raises(UsageError) as caught:
        catalog.function("churn.knwon")
    assert "churn.known" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        catalog.function(f"{project.package}.steps:rum")
    assert caught.value.hint == f"did you mean {project.package}.steps:run?"
    for wrong in ("no_such_module_at_all:run", f"{project.package}.none:run", "a b:c", ":", "steps", "../x:y"):
        with pytest.raises(UsageError, match="unknown step function"):
            catalog.code_sha256(wrong)


@pytest.mark.parametrize(
    ("source", "said"),
    [("x = 1\nx = 1 / 0\n", r"steps\.py:2: ZeroDivisionError"), ("def run(:\n", r"steps\.py:1: Syn")],
)
def test_an_import_that_fails_names_the_line(project: Project, source: str, said: str) -> None:
    project.write("__init__.py", "")
    project.write("steps.py", source)
    assert len(project.sha256()) == 64
    with pytest.raises(UsageError, match=said):
        project.catalog().function(f"{project.package}.steps:run")
