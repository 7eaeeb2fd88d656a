"""A checkpoint exported: its own page of instructions is followed to the letter, without churnflow."""

import hashlib
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, environment


def unpacked(project: Path, here: Cli, folder: Path, *options: str) -> Path:
    """Export HEAD and unpack it; return the folder of its files."""
    outcome = here("--json", "export", "-o", str(folder / "it.tar"), *options)
    assert outcome.code == 0, outcome.out
    with tarfile.open(folder / "it.tar") as archive:
        archive.extractall(folder, filter="data")
    (found,) = folder.glob("churnflow-*")
    return found


def followed(folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run every block of the instructions in an empty environment, one after the other."""
    blocks = re.findall(r"```bash\n(.*?)```", (folder / "INSTRUCTIONS.md").read_text(errors="replace"), re.DOTALL)
    assert len(blocks) == 7
    # A page that was altered is no page to follow: the reader has the blocks from elsewhere, as here.
    return in_bash(folder, "\n".join(blocks))


def in_bash(folder: Path, script: str) -> "subprocess.CompletedProcess[str]":
    command = ["env", "-i", "PATH=/usr/bin:/bin", "bash", "-eu", "-c", script]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_who_follows_the_instructions_with_sha256sum_and_git_alone_finds_it_whole(
    released: Path, here: Cli, tmp_path: Path
) -> None:
    folder = unpacked(released, here, tmp_path)
    done = followed(folder)
    assert done.returncode == 0, done.stderr
    record = here("--json", "show", "HEAD").json["data"]["sha256"]
    assert done.stdout.split()[0] == record
    assert f"`{record}`" in (folder / "INSTRUCTIONS.md").read_text()


def test_approvals_come_with_what_they_approved(shipped: Path, here: Cli, tmp_path: Path) -> None:
    folder = unpacked(shipped, here, tmp_path)
    assert followed(folder).returncode == 0
    names = {path.name for path in (folder / "approvals").iterdir()}
    assert names >= {"plan.json", "plan.subject.json", "release.json", "release.subject.json", "ship.subject.json"}


def test_a_byte_changed_in_any_file_is_found(released: Path, here: Cli, tmp_path: Path) -> None:
    folder = unpacked(released, here, tmp_path)
    blocks = "\n".join(re.findall(r"```bash\n(.*?)```", (folder / "INSTRUCTIONS.md").read_text(), re.DOTALL))
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and "check" not in path.parts):
        whole = path.read_bytes()
        middle = len(whole) // 2
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
        assert in_bash(folder, blocks).returncode != 0, path.name
        path.write_bytes(whole)


@pytest.mark.parametrize(
    "part", ["records/*.json", "records/*.yaml", "artifacts/*", "approvals/ship.json", "history.*"]
)
def test_a_change_is_found_even_if_its_sums_are_computed_again(
    released: Path, here: Cli, tmp_path: Path, part: str
) -> None:
    folder = unpacked(released, here, tmp_path)
    path = min(folder.glob(part))
    whole = path.read_bytes()
    altered = whole.replace(b'"seconds":', b'"Seconds":', 1) if path.suffix == ".json" else whole[:-1] + b"x"
    path.write_bytes(altered if altered != whole else whole.replace(b"ship", b"fix!", 1))
    sums = (folder / "SHA256SUMS").read_text()
    old, new = (hashlib.sha256(data).hexdigest() for data in (whole, path.read_bytes()))
    name = path.relative_to(folder).as_posix()
    (folder / "SHA256SUMS").write_text(sums.replace(f"{old}  {name}", f"{new}  {name}"))
    assert followed(folder).returncode != 0


def test_a_file_slipped_in_is_found(released: Path, here: Cli, tmp_path: Path) -> None:
    folder = unpacked(released, here, tmp_path)
    (folder / "reports/more.md").write_text("forged")
    assert followed(folder).returncode != 0


def test_the_same_checkpoint_gives_the_same_bytes_also_after_git_has_packed_anew(
    released: Path, here: Cli, tmp_path: Path
) -> None:
    first = here("--json", "export", "-o", str(tmp_path / "1.tar")).json["data"]["sha256"]
    subprocess.run(["git", "gc", "-q"], cwd=released, check=True, env=environment())
    assert here("--json", "export", "-o", str(tmp_path / "2.tar")).json["data"]["sha256"] == first
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()


def test_rows_stay_unless_they_are_asked_for(shipped: Path, here: Cli, tmp_path: Path) -> None:
    few = here("--json", "export", "-o", str(tmp_path / "few.tar")).json["data"]["files"]
    assert not any(name.startswith("artifacts/") for name in few)
    every = here("--json", "export", "--with-data", "-o", str(tmp_path / "all.tar")).json["data"]["files"]
    data = hashlib.sha256((shipped / "data/number.txt").read_bytes()).hexdigest()
    assert f"artifacts/{data}" in every
    with tarfile.open(tmp_path / "few.tar") as archive:
        history = next(member for member in archive if member.name.endswith("history.bundle"))
        assert history.size
        assert b"4\n" not in {archive.extractfile(one).read() for one in archive if one.size == 2}  # type: ignore[union-attr]


def test_data_that_git_holds_anyway_does_not_leave_by_surprise(shipped: Path, here: Cli, tmp_path: Path) -> None:
    for arguments in (["add", "-f", "data/number.txt"], ["commit", "-qm", "data"]):
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
            cwd=shipped,
            check=True,
            env=environment(),
            capture_output=True,
        )
    assert here("run", "--new", "--answers", "answers.yaml").code == 0
    outcome = here("export", "-o", str(tmp_path / "it.tar"))
    assert outcome.code == 4
    assert "data/number.txt" in outcome.error[0]
    assert "--with-data" in outcome.error[1]
    assert not (tmp_path / "it.tar").exists()


def test_an_earlier_checkpoint_is_exported_without_what_came_after(shipped: Path, here: Cli, tmp_path: Path) -> None:
    outcome = here("--json", "export", "built", "-o", str(tmp_path / "it.tar"))
    names = outcome.json["data"]["files"]
    assert [name for name in names if name.endswith(".yaml")] == [
        "records/01-plan-approved.yaml",
        "records/02-built.yaml",
    ]
    with tarfile.open(tmp_path / "it.tar") as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.glob("churnflow-*-02-built")
    assert followed(folder).returncode == 0


def test_nothing_is_overwritten_and_nothing_broken_is_exported(shipped: Path, here: Cli, tmp_path: Path) -> None:
    mine = tmp_path / "mine.tar"
    mine.write_text("mine")
    assert here("export", "-o", str(mine)).code == 5
    assert mine.read_text() == "mine"
    for no_file in (str(tmp_path), "-"):
        assert here("export", "-o", no_file).code == 2
    (copy,) = (shipped / "checkpoints").rglob("02-built.yaml")
    copy.write_text(copy.read_text() + "\n")
    assert here("export", "-o", str(tmp_path / "it.tar")).code == 6
    assert not (tmp_path / "it.tar").exists()


def test_no_checkpoint_takes_an_export_into_git(shipped: Path, here: Cli) -> None:
    assert here("export", "--with-data").code == 0
    (tar,) = shipped.glob("churnflow-*.tar")
    assert here("run", "--new", "--answers", "answers.yaml").code == 0
    listed = ["git", "ls-tree", "-r", "--name-only", max(tags(shipped))]
    held = subprocess.run(listed, cwd=shipped, check=True, env=environment(), capture_output=True, text=True).stdout
    assert "answers.yaml" in held
    assert tar.name not in held


def tags(project: Path) -> list[str]:
    listed = ["git", "tag", "-l", "churnflow/*"]
    return subprocess.run(
        listed, cwd=project, check=True, env=environment(), capture_output=True, text=True
    ).stdout.split()
