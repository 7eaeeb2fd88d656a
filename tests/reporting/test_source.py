"""The line that a report names its records by is read again as it was written."""

import pytest

from churnflow.reporting.closing import performance, standings
from churnflow.reporting.source import Source, line_of, source_in
from tests.reporting.records import begun, document, kept, mark, release, scope, sha, source

RUN = begun(scope(), mark("planned", 2))


@pytest.mark.parametrize("beside", [None, (), ("260301-aaaa/04",), ("260301-aaaa/04", "260302-bbbb/112")])
def test_the_runs_that_count_are_read_again_as_they_were_written(beside: tuple[str, ...] | None) -> None:
    made = Source(run=RUN.id, records=sha("records"), beside=beside, beside_sha256=sha("heads") if beside else None)
    assert source_in(f"- made from `{line_of(made)}`") == made
    assert Source.model_validate_json(made.model_dump_json()) == made


def test_a_report_without_them_is_written_as_before_there_were_any() -> None:
    assert "beside" not in source(kept(1, RUN)).model_dump_json()


@pytest.mark.parametrize("ref", ["--output=x/01", "../x/01", "260301-aaaa", "260301-aaaa/1;x"])
def test_what_is_no_name_of_a_checkpoint_is_no_source(ref: str) -> None:
    assert source_in("made from nothing") is None
    assert source_in(f"made from `run={RUN.id} records={sha('records')} beside={ref}`") is None


def test_as_of_a_checkpoint_a_report_says_what_it_leaves_out() -> None:
    made = source(kept(1, RUN))
    alone = made.model_copy(update={"as_of": True, "bare": True, "until": None, "beside": ()})
    own = document(RUN, served=release(), source=alone)
    assert "Of this run alone" in "".join(standings(own))
    assert "what was measured of it is left out" in "".join(performance(own))
    before = document(RUN, served=release(), source=made.model_copy(update={"as_of": True}))
    assert "Of this run alone" not in "".join(standings(before))
    assert "nothing has been measured yet" in "".join(performance(before))
