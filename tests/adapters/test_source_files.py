"""Source files in a real folder: inside the project, hashed when they change, and brought back whole."""

import os
import time
from pathlib import Path

import pytest

from churnflow.adapters.artifact_files import ArtifactFiles
from churnflow.adapters.source_files import SourceFiles
from churnflow.domain.evidence import Artifact
from churnflow.errors import ConflictError, IntegrityError, UsageError
from tests.adapters.faults import in_a_process
from tests.adapters.workbench import artifact


class Project:
    """A project with a store beside it; a new one for every command, as for a user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "project"
        (self.root / "data").mkdir(parents=True)
        self.source = self.root / "data/a.csv"

    @property
    def files(self) -> SourceFiles:
        return SourceFiles(self.root, ArtifactFiles(self.folder / "store", {}), self.folder / "state")

    def write_long_ago(self, text: str) -> None:
        """Write the file with a time that is past what a second write could share."""
        self.source.write_text(text)
        os.utime(self.source, ns=(time.time_ns(), time.time_ns() - 10**11))

    def kept(self, text: str = "one\n") -> Artifact:
        self.source.write_text(text)
        return ArtifactFiles(self.folder / "store", {}).put_file("data/a.csv", self.source)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.mark.parametrize(
    "outside", ["../x", "/etc/hostname", "data/../../x", ".git/config", "sub/.GIT/config", ".", "a\0b"]
)
def test_nothing_outside_the_project_is_reached(project: Project, outside: str) -> None:
    for use in (project.files.resolve, project.files.sha256, lambda path: project.files.restore(path, project.kept())):
        with pytest.raises(UsageError, match=r"lies (outside|inside)"):
            use(outside)


def test_a_name_that_is_almost_right_is_met_with_the_right_one(project: Project) -> None:
    project.source.write_text("a\n")
    with pytest.raises(UsageError, match="no such file") as caught:
        project.files.resolve("data/b.csv")
    assert caught.value.hint == "did you mean a.csv?"
    with pytest.raises(UsageError, match="no such file") as caught:
        project.files.resolve("none/at/all/there.csv")
    assert str(project.root) in caught.value.hint


def test_a_database_is_no_source_file_and_its_password_is_not_repeated(project: Project) -> None:
    with pytest.raises(UsageError, match="the address of a server is no file") as caught:
        project.files.resolve("postgresql://user:secret@host/db")
    assert "churn.extract" in caught.value.hint
    assert "secret" not in str(caught.value) + caught.value.hint


def test_a_folder_or_a_pipe_is_no_source_file(project: Project) -> None:
    with pytest.raises(UsageError, match="is a directory"):
        project.files.resolve("data")
    os.mkfifo(project.root / "data/pipe")
    with pytest.raises(UsageError, match="data/pipe is a pipe or a device") as caught:
        project.files.resolve("data/pipe")
    assert "to a file first" in caught.value.hint
    assert [project.files.sha256(path) for path in ("data", "data/pipe", "data/pipe/deeper")] == [None] * 3


@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + "/a.csv", "x/" * 3000, "loop"])
def test_a_name_that_no_file_can_have_is_that_of_no_file(project: Project, name: str) -> None:
    (project.root / "loop").symlink_to("loop")
    assert project.files.sha256(name) is None
    with pytest.raises(UsageError, match="no such file"):
        project.files.resolve(name)


def test_a_digest_follows_every_change_and_is_remembered_between_commands(project: Project) -> None:
    project.write_long_ago("one\n")
    project.source.chmod(0o644)
    time.sleep(2.1)  # Until then the file could change again without a new time.
    assert project.files.sha256("data/a.csv") == artifact("a", b"one\n").sha256
    memory = project.folder / "state/source-digests.json"
    assert artifact("a", b"one\n").sha256 in memory.read_text()
    memory.write_text(memory.read_text().replace(artifact("a", b"one\n").sha256, "remembered"))
    assert project.files.sha256("data/a.csv") == "remembered"
    project.write_long_ago("two\n")
    assert project.files.sha256("data/a.csv") == artifact("a", b"two\n").sha256


@pytest.mark.parametrize("spoiled", ["", "[]", '{"data/a.csv": [[1, 2], "x"]}', "\x00"])
def test_a_spoiled_memory_of_digests_is_not_believed(project: Project, spoiled: str) -> None:
    project.source.write_text("one\n")
    (project.folder / "state").mkdir()
    (project.folder / "state/source-digests.json").write_text(spoiled)
    assert project.files.sha256("data/a.csv") == artifact("a", b"one\n").sha256


UNREADABLE = """
from pathlib import Path
from churnflow.adapters.source_files import SourceFiles
with said():
    SourceFiles(Path(sys.argv[1]), None, Path(sys.argv[2])).sha256("data/a.csv")
"""


def test_a_file_that_cannot_be_read_is_named_with_what_to_do(project: Project) -> None:
    project.source.write_text("one\n")
    project.source.chmod(0)
    said = in_a_process(UNREADABLE, project.root, project.folder / "state", plain=True)
    assert said.startswith("2 no permission to read data/a.csv | ")
    assert "chmod u+r data/a.csv" in said


def test_a_file_is_brought_back_as_a_copy_with_the_mode_of_what_it_replaces(project: Project) -> None:
    kept = project.kept()
    project.source.write_text("edited\n")
    project.source.chmod(0o640)
    project.files.restore("data/a.csv", kept)
    assert project.source.read_text() == "one\n"
    assert project.source.stat().st_mode & 0o777 == 0o640
    assert project.source.stat().st_nlink == 1
    project.source.write_text("an edit does not reach the store\n")
    project.files.restore("./new/place/a.csv", kept)
    assert (project.root / "new/place/a.csv").read_text() == "one\n"
    assert os.access(project.root / "new/place/a.csv", os.W_OK)


def test_what_a_killed_restore_left_beside_a_file_is_swept_up(project: Project) -> None:
    kept = project.kept()
    left = project.source.with_name(".churnflow-999999999-0a1b2c3d4e5f.tmp")
    left.write_text("half")
    project.files.restore("data/a.csv", kept)
    assert not left.exists()


def test_a_link_to_a_source_file_gives_way_and_what_it_leads_to_stays(project: Project) -> None:
    kept = project.kept()
    other = project.folder / "elsewhere.csv"
    other.write_text("theirs\n")
    project.source.unlink()
    project.source.symlink_to(other)
    project.files.refuse_blocked("data/a.csv")
    project.files.restore("data/a.csv", kept)
    assert project.source.read_text() == "one\n"
    assert not project.source.is_symlink()
    assert other.read_text() == "theirs\n"


@pytest.mark.parametrize("block", ["link out of the project", "file for folder", "folder for file"])
def test_a_blocked_path_is_refused_and_nothing_is_written(project: Project, block: str) -> None:
    kept = project.kept()
    outside = project.folder / "outside"
    outside.mkdir()
    project.source.unlink()
    if block == "folder for file":
        (project.source / "deep").mkdir(parents=True)
    else:
        project.source.parent.rmdir()
        if block == "file for folder":
            project.source.parent.write_text("a file")
        else:
            project.source.parent.symlink_to(outside)
    for use in (project.files.refuse_blocked, lambda path: project.files.restore(path, kept)):
        with pytest.raises(ConflictError, match=r"data/a\.csv cannot be brought back") as caught:
            use("data/a.csv")
        assert "move " in caught.value.hint
    assert list(outside.iterdir()) == []


def test_a_hostile_path_is_refused_before_anything_is_written(project: Project) -> None:
    for path in ("../x", "/etc/hostname", ".git/hooks/pre-commit", "sub/.Git/x"):
        with pytest.raises(IntegrityError, match="out of the project or inside"):
            project.files.refuse_blocked(path)


def test_bytes_altered_in_the_store_are_not_brought_back(project: Project) -> None:
    kept = project.kept()
    project.source.write_text("mine\n")
    path = ArtifactFiles(project.folder / "store", {}).path(kept)
    path.chmod(0o644)
    path.write_text("two\n")
    with pytest.raises(IntegrityError, match="altered"):
        project.files.restore("data/a.csv", kept)
    assert project.source.read_text() == "mine\n"
