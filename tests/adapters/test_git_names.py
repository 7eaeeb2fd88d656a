"""Which checkpoint a name means: one of the run at hand, of the project's other runs, and of nobody else's."""

from pathlib import Path

import pytest

from churnflow.adapters.journal_files import JournalFiles
from tests.adapters.workbench import RUN, Store, Work, make_run

OTHER = "261124-aaaa"


def begin(store: Store, run_id: str, *names: str) -> list[str]:
    """Start a run as a user's command does, and keep checkpoints of it."""
    repository = store.repository
    JournalFiles(repository.state_dir, repository.shared_dir).start(make_run(run_id))
    return [store.save(name, run_id=run_id).tag for name in names]


@pytest.fixture
def store(work: Work) -> Store:
    work.write("workflows/churn.yaml", "name: x\n")
    work.commit()
    return Store(work.path)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("model", 1),
        ("checkpoint-model", 2),
        ("final-model", 3),
        ("02-model-tuned", 2),
        ("checkpoint-model-t", 2),
        ("checkpoint-fin", 3),
        ("checkpoint-inal", None),
        ("checkpoint-", None),
        ("mode", None),
        ("2-model-tuned", None),
        ("l", None),
    ],
)
def test_a_name_is_the_whole_name_and_the_short_form_its_beginning(store: Store, name: str, number: int | None) -> None:
    tags = begin(store, RUN, "model", "model-tuned", "final-model")
    assert store.git.find(RUN, name) == (number and tags[number - 1])


def test_a_name_that_the_run_has_not_means_the_newest_of_the_projects_other_runs(store: Store) -> None:
    begin(store, RUN, "model")
    (tag,) = begin(store, OTHER, "model")
    begin(store, "261125-bbbb", "other")
    assert store.git.find("261125-bbbb", "model") == tag


def test_a_name_reaches_no_other_project_of_the_repository(store: Store) -> None:
    store.repository.root.joinpath("sub/workflows").mkdir(parents=True)
    sub = Store(store.repository.root / "sub")
    (tag,) = begin(sub, OTHER, "model")
    assert store.git.find(None, "model") is None
    begin(store, RUN, "other")
    assert store.git.find(RUN, "model") is None
    assert store.git.find(RUN, tag) == tag
    assert sub.git.find(None, "other") is None


def test_a_name_reaches_no_other_work_tree(store: Store, work: Work, tmp_path: Path) -> None:
    (tag,) = begin(store, RUN, "model")
    work.git("worktree", "add", "-q", str(tmp_path / "second"))
    second = Store(tmp_path / "second")
    assert second.git.find(None, "model") is None
    (other,) = begin(second, OTHER, "other")
    assert second.git.find(OTHER, "model") is None
    assert store.git.find(RUN, "other") is None
    assert second.git.find(OTHER, tag) == tag
    assert store.git.find(RUN, other) == other


def test_a_clone_finds_the_checkpoints_of_its_project_by_name(store: Store, work: Work, tmp_path: Path) -> None:
    (tag,) = begin(store, RUN, "model")
    work.write("sub/workflows/churn.yaml", "name: x\n")
    work.commit()
    (other,) = begin(Store(work.path / "sub"), OTHER, "model")
    work.git("clone", "-q", str(work.path), str(tmp_path / "clone"))
    assert Store(tmp_path / "clone").git.find(None, "model") == tag
    assert Store(tmp_path / "clone/sub").git.find(None, "model") == other
