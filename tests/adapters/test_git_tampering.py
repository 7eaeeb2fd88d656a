"""What was altered behind the tool's back is named: tags, refs and records that are moved, gone, edited or made up."""

import pytest

from churnflow.adapters.git_chain import ref_of
from churnflow.errors import IntegrityError, UsageError
from tests.adapters.workbench import RUN, TAG, Store, Work


def test_a_copy_edited_by_hand_is_named(work: Work) -> None:
    work.commit()
    store = Store(work.path)
    store.save()
    copy = work.path / f"checkpoints/{RUN}/01-features-validated.yaml"
    copy.write_text(copy.read_text().replace("0.85", "0.95"))
    for use in (lambda: store.git.head(RUN), lambda: store.git.load(TAG)):
        with pytest.raises(IntegrityError, match=r"01-features-validated\.yaml was edited by hand") as caught:
            use()
        assert "rm checkpoints/" in caught.value.hint


@pytest.mark.parametrize("how", ["annotated", "light", "to another checkpoint"])
def test_a_moved_tag_is_named(work: Work, how: str) -> None:
    work.commit()
    store = Store(work.path)
    store.save()
    second = store.save("model-built")
    match how:
        case "annotated":
            work.git("tag", "-f", "-a", "-m", "moved", TAG, "HEAD")
        case "light":
            work.git("tag", "-f", TAG, f"{TAG}^{{commit}}")
        case _:
            work.git("tag", "-f", TAG, second.tag)
    with pytest.raises(IntegrityError, match="was moved"):
        store.git.load(TAG)


def test_a_tag_outside_the_chain_and_a_rewritten_record_are_named(work: Work) -> None:
    work.commit()
    store = Store(work.path)
    store.save()
    work.git("tag", "-a", "-m", "forged", f"churnflow/{RUN}/02-forged", "HEAD")
    with pytest.raises(IntegrityError, match="lies in no chain"):
        store.git.load(f"churnflow/{RUN}/02-forged")
    with pytest.raises(UsageError, match="no such checkpoint"):
        store.git.load(f"churnflow/{RUN}/03-none")
    work.git("update-ref", ref_of(RUN), "HEAD")
    with pytest.raises(IntegrityError, match="is no checkpoint"):
        store.git.head(RUN)


def test_a_record_altered_in_a_rewritten_commit_does_not_match_its_digest(work: Work) -> None:
    work.commit()
    store = Store(work.path)
    store.save()
    work.git("checkout", "-q", TAG)
    copy = work.path / f"checkpoints/{RUN}/01-features-validated.yaml"
    copy.write_text(copy.read_text().replace("0.85", "0.95"))
    work.git("add", "-A", "-f")
    work.git("commit", "-q", "--amend", "--no-edit", "--cleanup=verbatim")
    work.git("update-ref", ref_of(RUN), "HEAD")
    with pytest.raises(IntegrityError, match="does not match its digest"):
        store.git.head(RUN)


def test_files_that_are_not_the_ones_that_the_record_states_are_named(work: Work) -> None:
    work.commit()
    store = Store(work.path)
    checkpoint = store.save()
    lost = checkpoint.model_copy(update={"code": checkpoint.code.model_copy(update={"tree": "1" * 40})})
    with pytest.raises(IntegrityError, match="holds other files than the code tree 111111111111 of its record"):
        store.git.changes(lost)


def test_a_run_that_was_moved_back_is_named_with_the_way_to_mend_it(work: Work) -> None:
    work.commit()
    store = Store(work.path)
    first, second = store.save(), store.save("model-built")
    work.git("update-ref", ref_of(RUN), f"{first.tag}^{{commit}}")
    for use in (lambda: store.git.history(RUN), lambda: store.git.load(second.tag)):
        with pytest.raises(IntegrityError, match=r"model-built lies in no chain.*moved back") as caught:
            use()
    mend = caught.value.hint.partition("if it is yours: ")[2].partition(";")[0]
    work.git(*mend.split()[1:])
    assert store.git.history(RUN) == [first, second]


def test_a_run_whose_ref_is_gone_is_found_by_its_tags(work: Work) -> None:
    work.commit()
    store = Store(work.path)
    kept = [store.save(), store.save("model-built")]
    work.git("update-ref", "-d", ref_of(RUN))
    assert store.git.history(RUN) == kept


def test_a_deleted_tag_is_made_again_and_hides_nothing(work: Work) -> None:
    work.commit()
    store = Store(work.path)
    first, second = store.save(), store.save("model-built")
    for tag in (first.tag, second.tag):
        work.git("tag", "-d", tag)
    assert store.git.history(RUN) == [first, second]
    assert store.git.load(second.tag) == second
    assert store.git.repair(RUN) == [first.tag, second.tag]
    assert work.git("cat-file", "-t", first.tag) == "tag"


def test_a_tag_moved_before_the_next_save_is_named_by_that(work: Work) -> None:
    work.commit()
    store = Store(work.path)
    kept = store.save()
    work.git("tag", "-f", "-a", "-m", "moved", TAG, "HEAD")
    with pytest.raises(IntegrityError, match="was moved") as caught:
        store.git.save(kept)
    assert f"git tag -d {TAG}" in caught.value.hint


def test_a_chain_with_a_link_cut_out_is_named(work: Work) -> None:
    work.write("code.py", "x = 1\n")
    store = Store(work.path)
    first, _, third = store.save(), store.save("model-built"), store.save("reviewed")
    message = work.git("log", "-1", "--format=%B", third.tag)
    parent = work.git("rev-parse", f"{first.tag}^{{commit}}")
    tree = work.git("rev-parse", f"{third.tag}^{{tree}}")
    work.git("update-ref", ref_of(RUN), work.git("commit-tree", tree, "-p", parent, "-m", message))
    with pytest.raises(IntegrityError, match="links that do not follow each other"):
        store.git.history(RUN)


def test_a_record_that_is_missing_from_its_commit_is_named(work: Work) -> None:
    work.commit()
    store = Store(work.path)
    checkpoint = store.save()
    message = work.git("log", "-1", "--format=%B", TAG)
    work.git("update-ref", ref_of(RUN), work.git("commit-tree", checkpoint.code.tree, "-m", message))
    with pytest.raises(IntegrityError, match=r"YAML of .* is missing from its commit"):
        store.git.head(RUN)


def test_a_record_with_another_parent_than_its_commit_is_named(work: Work) -> None:
    work.commit()
    store = Store(work.path)
    store.save()
    second = store.save("model-built")
    message = work.git("log", "-1", "--format=%B", second.tag)
    tree = work.git("rev-parse", f"{second.tag}^{{tree}}")
    other = Store(work.path).save("impostor", run_id="261101-bbbb")
    forged = work.git("commit-tree", tree, "-p", work.git("rev-parse", f"{other.tag}^{{commit}}"), "-m", message)
    work.git("update-ref", ref_of(RUN), forged)
    with pytest.raises(IntegrityError, match=r"states .*01-features-validated as its parent"):
        store.git.head(RUN)
