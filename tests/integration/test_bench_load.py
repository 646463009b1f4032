"""The benchmark's fixed-rate load: a stall of the server counts for every request that was due
meanwhile, not only for those that were under way (coordinated omission)."""

import json
import signal
import subprocess

import pytest
from harness.paths import BUILD, SLOWNESS
from harness.wait import holds_for, wait_until

BENCH = BUILD / "tests" / "bench"
RATE, SECONDS, STALL = 500, 2, 0.5
COUNT = RATE * SECONDS
CONNECTIONS = 8  # far fewer than fall due during the stall


@pytest.fixture
def floor(tmp_path):
    """A server that answers 202 at once, and its address."""
    log = tmp_path / "address"
    with open(log, "wb") as output:
        process = subprocess.Popen([BENCH / "bench_floor", "2"], stdout=output)
    try:
        wait_until(lambda: log.read_text().endswith("\n"), "the address of bench_floor")
        yield process, log.read_text().strip()
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        assert process.wait(20) == 0


def test_a_stall_is_felt_by_all_that_was_due(floor, tmp_path):
    process, address = floor
    path, answers = tmp_path / "requests", tmp_path / "answers"
    made = subprocess.run([BENCH / "bench_requests", "sasha", str(COUNT), "1", path, "https://a/b",
                           "/b", "token", "0123456789abcdef"], check=True, capture_output=True)
    load = subprocess.Popen([BENCH / "bench_load", address, path, made.stdout.decode().strip(),
                             str(COUNT), str(CONNECTIONS), str(RATE), str(SECONDS), answers],
                            stdout=subprocess.PIPE)
    wait_until(lambda: answers.exists() and answers.stat().st_size, "the first answers")
    process.send_signal(signal.SIGSTOP)
    holds_for(lambda: load.poll() is None, STALL, "the load waits for answers")
    process.send_signal(signal.SIGCONT)
    output, _ = load.communicate(timeout=60 * SLOWNESS)
    result = json.loads(output)
    assert result["answers"] == COUNT
    assert result["statuses"] == {"202": COUNT}
    # A quarter of all was due during the stall, and so one in ten waited longer than a fifth of it.
    assert result["p90"] >= STALL * 1e6 / 5
    ids = [line.split()[0] for line in answers.read_text().splitlines()]
    assert len(set(ids)) == COUNT, "each request is sent once"
