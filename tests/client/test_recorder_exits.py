"""However a process ends, what `log_metric` returned for arrives exactly once."""

from __future__ import annotations

import signal

import pytest

from tests.client.logging_process import Reader, left_in, run, start, status, sync

LOG = "run = begin()\nfor step in range(1000): run.log_metric('loss', 1.0, step, step)\n"


@pytest.fixture
def reader(sqlite_server):
    return Reader(sqlite_server.url)


@pytest.fixture
def spool(tmp_path):
    return tmp_path / "spool"


@pytest.mark.parametrize(
    ("ending", "code", "expected"),
    [
        ("", 0, "FINISHED"),
        ("run.update(status='FINISHED', end_time_ms=5000)", 0, "FINISHED"),
        ("sys.exit(3)", 3, "FINISHED"),
        ("raise ValueError('of the user')", 1, "FAILED"),
        ("raise KeyboardInterrupt", -signal.SIGINT, "KILLED"),
        ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)", -signal.SIGTERM, "KILLED"),
    ],
)
def test_an_ordinary_end_delivers_everything(reader, spool, ending, code, expected) -> None:
    done = run(LOG + ending, reader.url, spool)

    assert done.returncode == code, done.stderr
    found = reader.named("run")
    assert status(found) == expected
    assert reader.steps(found["info"]["run_id"], "loss") == list(range(1000))
    assert left_in(spool) == []
    assert "modelyard" not in done.stderr or "ValueError" in done.stderr


@pytest.mark.parametrize("ending", ["os._exit(7)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_an_end_without_warning_leaves_everything_to_sync(reader, spool, ending) -> None:
    done = run(LOG + "run.log_params({'lr': '0.1'})\n" + ending, reader.url, spool)
    assert done.returncode in (7, -signal.SIGKILL)

    synced = sync(spool)

    assert synced.returncode == 0, synced.stderr
    found = reader.named("run")
    assert status(found) == "KILLED"
    assert found["info"]["end_time"] >= 1000
    assert reader.steps(found["info"]["run_id"], "loss") == list(range(1000))
    assert left_in(spool) == []
    assert sync(spool).stdout == "Nothing to deliver.\n"


def test_the_next_process_delivers_what_a_dead_one_left(reader, spool) -> None:
    run(LOG + "os._exit(1)", reader.url, spool)

    run("begin('next'); time.sleep(0.1)", reader.url, spool)

    assert reader.steps(reader.named("run")["info"]["run_id"], "loss") == list(range(1000))
    assert status(reader.named("run")) == "KILLED"
    assert left_in(spool) == []


def test_a_handler_of_the_users_own_keeps_sigterm(reader, spool) -> None:
    script = "signal.signal(signal.SIGTERM, lambda *_: (say('mine'), sys.exit(0)))\n" + LOG
    done = run(script + "os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)", reader.url, spool)

    assert (done.returncode, done.stdout) == (0, "mine\n")
    assert status(reader.named("run")) == "FINISHED"


def test_a_signals_handler_may_log_in_the_middle_of_a_call(reader, spool) -> None:
    script = """
run = begin()
seen, numbers = [], iter(range(1, 10**6))
def interrupted(*_):
    number = next(numbers)   # another signal may come in here, too
    run.log_metric("signals", 1.0, number, 1)
    run.set_tags({"at": str(number)})
    seen.append(number)
signal.signal(signal.SIGALRM, interrupted)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
step = 0
while len(seen) < 200:
    run.log_metric("loss", 1.0, step, 1)
    step += 1
signal.setitimer(signal.ITIMER_REAL, 0)
say(step, len(seen))
"""
    done = run(script, reader.url, spool)

    assert done.returncode == 0, done.stderr
    steps, signals = map(int, done.stdout.split())
    run_id = reader.named("run")["info"]["run_id"]
    assert reader.steps(run_id, "loss") == list(range(steps))
    assert reader.steps(run_id, "signals") == list(range(1, signals + 1))


def test_threads_log_side_by_side(reader, spool) -> None:
    script = """
run = begin()
def work(number):
    for step in range(5000):
        run.log_metric(f"loss{number % 4}", 1.0, number * 5000 + step, 1)
        if step % 1000 == 0:
            run.log_params({f"p{number}.{step}": str(step)})
threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
for each in threads: each.start()
for each in threads: each.join()
"""
    done = run(script, reader.url, spool)

    assert done.returncode == 0, done.stderr
    found = reader.named("run")
    steps = [step for number in range(4) for step in reader.steps(found["info"]["run_id"], f"loss{number}")]
    assert sorted(steps) == list(range(40_000))
    assert len(found["data"]["params"]) == 40


def test_forked_children_log_to_the_parents_run_and_do_not_end_it(reader, spool) -> None:
    script = """
run = begin()
run.log_metric("parent", 1.0, 0, 1)
pids = []
for number in range(3):
    pid = os.fork()
    if not pid:
        for step in range(500): run.log_metric("child", 1.0, number * 500 + step, 1)
        run.update(status="FAILED", end_time_ms=1)
        if number == 0: os._exit(0)       # leaves its journal to whoever comes
        sys.exit(0)
    pids.append(pid)
for pid in pids: os.waitpid(pid, 0)
run.log_metric("parent", 1.0, 1, 1)
"""
    done = run(script, reader.url, spool)

    assert done.returncode == 0, done.stderr
    found = reader.named("run")
    assert status(found) == "FINISHED"
    assert reader.steps(found["info"]["run_id"], "child") == list(range(1500))
    assert reader.steps(found["info"]["run_id"], "parent") == [0, 1]
    assert left_in(spool) == []


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_of_multiprocessing_deliver_before_they_end(reader, spool, tmp_path, method) -> None:
    script = tmp_path / "train.py"
    script.write_text(f"""
import multiprocessing, os, sys
from modelyard.client.recorder import recorder_for

def work(run_id, number):
    run = recorder_for(os.environ["URI"]).attach(run_id)
    for step in range(500): run.log_metric("child", 1.0, number * 500 + step, 1)

if __name__ == "__main__":
    recorder = recorder_for(os.environ["URI"])
    run = recorder.start_run(experiment_id="0", experiment_name=None, run_name="run", start_time_ms=1, tags={{}})
    context = multiprocessing.get_context({method!r})
    children = [context.Process(target=work, args=(run.run_id, number)) for number in range(2)]
    for each in children: each.start()
    for each in children: each.join()
    print(len(os.listdir(os.environ["MODELYARD_SPOOL"])), [each.exitcode for each in children])
""")

    done = run(f"import subprocess; sys.exit(subprocess.call([sys.executable, {str(script)!r}]))", reader.url, spool)

    assert done.stdout == "1 [0, 0]\n", done.stderr  # only the parent's own journal is left at that time
    found = reader.named("run")
    assert reader.steps(found["info"]["run_id"], "child") == list(range(1000))
    assert status(found) == "FINISHED"


def test_what_remains_is_named_in_one_line(spool) -> None:
    away = "http://127.0.0.1:9"
    done = run(LOG + "run.log_params({'lr': '0.1'})", away, spool, MODELYARD_EXIT_TIMEOUT_S="0.2")

    assert done.returncode == 0
    (line,) = [line for line in done.stderr.splitlines() if "not delivered yet" in line]
    (journal,) = left_in(spool)
    assert line == (
        f"modelyard: 1,000 metric points and 3 other records not delivered yet: kept in {spool / journal}; "
        "the next run delivers them, or `modelyard sync`."
    )


def test_sigterm_with_a_server_that_is_away_is_quick(spool) -> None:
    process = start(LOG + "say('logged'); time.sleep(60)", "http://127.0.0.1:9", spool)
    assert process.stdout is not None
    assert process.stdout.readline() == "logged\n"
    process.send_signal(signal.SIGTERM)

    assert process.wait(10) == -signal.SIGTERM
    process.communicate()
    assert len(left_in(spool)) == 1
