"""Load: wrk for rates at saturation, bench_load for fixed rates."""

import json
import subprocess
from pathlib import Path
from typing import Dict, List

from .scheme import Requests

SCRIPT = Path(__file__).resolve().parents[1] / "wrk.lua"

#: How much longer than asked for a load generator may take.
PATIENCE_SECONDS = 60


def _run(command: List[str], seconds: float) -> str:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    try:
        output, _ = process.communicate(timeout=seconds + PATIENCE_SECONDS)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}:\n{output}")
    return output


def wrk(address: str, requests: Requests, seconds: int, connections: int) -> Dict[str, float]:
    """All that the server can answer, each request of the file once."""
    output = _run(["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "-s", str(SCRIPT),
                   f"http://{address}", "--", str(requests.path), str(requests.length),
                   str(requests.count)], seconds)
    line = next((line for line in output.splitlines() if line.startswith("bench ")), None)
    if line is None:
        raise RuntimeError(f"wrk said nothing of its result:\n{output}")
    result = json.loads(line[len("bench "):])
    if result["exhausted"]:
        raise RuntimeError(f"{requests.path} holds too few requests for {seconds} s")
    if result["refused"] or result["broken"]:
        raise RuntimeError(f"{result['refused']} answers were refusals and {result['broken']} "
                           "connections broke; nothing is measured by that")
    return result
