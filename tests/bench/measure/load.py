"""Load: wrk for rates at saturation, bench_load for fixed rates."""

import json
import subprocess
from pathlib import Path
from typing import Dict, List, Optional

from .scheme import Requests

SCRIPT = Path(__file__).resolve().parents[1] / "wrk.lua"

#: How much longer than asked for a load generator may take.
PATIENCE_SECONDS = 60

#: An answer that takes longer counts as a broken connection.
TIMEOUT_SECONDS = 10


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
    output = _run(["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s",
                   "--timeout", f"{TIMEOUT_SECONDS}s", "-s", str(SCRIPT), f"http://{address}",
                   "--", str(requests.path), str(requests.length), str(requests.count)], seconds)
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


def fixed(program: Path, address: str, requests: Requests, rate: float, seconds: float,
          connections: int, count: int = 0, answers: Optional[Path] = None) -> Dict[str, float]:
    """`rate` requests a second, or with rate 0 `count` of them as fast as they are answered.
    `answers` gets the request id and the time of each answer."""
    command = [str(program), address, str(requests.path), str(requests.length),
               str(count or requests.count), str(connections), str(rate), str(seconds)]
    result = json.loads(_run(command + ([str(answers)] if answers else []), seconds))
    if list(result["statuses"]) != ["202"] or result["answers"] != result["sent"]:
        raise RuntimeError(f"{result['sent']} requests were answered {result['statuses']}")
    return result
