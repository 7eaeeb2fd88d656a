"""The image: what a linter of Dockerfiles asks for, a whole context, and no module too few or too many."""

import fnmatch
import json
from pathlib import Path

import pytest

from churnflow.deployment.image import context_files, dockerfile
from churnflow.deployment.modules import needed_modules
from churnflow.deployment.packages import requirements
from churnflow.errors import UsageError
from tests.deployment.conftest import BUNDLE, SHA256, place, release


@pytest.fixture(scope="module")
def context() -> dict[str, bytes]:
    return context_files(place(), release(), BUNDLE)


def instructions(text: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile and what follows each, continued lines joined."""
    lines = [line for line in text.replace("\\\n", "").splitlines() if line and not line.startswith("#")]
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines]


def test_the_base_is_pinned_the_user_a_number_and_no_command_needs_a_shell() -> None:
    found = instructions(dockerfile(place(), release()))
    assert [rest.split()[0] for name, rest in found if name == "FROM"] == ["python:3.13.1-slim"] * 2
    ((_, user),) = [pair for pair in found if pair[0] == "USER"]
    assert all(int(number) > 0 for number in user.split(":"))
    commands = [rest for name, rest in found if name in {"RUN", "CMD", "ENTRYPOINT"}]
    commands += [rest.partition("CMD ")[2] for name, rest in found if name == "HEALTHCHECK"]
    assert len(commands) == 5
    assert all(isinstance(json.loads(command), list) for command in commands)
    # In the order that keeps what changes least in the cache, and the user after all that root has to copy.
    assert [name for name, _ in found].index("USER") > max(i for i, (name, _) in enumerate(found) if name == "COPY")


def test_labels_name_the_release_by_version_digest_checkpoint_and_approval() -> None:
    ((_, labels),) = [pair for pair in instructions(dockerfile(place(), release())) if pair[0] == "LABEL"]
    told = dict(word.split("=", 1) for word in labels.split())
    assert told["org.opencontainers.image.version"] == '"v1.2.0"'
    assert told["dev.churnflow.release-sha256"] == f'"{SHA256}"'
    assert told["dev.churnflow.release-checkpoint"] == '"churnflow/261123-7qd2/05-shipped"'
    assert told["dev.churnflow.release-approval"] == f'"{"c8" * 32}"'


def test_what_is_copied_is_in_the_context_and_nothing_else_is_sent(context: dict[str, bytes]) -> None:
    copied = [
        rest.split()[0]
        for name, rest in instructions(context["Dockerfile"].decode())
        if name == "COPY" and not rest.startswith("--from")
    ]
    ignored, *kept = context[".dockerignore"].decode().split()
    assert ignored == "*"
    assert sorted(copied) == sorted(pattern.removeprefix("!") for pattern in kept)
    for source in copied:
        assert any(fnmatch.fnmatch(path, f"{source}*") for path in context), source


def test_the_release_lies_in_the_context_by_its_digest(context: dict[str, bytes]) -> None:
    pointer = json.loads(context["release/served.json"])
    assert pointer["artifact"]["sha256"] == SHA256
    assert context[f"release/store/sha256/{SHA256[:2]}/{SHA256[2:]}"] == BUNDLE


def test_every_package_is_pinned_with_what_it_needs_and_no_training_library_is_among_them() -> None:
    pins = requirements(needed_modules().imports)
    names = {pin.partition("==")[0] for pin in pins}
    assert all("==" in pin for pin in pins)
    served = {"fastapi", "starlette", "anyio", "uvicorn", "uvloop", "httptools", "msgspec", "pydantic", "numpy"}
    assert names >= served | {"pydantic-core", "prometheus-client", "sqlalchemy"}
    assert not names & {"pandas", "scikit-learn", "scipy", "xgboost-cpu", "optuna", "duckdb", "gitpython", "typer"}


def test_an_extra_that_is_asked_for_brings_what_it_needs() -> None:
    alone, asked = (requirements([], by_name=(name,)) for name in ("optype", "scipy-stubs"))
    names = [{pin.partition("==")[0] for pin in pins} for pins in (alone, asked)]
    # scipy-stubs requires optype[numpy].
    assert "numpy-typing-compat" not in names[0]
    assert names[1] >= {"scipy-stubs", "optype", "numpy-typing-compat"}


def test_a_package_that_is_not_installed_here_is_named_before_anything_is_written() -> None:
    with pytest.raises(UsageError, match="the image needs uvloop-of-nowhere, which is not installed here"):
        requirements([], by_name=("uvloop-of-nowhere",))


def test_the_modules_are_those_that_imports_reach_wherever_they_stand(tmp_path: Path) -> None:
    root = tmp_path / "churnflow"
    sources = {
        "__init__.py": "",
        "serving/__init__.py": "",
        "serving/__main__.py": "from churnflow.modelling import scorer\nimport numpy as np\n",
        "serving/late.py": "def go():\n    from churnflow.domain.release import Release\n",
        "modelling/__init__.py": "",
        "modelling/scorer.py": "if TYPE_CHECKING:\n    import churnflow.engine.keep\nelse:\n    import msgspec\n",
        "modelling/training.py": "import sklearn\n",
        "domain/__init__.py": "import churnflow.errors\n",
        "domain/release.py": "class Release: ...\n",
        "engine/__init__.py": "",
        "engine/keep.py": "",
        "errors.py": "",
    }
    for path, text in sources.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    found = needed_modules(root)
    assert set(found.files) == {
        f"churnflow/{path}" for path in sources if "engine" not in path and path != "modelling/training.py"
    }
    assert found.imports == {"numpy", "msgspec"}
