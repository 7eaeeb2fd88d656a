"""The watching steps on a real predictions log: what they measure, what they notice, and what they advise."""

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from churnflow import InputError, Measure, Released, StepResult
from churnflow.modelling.prediction_log import ServiceRow
from churnflow.steps.observe import observe
from churnflow.steps.watch_drift import watch_drift
from churnflow.steps.watch_performance import watch_performance
from churnflow.steps.watch_quality import watch_quality
from churnflow.steps.watch_service import watch_service
from tests.customers import make_customers
from tests.traffic import DAY, begun, outcomes, predictions, released, service, some_days

UNTIL = datetime(2026, 11, 25, 12, tzinfo=UTC)
END = UNTIL.timestamp()
SHARED = frozenset({"id", "key"})


def look(url: str, **changed: Any) -> StepResult:
    return observe(**{"against": released(), "log": url, "until": UNTIL.isoformat(), **changed})


def seen(result: StepResult) -> dict[str, Any]:
    found: Any = json.loads(json.dumps(result.outputs["observed"]))
    assert isinstance(found, dict)
    return found


def value(result: StepResult, name: str) -> float:
    metric = result.metrics[name]
    return metric.value if isinstance(metric, Measure) else metric


def texts(result: StepResult, *severities: str) -> str:
    return "\n".join(issue.text for issue in result.issues if not severities or issue.severity in severities)


@pytest.fixture
def log(tmp_path: Path) -> Any:
    opened, url = begun(tmp_path)
    opened.url = url  # type: ignore[attr-defined]
    yield opened
    opened.close()


def test_what_is_observed_are_sums_without_an_identifier_or_a_row(log: Any) -> None:
    customers = make_customers(500, 30)
    some_days(log, END, customers)
    found = json.dumps(look(log.url).outputs["observed"])
    assert not any(name in found for name in customers["customer_id"])
    assert "v1.0.0-" not in found
    assert seen(look(log.url))["whole"]["customers"] == 500


def test_no_cell_tells_of_fewer_than_ten_customers(log: Any) -> None:
    customers = make_customers(400, 30)
    customers.loc[:3, "plan"] = "a rare one"
    some_days(log, END, customers)
    found = seen(look(log.url))
    for sums in (found["whole"], *found["periods"]):
        for feature in (*sums["features"], sums["score"]):
            assert all(count == 0 or count >= 10 for count in feature["counts"]) or sum(feature["counts"]) < 10


def test_of_a_customer_asked_every_hour_the_newest_prediction_counts(log: Any) -> None:
    customers = make_customers(30, 30)
    for hour in range(48):
        moved = customers.assign(bill=60.0 + hour)
        log.write(predictions(moved, [END - (47 - hour) * 3600.0 - 1] * 30), [])
    found = look(log.url)
    assert value(found, "predictions") == 48 * 30
    assert seen(found)["whole"]["customers"] == 30
    assert sum(period["customers"] for period in seen(found)["periods"]) == 3 * 30
    assert "newest prediction counts" in found.facts["repeated customers"]
    assert "none may be a repetition" not in found.facts["repeated customers"]


def test_predictions_without_an_id_count_one_by_one_and_the_record_says_so(log: Any) -> None:
    customers = make_customers(40, 30)
    log.write(predictions(customers, [END - 100.0] * 40, names=[None] * 40), [])
    found = look(log.url)
    assert value(found, "customers") == 40
    assert "40 predictions without an id count one by one" in found.facts["repeated customers"]


def test_other_releases_and_other_times_are_not_taken_for_this_one(log: Any) -> None:
    customers = make_customers(60, 30)
    log.write(predictions(customers, [END - 100.0] * 60), [])
    log.write(predictions(customers, [END - 200.0] * 60, version="v0.9.0"), [])
    log.write(predictions(customers, [END - 40.0 * DAY] * 60), [])
    log.write(predictions(customers, [END + 100.0] * 60), [])
    found = look(log.url)
    assert (value(found, "predictions"), value(found, "other_predictions")) == (60, 60)


def test_bins_of_another_form_are_left_out_of_the_features(log: Any) -> None:
    customers = make_customers(90, 30)
    log.write(predictions(customers.head(30), [END - 100.0] * 30), [])
    for place, bins in enumerate(("zz", "00", "ffffffff", None)):
        rows = predictions(customers[30 + 15 * place : 45 + 15 * place], [END - 50.0 - place] * 15, bins=bins)
        log.write(rows, [])
    whole = seen(look(log.url))["whole"]
    assert (whole["customers"], whole["binned"]) == (90, 30)


def test_the_log_is_named_by_the_environment_so_that_no_record_repeats_its_password(
    log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write(predictions(make_customers(20, 30), [END - 100.0] * 20), [])
    monkeypatch.setenv("MY_LOG", log.url)
    assert value(look("MY_LOG"), "predictions") == 20
    with pytest.raises(InputError, match="NO_LOG is empty"):
        look("NO_LOG")


def test_without_a_release_or_a_log_nothing_is_observed(tmp_path: Path, log: Any) -> None:
    for against in (None, Released("", {})):
        with pytest.raises(InputError, match="no release"):
            look(log.url, against=against)
        with pytest.raises(InputError, match="no release"):
            watch_drift({}, against)
        with pytest.raises(InputError, match="no release"):
            watch_quality({}, against)
        with pytest.raises(InputError, match="no release"):
            watch_performance({}, against)
    with pytest.raises(InputError, match="there is no predictions log"):
        look(f"sqlite:///{tmp_path / 'none.db'}")
    with pytest.raises(InputError, match="can not be reached"):
        look("postgresql://nobody@127.0.0.1:9/none")


def test_a_log_that_is_damaged_is_said_in_two_lines(tmp_path: Path) -> None:
    path = tmp_path / "broken.db"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(InputError, match="can not be re"):
        look(f"sqlite:///{path}")


@pytest.mark.parametrize("column", ["service RENAME COLUMN lost TO gone", "predictions RENAME COLUMN bins TO gone"])
def test_a_log_of_another_form_is_said_in_two_lines(log: Any, column: str) -> None:
    connection = sqlite3.connect(log.url.removeprefix("sqlite:///"))
    connection.execute(f"ALTER TABLE {column}")
    connection.close()
    with pytest.raises(InputError, match="the predictions log can not be read"):
        look(log.url)


def test_calm_traffic_raises_nothing_and_labels_tell_how_well_the_release_does(log: Any) -> None:
    some_days(log, END, make_customers(1200, 31))
    found = seen(look(log.url))
    drift, quality = watch_drift(found, released()), watch_quality(found, released())
    done, ran = watch_performance(found, released()), watch_service(found)
    assert [texts(each, "warning", "critical") for each in (drift, quality, done, ran)] == ["", "", "", ""]
    assert value(drift, "drifted_features") == value(quality, "degraded_columns") == value(done, "dropped_metrics") == 0
    assert value(done, "labelled_ratio") == 1
    assert 0.5 < value(done, "f1") < 0.95
    assert "estimated_f1" not in done.metrics


def test_drift_names_the_feature_the_size_and_since_when(log: Any) -> None:
    customers = make_customers(1400, 32)
    customers.loc[700:, "bill"] += 25.0
    some_days(log, END, customers, labelled=False)
    found = watch_drift(seen(look(log.url)), released(), least=20)
    assert value(found, "drifted_features") == 1
    assert "the feature bill has drifted strongly: stability index" in texts(found)
    assert "first seen on 2026-11-" in texts(found)
    assert found.facts["false alarms"].startswith("where nothing drifts, at most 1.0% of windows")


def test_a_small_batch_is_too_few_and_no_alarm(log: Any) -> None:
    customers = make_customers(37, 32).assign(bill=500.0)
    log.write(predictions(customers, [END - 100.0] * 37), [])
    found = seen(look(log.url))
    drift = watch_drift(found, released())
    assert texts(drift, "note").startswith("too few predictions to tell drift: 37 of 100 customers")
    assert value(drift, "drifted_features") == 0
    assert "37 of 100" in texts(watch_quality(found, released()), "note")
    assert texts(drift, "warning", "critical") == ""
    assert [value(drift, name) for name in ("judged", "sample", "sample_needed")] == [0, 37, 100]
    assert drift.facts["not_told"] == "37 of the 100 customers needed"


def test_a_release_without_a_reference_says_that_drift_is_not_known(log: Any) -> None:
    bare = released(reference_json=None)
    log.write(predictions(make_customers(200, 32), [END - 100.0] * 200), [])
    found = seen(look(log.url, against=bare))
    assert "holds no reference of its training data" in texts(watch_drift(found, bare), "warning")
    assert "v1.0.0 holds no reference of its training data" in texts(watch_quality(found, bare), "note")


def test_a_damaged_reference_or_card_is_named_or_left_alone(log: Any) -> None:
    with pytest.raises(InputError, match="the reference of the release can not be read"):
        look(log.url, against=released(reference_json=b"{}"))
    some_days(log, END, make_customers(300, 32))
    found = watch_performance(seen(look(log.url)), released(card_json=b"[]"))
    assert found.facts["compared with"].startswith("nothing, for the card")
    assert value(found, "dropped_metrics") == 0


def test_without_bins_of_some_customers_features_are_watched_by_the_others(log: Any) -> None:
    customers = make_customers(300, 33)
    log.write(predictions(customers.head(200), [END - 100.0] * 200), [])
    log.write(predictions(customers.tail(100), [END - 90.0] * 100, bins=None), [])
    found = watch_drift(seen(look(log.url)), released())
    assert "200 of 300 customers have bins" in texts(found, "note")


def test_where_the_log_keeps_no_bins_the_score_alone_is_watched(log: Any) -> None:
    log.write(predictions(make_customers(300, 33), [END - 100.0] * 300, bins=None), [])
    found = watch_drift(seen(look(log.url)), released())
    assert found.facts["largest stability index"].startswith("no bins are kept")
    assert "score_psi" in found.metrics


def test_missing_and_unseen_values_beyond_chance_are_named_with_their_interval(log: Any) -> None:
    customers = make_customers(600, 34)
    customers.loc[:120, "bill"] = np.nan
    customers.loc[:60, "plan"] = "gold"
    log.write(predictions(customers, [END - 100.0] * 600), [])
    found = watch_quality(seen(look(log.url)), released())
    assert value(found, "degraded_columns") == 2
    assert "bill: 2" in texts(found)
    assert "missing, " in texts(found)
    assert "plan: 10." in texts(found)
    assert "unseen, 0.0% in training" in texts(found)
    assert found.facts["ranges"].startswith("not known")


def test_ranges_are_watched_where_the_log_keeps_values(log: Any) -> None:
    customers = make_customers(300, 35)
    rows = predictions(customers, [END - 100.0] * 300)
    kept = [{"bill": 9000.0 if place < 60 else 50.0, "tenure": True, "noise": "x"} for place in range(300)]
    log.write([row._replace(inputs=json.dumps(one)) for row, one in zip(rows, kept, strict=True)], [])
    log.write([predictions(customers.head(1), [END - 50.0])[0]._replace(inputs="[broken", customer="x")], [])
    log.write([predictions(customers.head(1), [END - 40.0])[0]._replace(inputs="[1]", customer="y")], [])
    found = watch_quality(seen(look(log.url)), released())
    assert "bill: 20.0% [" in texts(found)
    assert "out of range, 0.0% in training; see whether its unit" in texts(found)
    assert value(found, "out_of_range_ratio") == pytest.approx(0.2)


def test_a_drop_that_labels_show_is_critical_and_says_to_train_again(log: Any) -> None:
    customers = make_customers(800, 36)
    rows = some_days(log, END, customers, labelled=False)
    turned = np.where(np.random.default_rng(1).random(800) < 0.3, 1 - customers["churn"], customers["churn"])
    log.add_outcomes(outcomes(rows, turned.tolist()))
    found = watch_performance(seen(look(log.url)), released())
    assert "F1 is worse than on the test part: 0." in texts(found, "critical")
    assert "on 800 labelled customers" in texts(found, "critical")
    assert value(found, "dropped_metrics") >= 3


def test_probabilities_that_promise_too_little_are_critical(log: Any) -> None:
    customers = make_customers(900, 37)
    rows = [row._replace(probability=row.probability * 0.5) for row in predictions(customers, [END - 100.0] * 900)]
    log.write(rows, [])
    log.add_outcomes(outcomes(rows, customers["churn"].tolist()))
    found = watch_performance(seen(look(log.url)), released())
    assert "the probabilities are off: 2." in texts(found, "critical")


def test_the_release_before_that_did_better_is_named_with_the_way_back(log: Any) -> None:
    customers = make_customers(700, 38)
    before = predictions(customers, [END - 5.0 * DAY] * 700, version="v0.9.0")
    now = predictions(customers, [END - 100.0] * 700)
    worse = [
        row._replace(decision=1 - row.decision if place % 3 == 0 else row.decision) for place, row in enumerate(now)
    ]
    for rows in (before, worse):
        log.write(rows, [])
        log.add_outcomes(outcomes(rows, customers["churn"].tolist()))
    found = watch_performance(seen(look(log.url)), released())
    assert "v0.9.0 did better in the same window: F1 higher by 0." in texts(found, "critical")
    assert value(found, "outdone") == 1
    assert found.facts["better_before"] == "v0.9.0"


@pytest.mark.parametrize("version", ["v1; rm -rf ~", None])
def test_a_version_that_is_none_reaches_no_command(log: Any, version: str | None) -> None:
    customers = make_customers(700, 38)
    before = predictions(customers, [END - 5.0 * DAY] * 700)
    now = predictions(customers, [END - 100.0] * 700, id=None)
    before = [row._replace(version=version, release="c" * 64 if version is None else "; reboot") for row in before]
    now = [row._replace(id=f"{place}-0", decision=1 - row.decision) for place, row in enumerate(now)]
    for rows in (before, now):
        log.write(rows, [])
        log.add_outcomes(outcomes(rows, customers["churn"].tolist()))
    found = watch_performance(seen(look(log.url)), released())
    assert found.facts["better_before"] == "served~1"
    assert "reboot" not in texts(found)
    assert "rm -rf" not in texts(found)


def test_labels_from_before_a_drift_do_not_measure_the_time_since_it(log: Any) -> None:
    customers = make_customers(1400, 32)
    customers.loc[700:, "bill"] += 25.0
    rows = some_days(log, END, customers, labelled=False)
    log.add_outcomes(outcomes(rows[:650], customers["churn"].tolist()[:650]))
    found = seen(look(log.url))
    drift = watch_drift(found, released(), least=20).outputs["drift"]
    early = watch_performance(found, released(), drift=json.loads(json.dumps(drift)))
    assert (value(early, "labels_suffice"), value(early, "drifted_labels_suffice")) == (1, 0)
    assert "it is not measured: " in early.facts["where it drifted"]
    log.add_outcomes(outcomes(rows[650:], [1 - label for label in customers["churn"].tolist()[650:]]))
    late = watch_performance(seen(look(log.url)), released(), drift=json.loads(json.dumps(drift)))
    assert value(late, "drifted_labels_suffice") == 1
    assert value(late, "dropped_metrics") > 0


def test_a_drop_that_the_whole_window_hides_is_found_in_the_time_since_a_drift(log: Any) -> None:
    customers = make_customers(6000, 32)
    rows = some_days(log, END, customers, labelled=False)
    labels = customers["churn"].tolist()
    random = np.random.default_rng(1)
    late = [1 - label if random.random() < 0.22 else label for label in labels[5000:]]
    log.add_outcomes(outcomes(rows, labels[:5000] + late))
    found = seen(look(log.url))
    since = found["periods"][-1]["period"]
    drift = {"tests": [{"name": "bill", "drifted": True}], "periods": [{"period": since, "shifted": ["bill"]}]}
    assert value(watch_performance(found, released()), "dropped_metrics") == 0
    there = watch_performance(found, released(), drift=drift)
    assert value(there, "dropped_metrics") > 0
    assert f", from {since} on, where customers have drifted: " in texts(there, "critical")


def test_without_labels_the_estimate_stands_apart_and_labels_are_asked_for(log: Any) -> None:
    customers = make_customers(600, 39)
    some_days(log, END, customers, labelled=False)
    found = watch_performance(seen(look(log.url)), released())
    assert "f1" not in found.metrics
    assert value(found, "estimated_f1") == pytest.approx(0.7, abs=0.15)
    assert "right as long as the calibration holds" in found.facts["estimated"]
    assert texts(found, "note").startswith("too few labels to judge the release by: 0 of 50")


def test_an_estimate_far_below_the_test_part_is_a_warning_that_asks_for_labels(log: Any) -> None:
    customers = make_customers(600, 39).assign(tenure=45.0)
    some_days(log, END, customers, labelled=False)
    found = watch_performance(seen(look(log.url)), released())
    assert "the estimate without labels is low: F1 0." in texts(found, "warning")


def test_labels_of_those_at_risk_alone_are_called_selective(log: Any) -> None:
    customers = make_customers(900, 40)
    rows = some_days(log, END, customers, labelled=False)
    risky = [(row, label) for row, label in zip(rows, customers["churn"], strict=True) if row.probability > 0.3]
    log.add_outcomes(outcomes([row for row, _ in risky], [label for _, label in risky]))
    found = watch_performance(seen(look(log.url)), released())
    assert "outcomes are known of other customers than of all" in texts(found, "note")
    assert 0 < value(found, "labelled_ratio") < 0.9


def test_the_table_has_a_row_for_each_day_with_f1_requests_latency_errors_and_uptime(log: Any) -> None:
    some_days(log, END, make_customers(700, 41), days=3)
    table: Any = watch_performance(seen(look(log.url)), released()).outputs["tracking"]
    assert [row["period"] for row in table["rows"]] == ["2026-11-23", "2026-11-24", "2026-11-25"]
    assert table["rows"][0]["requests"] == 705
    assert table["rows"][0]["uptime"] == 1.0
    assert table["rows"][1]["f1_low"] < table["rows"][1]["f1"] < table["rows"][1]["f1_high"]


def test_errors_outages_and_lost_rows_are_issues_and_refusals_none(log: Any) -> None:
    start = END - DAY
    log.write([], service(start, start + DAY / 2, requests=900, errors=100, lost=7))
    found = watch_service(seen(look(log.url)))
    assert value(found, "error_ratio") == pytest.approx(100 / 1005)
    assert value(found, "refused_ratio") == pytest.approx(5 / 1005)
    assert value(found, "uptime_ratio") == pytest.approx(0.5)
    assert "of requests fail" in texts(found)
    assert "it ran in 50.0% of the minutes" in texts(found)
    assert "7 predictions are not in the log" in texts(found)


def test_before_the_first_sign_of_life_the_service_was_not_down_and_after_it_it_may_be(log: Any) -> None:
    log.write([], service(END - 3600, END))
    assert value(watch_service(seen(look(log.url))), "uptime_ratio") == 1.0
    log.write([], [ServiceRow(int((END - 14 * DAY) // 60), "w", "alive", 0, 0, 0.0, 0)])
    assert value(watch_service(seen(look(log.url))), "uptime_ratio") < 0.01


def test_latency_is_that_of_requests_and_not_of_each_customer_in_one(log: Any) -> None:
    slow = predictions(make_customers(90, 42), [END - 100.0] * 90, latency_ms=400.0)
    slow = [row._replace(id=f"batch-{place + 1}") for place, row in enumerate(slow)]
    quick = predictions(make_customers(40, 43), [END - 50.0] * 40, latency_ms=10.0)
    log.write([*slow, *quick], service(END - 3600, END))
    found = watch_service(seen(look(log.url)))
    assert value(found, "latency_p95_ms") == pytest.approx(10.0, rel=0.06)
    assert value(found, "latency_avg_ms") == pytest.approx(20 / 15)


def test_an_empty_log_measures_nothing_and_complains_of_nothing(log: Any) -> None:
    found = watch_service(seen(look(log.url)))
    assert "latency_avg_ms" not in found.metrics
    assert "uptime_ratio" not in found.metrics
    assert found.issues == []
