"""Signed approvals in an export: whoever follows its page finds out who signed what, with ssh-keygen alone."""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, churnflow, environment, make_project
from tests.cli.test_export import in_bash, unpacked
from tests.keys import make_key, public, signature

DEMAND = "    - approval: release\n      grade: signed\n      role: risk\n"


@pytest.fixture(scope="module")
def signed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a project that shipped with a signed release, and keys beside it; never to be changed.

    Bo signed under version 3 of the list, with a key that expires; version 4 came after.
    """
    root = make_project(tmp_path_factory.mktemp("signed") / "project")
    path = root / "workflows" / "churn.yaml"
    path.write_text(path.read_text().replace("    - approval: release\n", DEMAND))
    keys = {name: str(make_key(root.parent, name)) for name in ("ann", "bo", "cy", "dee")}
    listed = ("--role", "risk", "--sign-with", keys["ann"])
    lists = (("ann", "--role", "admin"), ("bo", "--expires", "2126-01-01"), ("cy",))
    for name, *more in lists:
        assert churnflow(root, "reviewers", "add", name, "--key", f"{keys[name]}.pub", *more, *listed).code == 0
    assert churnflow(root, "run", "--answers", "answers.yaml").code == 3
    assert churnflow(root, "approve", "release", "--answers", "answers.yaml", "--key", keys["bo"]).code == 0
    done = churnflow(root, "run")
    assert done.code == 0, done.err
    assert churnflow(root, "reviewers", "add", "dee", "--key", f"{keys['dee']}.pub", *listed).code == 0
    return root.parent


@pytest.fixture
def signed(project: Path, signed_once: Path) -> Path:
    """The same, of the test's own."""
    shutil.rmtree(project)
    shutil.copytree(signed_once, project.parent, dirs_exist_ok=True)
    return project


@pytest.fixture
def bundle(signed: Path, here: Cli, tmp_path: Path) -> Path:
    """The unpacked export of what shipped."""
    assert signed.is_dir()
    return unpacked(signed, here, tmp_path)


def blocks(folder: Path) -> list[str]:
    return re.findall(r"```bash\n(.*?)```", (folder / "INSTRUCTIONS.md").read_text(), re.DOTALL)


def sum_again(folder: Path) -> None:
    """Compute SHA256SUMS again, as whoever changes a file can."""
    names = (line.split("  ", 1)[1] for line in (folder / "SHA256SUMS").read_text().splitlines())
    lines = (f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names)
    (folder / "SHA256SUMS").write_text("".join(lines))


def test_who_follows_the_page_finds_who_signed_what_and_the_digest_of_the_first_list(bundle: Path, here: Cli) -> None:
    assert len(blocks(bundle)) == 9
    done = in_bash(bundle, "\n".join(blocks(bundle)))
    assert done.returncode == 0, done.stderr
    first, told, record = done.stdout.splitlines()
    assert first == f"{here('--json', 'reviewers').json['data']['first']}  reviewers/1.json"
    assert re.fullmatch(
        r"release: approve-with-notes, signed by bo as risk at \d{14} UTC, under version 3 of the list", told
    )
    assert record.startswith(here("--json", "show", "HEAD").json["data"]["sha256"])
    assert "- `plan`: unsigned\n- `release`: signed+distinct\n" in (bundle / "INSTRUCTIONS.md").read_text()
    assert not (bundle / "reviewers/4.json").exists()


def test_one_signature_is_checked_with_one_plain_command(bundle: Path) -> None:
    (statement,) = (bundle / "statements").glob("*.json")
    check = f"ssh-keygen -Y verify -f reviewers/3.allowed_signers -I {{}} -n churnflow-approval -s {statement}.sig"
    assert in_bash(bundle, f"{check.format('bo')} < {statement}").returncode == 0
    assert in_bash(bundle, f"{check.format('ann')} < {statement}").returncode != 0
    assert 'valid-before="21260101000000"' in (bundle / "reviewers/3.allowed_signers").read_text()


def test_the_screen_names_the_grade_of_each_approval(signed: Path, here: Cli, tmp_path: Path) -> None:
    assert "plan unsigned, release signed+distinct" in here("export", "-o", str(tmp_path / "1.tar")).out
    told = here("--json", "export", "-o", str(tmp_path / "2.tar")).json["data"]["approvals"]
    assert told == {"plan": "unsigned", "release": "signed+distinct"}
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()


@pytest.mark.parametrize("part", ["statements/*.json", "statements/*.sig", "reviewers/*"])
@pytest.mark.parametrize("summed", [False, True], ids=["sums as they were", "sums computed again"])
def test_a_byte_changed_in_what_was_signed_is_found(bundle: Path, part: str, summed: bool) -> None:
    script = "\n".join(blocks(bundle))
    for path in sorted(bundle.glob(part)):
        whole = path.read_bytes()
        place = len(whole) // 2
        path.write_bytes(whole[:place] + (b"b" if whole[place : place + 1] != b"b" else b"c") + whole[place + 1 :])
        if summed:
            sum_again(bundle)
        assert in_bash(bundle, script).returncode != 0, path.name
        path.write_bytes(whole)
        sum_again(bundle)
    assert in_bash(bundle, script).returncode == 0


@pytest.mark.parametrize("forgery", ["another key", "a key more", "a list more", "an own list", "a line more", "gone"])
def test_a_forgery_with_sums_computed_again_is_found(bundle: Path, signed: Path, forgery: str) -> None:
    script, eve = "\n".join(blocks(bundle)), make_key(signed.parent, "eve")
    (statement,) = (bundle / "statements").glob("*.json")
    listed, allowed = bundle / "reviewers/3.json", bundle / "reviewers/3.allowed_signers"
    keys = {name: public(signed.parent / name) for name in ("ann", "bo")}
    if forgery in {"another key", "a key more"}:
        line = f'bo namespaces="churnflow-approval" {public(eve)}\n'
        allowed.write_text(line if forgery == "another key" else allowed.read_text() + line)
        Path(f"{statement}.sig").write_text(signature(eve, statement.read_bytes()))
    elif forgery == "a list more":
        listed.write_text(listed.read_text().replace(keys["bo"], public(eve)))
        allowed.write_text(allowed.read_text().replace(keys["bo"], public(eve)))
        Path(f"{listed}.sig").write_text(signature(eve, listed.read_bytes(), "churnflow-reviewers"))
    elif forgery == "an own list":
        for path in sorted((bundle / "reviewers").glob("1.*")):
            path.write_text(path.read_text().replace(keys["ann"], public(eve)))
        first = bundle / "reviewers/1.json"
        Path(f"{first}.sig").write_text(signature(eve, first.read_bytes(), "churnflow-reviewers"))
    elif forgery == "a line more":
        entry = bundle / "approvals/release.json"
        entry.write_text(entry.read_text().replace("approve-with-notes", "reject") + "\n" + entry.read_text())
    else:
        for path in (statement, Path(f"{statement}.sig")):
            path.unlink()
        sums = (bundle / "SHA256SUMS").read_text().splitlines(keepends=True)
        (bundle / "SHA256SUMS").write_text("".join(line for line in sums if "statements/" not in line))
    sum_again(bundle)
    assert in_bash(bundle, script).returncode != 0


def test_where_nothing_is_signed_the_page_says_so_and_has_no_command_for_it(
    shipped: Path, here: Cli, tmp_path: Path
) -> None:
    page = (unpacked(shipped, here, tmp_path) / "INSTRUCTIONS.md").read_text()
    assert "No approval here is signed." in page
    assert "ssh-keygen -Y" not in page


def test_signatures_that_do_not_prove_are_not_exported(signed: Path, here: Cli, tmp_path: Path) -> None:
    command = ["git", "update-ref", "-d", "refs/churnflow/reviewers"]
    subprocess.run(command, cwd=signed, check=True, env=environment())
    outcome = here("export", "-o", str(tmp_path / "it.tar"))
    assert outcome.code == 6
    assert "broken link 'signature'" in outcome.error[0]
    assert not (tmp_path / "it.tar").exists()
