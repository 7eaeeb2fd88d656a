"""The YAML of a checkpoint: every value comes back as it was, by any YAML reader, and tricks are refused."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from churnflow.adapters.record_yaml import from_yaml, to_yaml
from churnflow.domain.base import digest
from churnflow.domain.checkpoint import Checkpoint, Code, Environment, Restore
from churnflow.domain.evidence import Confidence
from churnflow.errors import IntegrityError
from tests.adapters.workbench import NOW, make_run

TRAPS = [
    "0012345",
    "1.10",
    "12:30:45",
    "no",
    "NO",
    "null",
    "~",
    "",
    " ",
    "1e3",
    "<<",
    "=",
    "0x1F",
    "2026-11-23",
    "- a",
    "a: b",
    "#",
    "*a",
]
TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(TRAPS)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def make(**params: object) -> Checkpoint:
    run = make_run()
    record = run.entries[0].model_copy(update={"params": params})
    return Checkpoint(
        name="a",
        number=1,
        created_at=NOW,
        phase="build",
        confidence=Confidence(score=1, because="x"),
        restore=Restore(command="c", git="g"),
        run=run.with_entries((record,)),
        code=Code(tree="0012345" * 5 + "00123", head=None, branch="no"),
        environment=Environment(python="3.10", platform="Linux", packages_sha256="1" * 64),
        parent=None,
    )


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_every_value_comes_back_and_reads_the_same_everywhere(value: object) -> None:
    checkpoint = make(value=value)
    data = to_yaml(checkpoint)
    assert from_yaml(data, "x") == checkpoint
    assert digest(from_yaml(data, "x")) == digest(checkpoint)
    assert yaml.safe_load(data) == checkpoint.model_dump(mode="json", by_alias=True)
    assert to_yaml(from_yaml(data, "x")) == data


def test_summary_comes_first_and_digests_are_quoted() -> None:
    lines = to_yaml(make()).decode().splitlines()
    assert lines[:3] == ['schema: "churnflow/checkpoint@1"', "name: a", "number: 1"]
    assert f'  tree: "{"0012345" * 5}00123"' in lines
    assert '  python: "3.10"' in lines
    assert lines[-1] == "parent: null"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: 1\nb: !!python/object/apply:os.system [id]", "line 2: the tag"),
        ("a: &x [1]\nb: *x", "line 1: anchors"),
        ("a: 1\nb: {c: 1, c: 2}", "line 2: the key c stands twice"),
        ("a: [", "cannot be read"),
        ("[" * 20_000, "line 1: nested deeper than 32 levels"),
        ("[" * 1_000_000, "line 1: nested deeper than 32 levels"),
        ("- " * 1_000_000, "line 1: nested deeper than 32 levels"),
        ("? " * 1_000_000, "line 1: nested deeper than 32 levels"),
        ("\n".join(" " * depth + "a:" for depth in range(2_000)), "nested deeper than 32 levels"),
        ("a: " + "[" * 40 + "]" * 40, "nested deeper than 32 levels"),
        ("a: 1\n<<: {b: 2}", "line 1: merge keys are not allowed"),
        ("a: 1\nb: {<<: {c: 2}}", "line 2: merge keys are not allowed"),
        ("a: 1\nb: .inf", r"line 2: \.inf is no finite number"),
        ("a: 1\nb: -.NaN\nc: .nan", r"line 3: \.nan is no finite number"),
        ("a: 1\nb: 1.0e+999", "line 2: 1.0e.999 is no finite number"),
        ("- 1", "not a checkpoint"),
        ("schema: other", "not a checkpoint"),
        ("a: " + "x" * 5_000_001, "larger than 5 MB"),
        ("a: \x00", "cannot be read"),
        ("a: 2026-11-23", "cannot be read"),
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str, why: str) -> None:
    with pytest.raises(IntegrityError, match=why):
        from_yaml(text.encode(), "x.yaml")


def test_invalid_utf_8_is_refused() -> None:
    with pytest.raises(IntegrityError, match=r"x\.yaml cannot be read"):
        from_yaml(b"a: \xff\xfe", "x.yaml")


@pytest.mark.parametrize("mark", ["\u202e", "\u2066", "\u200f", "\u061c", "\x1b", "\x9b", "\ufeff"])
def test_no_sign_that_acts_on_who_reads_the_file_is_written_as_it_is(mark: str) -> None:
    data = to_yaml(make(value=f"a{mark}b"))
    assert mark.encode() not in data
    assert from_yaml(data, "x") == make(value=f"a{mark}b")
