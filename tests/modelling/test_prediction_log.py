"""The predictions log, on SQLite and on a real PostgreSQL: nothing lost, nothing counted twice, a person forgotten."""

import multiprocessing
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from churnflow.modelling.prediction_log import LogError, ServiceRow
from tests.databases import execute
from tests.predictions import SERVICE, labels, opened, outcome, prediction, read

MARK = "0dead0"


def test_what_is_written_is_read_in_the_order_of_time(log) -> None:
    rows = [prediction(3, 30.0), prediction(1, 10.0, "p:x"), prediction(2, 20.0)._replace(inputs='{"a":"ü"}', key="k")]
    log.write(rows, [])
    assert read(log) == sorted(rows, key=lambda row: row.at)
    assert [row.at for row in read(log, 10.0, 30.0)] == [10.0, 20.0]


def test_a_batch_that_is_written_again_is_there_once(log) -> None:
    log.write([prediction(1)], [])
    log.write([prediction(1), prediction(2)], [])
    assert len(read(log)) == 2


def test_releases_are_told_apart(log) -> None:
    log.write([prediction(1, release="r1"), prediction(2, release="r2")], [])
    log.add_outcomes([outcome(2e3, 1, of="00000001-0"), outcome(2e3, 0, of="00000002-0")])
    assert [row.id for row in read(log, release="r2")] == ["00000002-0"]
    assert labels(log, release="r2") == {"00000002-0": 0}


def test_counts_of_a_minute_add_up(log) -> None:
    log.write([], [ServiceRow(7, "w1", "predict", 200, 2, 3.0, 0), ServiceRow(7, "w2", "predict", 200, 1, 1.0, 0)])
    log.write([], [ServiceRow(7, "w1", "predict", 200, 5, 4.5, 1), ServiceRow(8, "w1", "alive", 0, 0, 0.0, 0)])
    assert log.service(7, 8) == [
        ServiceRow(7, "w1", "predict", 200, 7, 7.5, 1),
        ServiceRow(7, "w2", "predict", 200, 1, 1.0, 0),
    ]


def test_an_outcome_belongs_to_the_prediction_that_it_names(log) -> None:
    log.write([prediction(1), prediction(2)], [])
    log.add_outcomes([outcome(5_000.0, 1, of="00000002-0")])
    assert labels(log) == {"00000002-0": 1}


def test_an_outcome_of_a_customer_belongs_to_the_newest_prediction_before_it(log) -> None:
    log.write([prediction(1, 10.0, "p:x"), prediction(2, 20.0, "p:x"), prediction(3, 30.0, "p:x")], [])
    log.write([prediction(4, 15.0, "p:y")], [])
    log.add_outcomes([outcome(25.0, 1, customer="p:x")])
    assert labels(log) == {"00000002-0": 1}


def test_of_several_outcomes_the_newest_counts(log) -> None:
    log.write([prediction(1, 10.0, "p:x")], [])
    log.add_outcomes([outcome(20.0, 1, of="00000001-0"), outcome(30.0, 0, customer="p:x")])
    assert labels(log) == {"00000001-0": 0}
    log.add_outcomes([outcome(30.0, 1, of="00000001-0")])
    assert labels(log) == {"00000001-0": 1}


def test_an_outcome_of_nobody_known_labels_nothing(log) -> None:
    log.write([prediction(1, 10.0, "p:x")], [])
    log.add_outcomes([outcome(5.0, 1, customer="p:x"), outcome(20.0, 1, customer="p:z"), outcome(20.0, 1, of="no")])
    assert labels(log) == {}


def test_it_knows_which_ids_are_in_it(log) -> None:
    log.write([prediction(1, customer="p:x"), prediction(2)], [])
    assert log.known(["00000001-0", "none"], ["p:x", "p:y"]) == ({"00000001-0"}, {"p:x"})
    assert log.known([], []) == (set(), set())


def test_nothing_may_be_written(log) -> None:
    log.write([], [])
    log.add_outcomes([])
    assert (read(log), labels(log), log.service(0, 10**9), log.prune(1e12)) == ([], {}, [], 0)


def test_a_person_is_forgotten_with_the_outcomes_told_of_them(log) -> None:
    log.write([prediction(1, customer="p:x"), prediction(2, customer="C-1"), prediction(3, customer="p:y")], [])
    log.add_outcomes(
        [outcome(2e3, 1, of="00000001-0"), outcome(2e3, 0, customer="p:x"), outcome(2e3, 1, of="00000003-0")]
    )
    assert log.forget("C-1", "p:x") == (2, 2)
    assert [row.customer for row in read(log)] == ["p:y"]
    assert labels(log) == {"00000003-0": 1}
    assert log.forget("p:x") == (0, 0)


def test_what_is_older_than_the_retention_is_removed(log) -> None:
    log.write([prediction(1, 59.0), prediction(2, 6_000.0)], [ServiceRow(0, "w", "predict", 200, 1, 1.0, 0)])
    log.write([], [ServiceRow(100, "w", "predict", 200, 1, 1.0, 0)])
    log.add_outcomes([outcome(70.0, 1, of="00000001-0"), outcome(7_000.0, 1, of="00000002-0")])
    assert log.prune(6_000.0) == 1
    assert [row.id for row in read(log)] == ["00000002-0"]
    assert [row.minute for row in log.service(0, 1_000)] == [100]
    assert labels(log) == {"00000002-0": 1}


@pytest.mark.parametrize("text", ["x" * 10_000, "a'; DROP TABLE predictions; --", "\ud800", "nul\0nul", "ü\u202e"])
def test_a_strange_text_is_kept_or_refused_and_does_no_harm(log, text) -> None:
    log.write([prediction(1)], [])
    row = prediction(2)._replace(customer=text)
    try:
        log.write([row], [])
    except LogError:
        assert len(read(log)) == 1
    else:
        assert read(log)[1] == row


@pytest.mark.parametrize("wrong", [{"release": None}, {"customer": "nul\0nul\ud800"}, {"decision": 2**70}])
def test_of_what_it_refuses_it_keeps_nothing_and_repeats_no_value(log, wrong) -> None:
    secret = "gehe1m"  # noqa: S105 - a value of a customer
    rows = [prediction(number)._replace(inputs=secret) for number in range(1_000)]
    rows[700] = rows[700]._replace(**wrong)
    with pytest.raises(LogError) as failed:
        log.write(rows, [SERVICE])
    assert secret not in f"{failed.value} {failed.value.hint} {failed.value.__cause__}"
    assert (read(log), log.service(0, 10)) == ([], [])
    log.write([prediction(1)], [SERVICE])
    assert len(read(log)) == 1


def test_many_rows_are_read_in_bounded_memory(log, log_url) -> None:
    for start in range(0, 200_000, 5_000):
        log.write([prediction(number, float(number)) for number in range(start, start + 5_000)], [])
    code = (
        "import resource, sys; from churnflow.modelling.prediction_log import PredictionLog\n"
        f"log = PredictionLog.open({log_url!r}); next(log.predictions(0, 10))\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "count = sum(len(batch) for batch in log.predictions(0, 1e12))\n"
        "print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, kilobytes = map(int, done.stdout.split())
    assert count == 200_000
    # All at once would take some 120 MB.
    assert kilobytes < 25_000


def test_many_outcomes_find_their_predictions_soon_in_a_database_that_has_counted_nothing_yet(log) -> None:
    customers = [f"p:{number:08x}" for number in range(15_000)]
    for round_ in range(2):
        rows = [prediction(round_ * 15_000 + n, float(n), name) for n, name in enumerate(customers)]
        log.write(rows, [])
    log.add_outcomes([outcome(1e6, 1, customer=name) for name in customers[:8_000]])
    begun = time.monotonic()
    assert len(labels(log)) == 8_000
    # 0.3 s; a plan that looks through all times for each outcome takes a minute.
    assert time.monotonic() - begun < 10


def test_who_reads_may_stop_before_the_end_and_leaves_nothing_open(log) -> None:
    log.write([prediction(n, float(n), "p:x") for n in range(12_000)], [])
    log.add_outcomes([outcome(1e6, 1, of=f"{n:08x}-0") for n in range(12_000)])
    for reading in (log.predictions(0.0, 1e12), log.labelled(0.0, 1e12)):
        assert len(next(reading)) == 5_000
        # What is left open warns when it is collected, and warnings are errors.
        del reading
    assert log.forget("p:x") == (12_000, 12_000)


def write_many(url: str, first: int) -> None:
    with opened(url) as log:
        for start in range(first, first + 2_000, 100):
            log.write([prediction(n) for n in range(start, start + 100)], [SERVICE])


def test_processes_that_begin_together_write_beside_each_other(log_url) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_many, args=(log_url, 10_000 * place)) for place in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    with opened(log_url) as log:
        assert len(read(log)) == 6_000
        assert log.service(1, 2)[0].requests == 60


def test_nothing_of_forgotten_people_is_left_in_the_files(tmp_path: Path) -> None:
    path = tmp_path / "log" / "predictions.db"
    chance = random.Random(1)
    # What belongs to one of those who are forgotten ends with a mark.
    names = [f"p:{chance.randbytes(16).hex()}{MARK if person < 500 else ''}" for person in range(2_000)]
    with opened(f"sqlite:///{path}") as log:
        for at in range(50):
            rows = []
            for _ in range(300):
                # Ids and names in no order: pages of the indexes are split, and cells moved between them.
                name = chance.choice(names)
                mark = MARK if name.endswith(MARK) else ""
                token, values = f"{chance.randbytes(12).hex()}{mark}", f"{'v' * chance.randrange(1_500)}{mark}"
                rows.append(prediction(0, float(at), name)._replace(id=token, inputs=values))
            log.write(rows, [])
            log.add_outcomes([outcome(99.0, 1, customer=row.customer) for row in rows[:30]])
            log.add_outcomes([outcome(99.0, 1, of=row.id) for row in rows[30:60]])
        assert count_of(MARK, path) > 10_000
        removed = log.forget(*names[:500])
        assert removed.predictions > 3_000
        assert removed.outcomes > 500
        assert count_of(MARK, path) == 0
        assert len(read(log)) == 15_000 - removed.predictions


def count_of(text: str, path: Path) -> int:
    """Return how often a text stands in a file and the journals beside it."""
    return sum(file.read_bytes().count(text.encode()) for file in path.parent.iterdir())


def test_while_another_reads_a_person_is_not_said_to_be_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "log" / "predictions.db"
    with opened(f"sqlite:///{path}") as log:
        log.write([prediction(n, float(n), "p:0123456789") for n in range(12_000)], [])
        reading = log.predictions(0.0, 1e12)
        next(reading)
        with pytest.raises(LogError, match="another process reads"):
            log.forget("p:0123456789")
        reading.close()
        assert log.forget("p:0123456789") == (0, 0)
        assert count_of("p:0123456789", path) == 0


def test_after_the_server_was_stopped_and_started_the_next_write_works(postgres, postgres_server) -> None:
    execute(postgres, "DROP TABLE IF EXISTS predictions, service, outcomes, log_schema")
    with opened(postgres) as log:
        log.write([prediction(1)], [SERVICE])
        postgres_server.stop()
        try:
            for _ in range(2):
                with pytest.raises(LogError):
                    log.write([prediction(2)], [SERVICE])
        finally:
            postgres_server.start()
        log.write([prediction(3)], [SERVICE])
        assert [row.id for row in read(log)] == ["00000001-0", "00000003-0"]
        assert log.service(1, 2)[0].requests == 2
        postgres_server.stop()
        postgres_server.start()
        log.write([prediction(4)], [])
        assert len(read(log)) == 3
