"""The step `from_events`: logs in every spelling, what can not be used set apart, windows that can not be refused."""

import gzip
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from churnflow import InputError, Measure, StepResult
from churnflow.codecs import frame as codec
from churnflow.steps.features import features
from churnflow.steps.from_events import LogFormat
from tests.events import DAYS, FIRST, make_events, run, write_events

CUT = FIRST + timedelta(days=DAYS - 60)
LAST = FIRST + timedelta(days=DAYS - 1)
HEADER = "customer,time,amount,kind\n"


def customers(result: StepResult) -> pd.DataFrame:
    return pd.DataFrame(result.outputs["customers"])


def rejected(result: StepResult) -> list[tuple[int, str]]:
    frame = pd.DataFrame(result.outputs["rejected"])
    return list(zip(frame["line"], frame["rule"], strict=True))


def test_what_comes_out_fits_the_steps_that_follow(tmp_path: Path) -> None:
    result = run(write_events(tmp_path, make_events(120)))
    table = customers(result)
    codec.dump(table, tmp_path / "customers.parquet")
    stored = codec.load(tmp_path / "customers.parquet")
    pd.testing.assert_frame_equal(stored, table)
    schema: Any = json.loads(json.dumps(result.outputs["schema"]))
    split = features(stored, schema)
    assert split.outputs["features"]["split"]["kind"] == "random"  # type: ignore[index]
    assert set(stored.columns) == {c["name"] for c in schema["columns"] if c["role"] in {"id", "feature", "target"}}
    for column in schema["columns"]:
        if column["role"] == "feature":
            values = stored[column["name"]]
            assert (column["low"], column["high"]) == (values.min(), values.max())
            assert column["required"] == bool(values.notna().all())
            assert column["reason"]
    assert "value_sum" not in [c["name"] for c in schema["columns"] if c["role"] == "dropped"]


def test_what_is_recorded_tells_windows_counts_and_rate_and_no_customer(tmp_path: Path) -> None:
    events = make_events(120)
    events["customer"] = "SECRET" + events["customer"]
    result = run(write_events(tmp_path, events), observe="120d")
    assert result.facts["observed"] == f"{CUT - timedelta(days=120)} to {CUT - timedelta(days=1)}"
    assert result.facts["outcome"] == f"{CUT} to {LAST}"
    assert result.metrics["records"] == len(events)
    ratio = result.metrics["churn_ratio"]
    assert isinstance(ratio, Measure)
    assert ratio.value == customers(result)["churn"].mean()
    assert ratio.low is not None
    assert ratio.low < ratio.value
    assert result.confidence is not None
    assert result.confidence.score == 45
    assert "rows are few" in result.confidence.because
    said = [result.facts, result.issues, result.outputs["schema"], result.confidence]
    assert "SECRET" not in str(said)


SPELLINGS = {
    "ISO days": ("%Y-%m-%d", {}),
    "ISO minutes": ("%Y-%m-%dT%H:%M", {}),
    "ISO in UTC": ("%Y-%m-%dT%H:%M:%SZ", {}),
    "slashes": ("%Y/%m/%d %H:%M:%S", {}),
    "compact": ("%Y%m%d", {}),
    "compact seconds": ("%Y%m%d%H%M%S", {}),
    "points": ("%d.%m.%Y", {}),
    "day first": ("%d/%m/%Y %H:%M", {}),
    "month first": ("%m/%d/%Y", {}),
    "declared": ("%d %b %y", {"log": LogFormat(time_format="%d %b %y")}),
    "declared with an offset": ("%d %b %y %H:%M +0000", {"log": LogFormat(time_format="%d %b %y %H:%M %z")}),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_times_are_read_in_each_usual_spelling(tmp_path: Path, spelling: str) -> None:
    events = make_events()
    wanted = customers(run(write_events(tmp_path, events)))
    form, settings = SPELLINGS[spelling]
    written = events.assign(time=events["time"].dt.strftime(form))
    result = run(write_events(tmp_path, written), **settings)
    pd.testing.assert_frame_equal(customers(result), wanted)
    assert result.metrics["invalid_rows"] == 0


@pytest.mark.parametrize(("unit", "name"), [(1, "seconds since 1970"), (1000, "milliseconds since 1970")])
def test_times_as_seconds_are_read_in_the_zone(tmp_path: Path, unit: int, name: str) -> None:
    events = make_events()
    wanted = customers(run(write_events(tmp_path, events)))
    seconds = (events["time"] - pd.Timestamp(0)) // pd.Timedelta(seconds=1) * unit
    result = run(write_events(tmp_path, events.assign(time=seconds)))
    pd.testing.assert_frame_equal(customers(result), wanted)
    assert name in result.facts["read as"]


def test_files_of_every_kind_hold_the_same_customers(tmp_path: Path) -> None:
    events = make_events()
    wanted = customers(run(write_events(tmp_path, events)))
    text = (tmp_path / "events.csv").read_text()
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "wide.csv").write_bytes(text.encode("utf-16"))
    (tmp_path / "odd [1].csv").write_text(text)
    (tmp_path / "mark.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    with duckdb.connect() as connection:
        connection.register("events", events.astype({"customer": object, "kind": object}))
        times = {
            "stamps": "time",
            "instants": "timezone('UTC', time)",
            "text": "CAST(time AS VARCHAR)",
            "numbers": "CAST(strftime(time, '%Y%m%d') AS BIGINT)",
        }
        for name, time in times.items():
            query = f"SELECT customer, {time} AS time, amount, kind FROM events"  # noqa: S608 - columns of this test
            connection.execute(f"COPY ({query}) TO '{tmp_path / name}.parquet' (FORMAT parquet)")
    write_events(tmp_path, events, "semicolons.csv", sep=";")
    write_events(tmp_path, events, "tabs.tsv", sep="\t")
    names = ["packed.csv.gz", "wide.csv", "odd [1].csv", "mark.csv", "semicolons.csv", "tabs.tsv"]
    for name in [*names, "stamps.parquet", "instants.parquet", "text.parquet", "numbers.parquet"]:
        pd.testing.assert_frame_equal(customers(run(tmp_path / name)), wanted, obj=name)


def test_names_outside_ascii_are_kept_in_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    events = make_events()
    events["customer"] = "Jürgen " + events["customer"]
    write_events(tmp_path, events, encoding="cp1252")
    result = run(tmp_path / "events.csv")
    assert customers(result)["customer"].str.startswith("Jürgen ").all()
    assert "cp1252" in result.facts["read as"]
    assert any("it was read as cp1252, the likeliest" in issue.text for issue in result.issues)
    named = run(tmp_path / "events.csv", encoding="latin-1")
    pd.testing.assert_frame_equal(customers(named), customers(result))


def test_a_file_set_apart_by_blanks_is_read_with_its_header_or_with_names_given(tmp_path: Path) -> None:
    events = make_events()
    events["time"] = events["time"].dt.strftime("%Y%m%d")
    wanted = customers(run(write_events(tmp_path, events)))
    lines = [" " + "   ".join(map(str, row)) for row in events.itertuples(index=False)]
    (tmp_path / "named.txt").write_text("\r\n".join([" customer time  amount kind", *lines]) + "\r\n")
    (tmp_path / "bare.txt").write_text("\n".join(lines))
    pd.testing.assert_frame_equal(customers(run(tmp_path / "named.txt")), wanted)
    names = ("customer", "time", "amount", "kind")
    pd.testing.assert_frame_equal(customers(run(tmp_path / "bare.txt", log=LogFormat(names=names))), wanted)


def test_events_that_can_not_be_used_are_set_apart_with_line_and_reason(tmp_path: Path) -> None:
    events = make_events()
    wanted = customers(run(write_events(tmp_path, events)))
    good = (tmp_path / "events.csv").read_text().removeprefix(HEADER)
    bad = [
        ",2024-02-01,1,visit",
        "A,,1,visit",
        "A,1970-01-01,1,visit",
        "A,2024-02-30,1,visit",
        "A,infinity,1,visit",
        "",
        '"A, ""the""\nfirst",2024-01-01,x,visit',
        "A,2024-02-01,1_000,visit",
        "A,2024-02-01,inf,visit",
        "A,2024-02-01,1e12,visit",
        "A,2999-01-01,1,visit",
        "A,2024-02-01",
        "A,2024-02-01,1,visit,more",
        "null,2024-02-01,1,visit",
    ]
    (tmp_path / "events.csv").write_text(HEADER + "\n".join(bad) + "\n" + good)
    result = run(tmp_path / "events.csv")
    assert rejected(result) == [
        (2, "no_customer"),
        (3, "no_time"),
        (4, "no_time"),
        (5, "not_a_time"),
        (6, "not_a_time"),
        (8, "not_a_number"),
        (10, "not_a_number"),
        (11, "infinite"),
        (12, "out_of_range"),
        (13, "future"),
        (14, "ragged"),
        (15, "ragged"),
        (16, "no_customer"),
    ]
    pd.testing.assert_frame_equal(customers(result), wanted)
    assert result.metrics["invalid_rows"] == 13
    assert result.metrics["rejected_not_a_time"] == 2
    rows = pd.DataFrame(result.outputs["rejected"]).set_index("line")
    assert rows.loc[5, ["reason", "row"]].tolist() == ["time is not a time", "A,2024-02-30,1,visit"]
    assert any("set apart as not a time: 2 (line 5, 6)" in issue.text for issue in result.issues)


def test_lines_are_right_where_they_end_in_different_ways(tmp_path: Path) -> None:
    lines = write_events(tmp_path, make_events()).read_text().splitlines()
    lines[3:3] = ["A,2024", '"q\nx",never,1,v', "B,2024,1", "\n", "C,1,2"]
    text = b"\xef\xbb\xbf" + "\r\n".join(lines).encode()
    for name, content in (("plain.csv", text), ("packed.csv.gz", gzip.compress(text))):
        (tmp_path / name).write_bytes(content)
        expected = [(4, "ragged"), (5, "not_a_time"), (7, "ragged"), (10, "ragged")]
        assert rejected(run(tmp_path / name)) == expected


def test_lines_are_right_in_files_split_at_blanks_and_in_parquet(tmp_path: Path) -> None:
    events = make_events()
    events["time"] = events["time"].dt.strftime("%Y-%m-%d")
    lines = [" ".join(map(str, row)) for row in events.itertuples(index=False)]
    text = ["customer time amount kind", "A never 1 x", "", "A 2024-02-01", *lines]
    (tmp_path / "events.txt").write_text("\n".join(text))
    assert rejected(run(tmp_path / "events.txt")) == [(2, "not_a_time"), (4, "ragged")]
    events.loc[3, "time"] = "never"
    with duckdb.connect() as connection:
        connection.register("events", events.astype({"customer": object, "kind": object, "time": object}))
        connection.execute(f"COPY events TO '{tmp_path}/events.parquet' (FORMAT parquet)")
    assert rejected(run(tmp_path / "events.parquet")) == [(4, "not_a_time")]


def test_an_event_without_an_amount_counts_and_adds_no_value(tmp_path: Path) -> None:
    events = make_events(40)
    events["amount"] = events["amount"].abs()
    events.loc[events["customer"] == "0003", "amount"] = np.nan
    found = customers(run(write_events(tmp_path, events))).set_index("customer")
    assert found.loc["0003", "events"] > 0
    assert np.isnan(found.loc["0003", "value_mean"])
    none = run(write_events(tmp_path, events.assign(amount=np.nan)))
    schema: Any = none.outputs["schema"]
    reasons = {column["name"]: column["reason"] for column in schema["columns"] if column["role"] == "dropped"}
    assert reasons["value_mean"] == "every value is missing"


def test_a_file_of_which_most_rows_do_not_fit_is_refused(tmp_path: Path) -> None:
    text = write_events(tmp_path, make_events()).read_text()
    (tmp_path / "events.csv").write_text(text + "A,2024-01-01;1;x\n" * 60_000)
    with pytest.raises(InputError, match="50,000 rows or more do not fit its 4 columns") as raised:
        run(tmp_path / "events.csv")
    assert "name the separator" in raised.value.hint


def test_a_row_without_end_is_refused(tmp_path: Path) -> None:
    text = write_events(tmp_path, make_events()).read_text()
    (tmp_path / "events.csv").write_text(text + "A" * 33_000_000 + ",2024-01-01,1,x\n")
    result = run(tmp_path / "events.csv")
    assert result.metrics["rejected_ragged"] == 1


WINDOWS = {
    "a cut after the log": ({"cut": "2025-06-01"}, f"after the newest event, of {LAST}", f"cut: {CUT} or earlier"),
    "an outcome that the log does not cover": (
        {"cut": (CUT + timedelta(days=10)).isoformat()},
        "that would count as churn",
        f"cut: {CUT} or earlier, or outcome: 50d or shorter",
    ),
    "a cut before the log": ({"cut": FIRST.isoformat()}, "no event lies before the cut", "or later, or auto"),
    "an outcome longer than the log": ({"outcome": "400d"}, "leaves nothing to observe", "outcome: "),
    "more cuts than the log has room for": ({"cuts": 9}, "before the oldest cut", "cuts: 4 or fewer"),
    "a cut that is no day": ({"cut": "May"}, "cut is a day, not 'May'", "1997-10-01"),
    "an end that is no day": ({"log": LogFormat(until="soon")}, "until is a day", "1997-10-01"),
    "an end before the log": ({"log": LogFormat(until="2020-01-01")}, "no event that can be used", "time_format"),
    "a zone that is none": (
        {"log": LogFormat(timezone="Mars/North")},
        "unknown time zone 'Mars/North'",
        "write a name",
    ),
    "types without a column": ({"active_types": ("visit",)}, "no column says the type", "event_type"),
    "types that are not there": (
        {"event_type": "kind", "active_types": ("stay",)},
        "no event is of the type 'stay', which active_types names",
        "the types of 'kind': purchase, visit, call",
    ),
    "a column that is not there": ({"customer": "custommer"}, "has no column 'custommer'", "did you mean 'customer'?"),
    "a column like no other": ({"customer": "zzz"}, "has no column 'zzz'", "its columns: customer, time"),
    "times that are none": ({"time": "kind"}, "holds no times in a spelling that is known", "time_format"),
    "codes that are none": ({"log": LogFormat(time_format="%Q")}, "time_format '%Q' is not understood", "strftime"),
    "an encoding that is none": ({"encoding": "klingon"}, "unknown encoding", "utf-8"),
    "the wrong encoding": ({"encoding": "utf-32"}, "is not utf-32 (line 1)", "encoding"),
    "a separator of two signs": ({"separator": "::"}, "the separator is one character", "blanks"),
    "the wrong separator": ({"separator": ";"}, "only one column", "','"),
    "a window that is none": ({"outcome": "a while"}, "outcome is a number of days or weeks", "90d or 13w"),
}


@pytest.mark.parametrize("case", WINDOWS)
def test_what_can_not_be_is_refused_with_what_would_do(tmp_path: Path, case: str) -> None:
    given, said, hint = WINDOWS[case]
    path = write_events(tmp_path, make_events())
    with pytest.raises(InputError) as raised:
        run(path, **given)
    assert said in str(raised.value)
    assert hint in raised.value.hint
    assert len(f"{raised.value}{raised.value.hint}".splitlines()) == 1


@pytest.mark.parametrize(
    ("outcome", "said"), [("1d", "every one of 2 customers counts"), ("290d", "no customer of 2 counts")]
)
def test_one_outcome_for_all_is_refused(tmp_path: Path, outcome: str, said: str) -> None:
    lines = [f"{customer},{FIRST + timedelta(days=day)},1,x" for customer in "AB" for day in (0, 5, 200)]
    (tmp_path / "events.csv").write_text(HEADER + "\n".join([*lines, f"C,{LAST},1,x"]))
    with pytest.raises(InputError, match=said) as raised:
        run(tmp_path / "events.csv", outcome=outcome)
    assert ("longer" if outcome == "1d" else "shorter") in raised.value.hint


def test_days_and_months_that_can_not_be_told_apart_are_asked_for(tmp_path: Path) -> None:
    rows = [f"A,{day:02d}/{month:02d}/2024,1,x" for day in range(1, 13) for month in range(1, 13)]
    (tmp_path / "events.csv").write_text(HEADER + "\n".join(rows))
    with pytest.raises(InputError, match="does not tell days from months") as raised:
        run(tmp_path / "events.csv")
    assert "time_format: '%d/%m/%Y'" in raised.value.hint


FILES = {
    "nothing": (b"", "is empty"),
    "blanks": (b"\n \n", "is empty"),
    "a header alone": (HEADER.encode(), "no row with a value"),
    "a web page": (b"<!DOCTYPE html><html></html>", "is a web page"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "Git LFS pointer"),
    "a NUL byte": (HEADER.encode() + b"A,2024-01-01,\0,x\n", "NUL byte"),
    "no name": (b"customer,,amount\nA,2024-01-01,1\n", "column 2 of 3 has no name"),
    "a name twice": (b"customer,time,time\nA,2024-01-01,1\n", "the header names 'time' twice"),
    "an open quote in the header": (b'customer,"time,amount\nA,2024-01-01,1\n', "quote in the header"),
    "a cut archive": (gzip.compress(HEADER.encode() * 100)[:-9], "damaged or truncated"),
    "a bomb": (gzip.compress(b"A,2024-01-01,1,x\n" * 15_000_000, 9), "unpacks to more than"),
    "half a Parquet": (b"PAR1 and no more", "is Parquet, not delimited text as its name says"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_no_log_is_named(tmp_path: Path, case: str) -> None:
    content, said = FILES[case]
    (tmp_path / "events.csv").write_bytes(content)
    with pytest.raises(InputError, match=said) as raised:
        run(tmp_path / "events.csv")
    assert len(f"{raised.value}{raised.value.hint}".splitlines()) == 1


def test_a_folder_and_a_file_that_is_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a directory"):
        run(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        run(tmp_path / "nowhere.csv")


def test_what_may_mislead_is_said(tmp_path: Path) -> None:
    events = make_events()
    stray = pd.DataFrame([("0000", pd.Timestamp("2025-06-01"), 1.0, "visit")], columns=events.columns)
    late = run(write_events(tmp_path, pd.concat([events, stray])), observe="400d")
    assert any("is 2025-06-01 the end of the log, or one stray event?" in issue.text for issue in late.issues)
    panel = run(write_events(tmp_path, events), cuts=2)
    assert any("without `observe` a later cut is observed for a longer time" in issue.text for issue in panel.issues)
    assert [name for name in panel.facts if name.startswith("churn at ")]
    early = run(write_events(tmp_path, events), observe="290d")
    assert any("the log begins on" in issue.text and issue.severity == "warning" for issue in early.issues)
    spent = events.assign(amount=-events["amount"].abs() - 1)
    negative = run(write_events(tmp_path, spent), log=LogFormat(negative="event"))
    assert any("amounts are negative" in issue.text for issue in negative.issues)


def test_too_little_memory_is_said_in_the_words_of_the_workflow(tmp_path: Path) -> None:
    path = write_events(tmp_path, make_events(2000))
    with pytest.raises(InputError, match="does not fit into 1MB of memory") as raised:
        run(path, memory="1MB")
    assert "give more memory" in raised.value.hint


def test_real_purchases_become_customers(shared_data: Any) -> None:
    path = shared_data("cdnow/CDNOW_master.txt")
    given = {"customer": "customer_id", "time": "date", "amount": "dollar_value", "observe": "39w", "outcome": "39w"}
    result = run(path, **given)
    found = customers(result)
    assert result.facts["observed"] == "1997-01-01 to 1997-09-30"
    assert (len(found), result.metrics["duplicate_events"], result.metrics["invalid_rows"]) == (23_570, 255, 0)
    assert found["customer_id"].iloc[0] == "00001"
    assert found["churn"].mean() == pytest.approx(0.7006, abs=1e-4)
    names = ("master_id", "customer_id", "date", "discs", "dollar_value")
    few = run(shared_data("cdnow/CDNOW_sample.txt"), **given, log=LogFormat(names=names))
    assert len(customers(few)) == 2357
