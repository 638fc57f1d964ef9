"""Two servers on one PostgreSQL: no lost update, and each sees what the other acknowledged."""

from __future__ import annotations

import threading

import pytest

from tests.reliability.load import Load, check
from tests.reliability.process import Client, ServerProcess


@pytest.fixture(scope="module")
def pair(tmp_path_factory, postgres):
    url, directory = postgres.create(), tmp_path_factory.mktemp("pair")
    flags = ("--database", url, "--artifacts", str(directory / "artifacts"))
    servers = [ServerProcess(directory / f"data{number}", *flags) for number in (0, 1)]
    at_once(*(server.start for server in servers))
    yield servers
    for server in servers:
        server.stop()
    postgres.drop(url)


def at_once(*works):
    """Run on threads that begin together; what each returned."""
    barrier, results = threading.Barrier(len(works)), [None] * len(works)

    def run(at, work):
        barrier.wait()
        results[at] = work()

    threads = [threading.Thread(target=run, args=item) for item in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return results


def log_together(pair, count, seconds):
    """Sixteen writers, eight on each server; always two of them, on different servers, share a run."""
    client = Client(pair[0].url)
    runs = [client.create_run() for _ in range(8)]
    client.close()
    load = Load(lambda number: pair[number % 2].url, runs=[runs[number // 2] for number in range(16)])
    load.start()
    load.wait_for(count, seconds)
    load.stop()
    assert not load.refusals
    for server in pair:
        check(server.url, load)
    return load


def test_eight_writers_on_each_lose_nothing(pair):
    log_together(pair, 800, 90)


@pytest.mark.soak
def test_eight_writers_on_each_lose_nothing_for_long(pair):
    load = log_together(pair, 60_000, 1200)
    print(f"{load.acknowledged} acknowledged writes")


def test_of_two_values_for_one_param_exactly_one_is_taken(pair):
    clients = [Client(server.url) for server in pair for _ in range(4)]
    run = clients[0].create_run()
    for number in range(30):
        key = f"p{number}"
        answers = at_once(
            *(
                lambda c=client, key=key, value=str(at): c.post("runs/log-parameter", run_id=run, key=key, value=value)
                for at, client in enumerate(clients)
            )
        )
        taken = [str(at) for at, (status, _) in enumerate(answers) if status == 200]
        refused = [answer["error_code"] for status, answer in answers if status != 200]
        assert len(taken) == 1, answers
        assert set(refused) == {"INVALID_PARAMETER_VALUE"}
        data = clients[number % 8].must_get("runs/get", run_id=run)["run"]["data"]
        assert {pair["key"]: pair["value"] for pair in data["params"]}[key] == taken[0]


def test_each_sees_at_once_what_the_other_acknowledged(pair):
    first, second = (Client(server.url) for server in pair)
    run = first.create_run()
    for number in range(40):
        writer, reader = (first, second) if number % 2 else (second, first)
        writer.must_post("runs/log-metric", run_id=run, key="m", value=number, timestamp=number, step=number)
        assert [r["info"]["run_id"] for r in reader.search(f"metrics.m = {number}")] == [run]
        writer.must_post("runs/set-tag", run_id=run, key="t", value=f"v{number}")
        found = reader.search(f"tags.t = 'v{number}'")
        assert found[0]["data"]["metrics"][0]["value"] == number
        made = writer.create_run(name=f"made {number}")
        assert [r["info"]["run_id"] for r in reader.search(f"attributes.run_name = 'made {number}'")] == [made]
        assert reader.history(run, "m")[-1] == (number, number, number)
        reader.must_post("runs/delete", run_id=made)
        assert writer.search(f"attributes.run_name = 'made {number}'") == []


def test_searches_on_one_see_all_that_was_acknowledged_while_the_other_is_written(pair):
    experiments = [Client(pair[0].url).must_post("experiments/create", name=f"e{n}")["experiment_id"] for n in (1, 2)]
    acknowledged: dict[str, int] = {}
    stop, failures = threading.Event(), []

    def write(number):
        client = Client(pair[0].url)
        run = client.create_run(experiments[number % 2])
        for value in range(100_000):
            if stop.is_set():
                break
            client.must_post("runs/log-metric", run_id=run, key="m", value=value, timestamp=value, step=value)
            acknowledged[run] = value

    def watch():
        client = Client(pair[1].url)
        try:
            for _ in range(60):
                before = dict(acknowledged)
                found = {
                    run["info"]["run_id"]: run["data"]["metrics"][0]["value"]
                    for run in client.search("metrics.m >= 0", tuple(experiments))
                }
                late = {run: (value, found.get(run)) for run, value in before.items() if found.get(run, -1) < value}
                assert not late
                if before:
                    assert client.search(f"metrics.m >= {max(before.values())}", tuple(experiments))
        except BaseException as error:
            failures.append(error)
            raise

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    watchers = [threading.Thread(target=watch) for _ in range(2)]
    for thread in writers + watchers:
        thread.start()
    for thread in watchers:
        thread.join()
    stop.set()
    for thread in writers:
        thread.join()
    assert not failures
