#!/usr/bin/python3
"""The oracle: a process of its own, which no fault touches, that knows what was promised.

  oracle.py load  --target FILE --ledger FILE [--rate N] [--connections N] [--total N | --seconds S]
      sends deliveries and notes in the ledger what was sent and what was promised, until it has
      sent them all, the time is up, or SIGTERM; then prints what came of it as one line of JSON.

  oracle.py check --ledger FILE --store FILE [--jsonl NAME=PATH[:STATUS,...]]...
                  [--journal NAME=PATH[:STATUS,...]]... [--may-repeat NAME]... [--target FILE]
      waits until the sinks are complete, at most --deadline seconds, and holds what was promised
      against what the sinks and the store hold (lab/verdict.py says what is asserted). With
      --target it first sends a fresh delivery, which must be accepted and reach every sink.
      Prints figures and failures as one line of JSON. The store is only read.

A target is a JSON file: {"address": "127.0.0.1:8480" or "unix:/path", "public_url": ..., "path":
..., "key": hex of the decoded secret, "token": ... or null, "secret_id": ... or null}. A journal is
what a hook writes: lines of "REQUEST-ID SHA256-OF-STDIN". PATH may be a glob.

Exit status: 0 all holds, 1 a promise was broken (or an answer was neither 2xx nor 503 with
Retry-After), 2 wrong usage, 3 the oracle itself failed.
"""

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import List, Optional

sys.path[:0] = [str(Path(__file__).resolve().parent),
                str(Path(__file__).resolve().parents[1] / "integration")]

from lab import ledger, verdict  # noqa: E402
from lab.sender import Load, Sender, Target  # noqa: E402


def read_target(path: Path) -> Target:
    fields = json.loads(path.read_text())
    return Target(**{**fields, "key": bytes.fromhex(fields["key"])})


def read_sinks(args: argparse.Namespace) -> List[verdict.Sink]:
    sinks = []
    for kind, texts in (("jsonl", args.jsonl), ("journal", args.journal)):
        for text in texts:
            name, equals, rest = text.partition("=")
            path, _, statuses = rest.partition(":")
            if not (name and equals and path):
                raise UsageError(f"--{kind} {text}: NAME=PATH[:STATUS,...] is what it takes")
            sinks.append(verdict.Sink(name, kind, Path(path),
                                      statuses.split(",") if statuses else None,
                                      name in args.may_repeat))
    return sinks


class UsageError(Exception):
    """Wrong usage that argparse cannot see."""


def run_load(args: argparse.Namespace) -> int:
    notes = ledger.Ledger(args.ledger)
    sender = Sender(read_target(args.target),
                    Load(connections=args.connections, rate=args.rate, total=args.total,
                         seconds=args.seconds, timeout=args.timeout, size=args.size,
                         fresh=args.fresh, jobs=args.jobs, seed=args.seed), notes)
    signal.signal(signal.SIGTERM, lambda *_: sender.stop())
    sender.start().join()
    notes.close()
    print(json.dumps(sender.summary()), flush=True)
    return 1 if sender.wrong else 0


def send_fresh(args: argparse.Namespace) -> Optional[str]:
    """Liveness: what is wrong with it, or None."""
    notes = ledger.Ledger(args.ledger)
    sender = Sender(read_target(args.target),
                    Load(connections=1, rate=1000, total=1, timeout=args.deadline), notes)
    sender.start().join()
    notes.close()
    if sender.outcome.promised != 1:
        return f"a fresh delivery was not accepted: {sender.summary()}"
    return None


def run_check(args: argparse.Namespace) -> int:
    sinks = read_sinks(args)
    dead_end = send_fresh(args) if args.target else None
    report = verdict.judge(ledger.read(args.ledger), sinks, args.store, args.deadline,
                           args.dead_allowed)
    failures = ([dead_end] if dead_end else []) + report.failures
    print(json.dumps({**report.figures, "failures": failures}), flush=True)
    return 1 if failures else 0


def parse(arguments: Optional[List[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)

    load = commands.add_parser("load", help="send deliveries and note what was promised")
    load.add_argument("--target", type=Path, required=True, help="JSON file, see above")
    load.add_argument("--ledger", type=Path, required=True, help="file to add to")
    load.add_argument("--rate", type=float, default=200.0, help="deliveries a second (200)")
    load.add_argument("--connections", type=int, default=8, help="at a time (8)")
    load.add_argument("--total", type=int, help="deliveries in all")
    load.add_argument("--seconds", type=float, help="for so long")
    load.add_argument("--jobs", type=int, default=50, help="distinct job ids (50)")
    load.add_argument("--fresh", action="store_true",
                      help="a connection of its own for each delivery")
    load.add_argument("--timeout", type=float, default=30.0, help="of one answer, seconds (30)")
    load.add_argument("--size", type=int, default=4096, help="most bytes of padding (4096)")
    load.add_argument("--seed", type=int, default=1, help="of the bodies' sizes and jobs (1)")
    load.set_defaults(run=run_load)

    check = commands.add_parser("check", help="hold promises against sinks and store")
    check.add_argument("--ledger", type=Path, required=True)
    check.add_argument("--store", type=Path, required=True, help="the database")
    check.add_argument("--jsonl", action="append", default=[], metavar="NAME=PATH[:STATUS,...]")
    check.add_argument("--journal", action="append", default=[], metavar="NAME=PATH[:STATUS,...]")
    check.add_argument("--may-repeat", action="append", default=[], metavar="NAME",
                       help="a sink that a crash may have shown a delivery twice")
    check.add_argument("--dead-allowed", action="store_true", help="dead letters are no failure")
    check.add_argument("--target", type=Path, help="where a fresh delivery must pass")
    check.add_argument("--deadline", type=float, default=180.0, help="seconds (180)")
    check.set_defaults(run=run_check)
    return parser.parse_args(arguments)


def main(arguments: Optional[List[str]] = None) -> int:
    args = parse(arguments)
    try:
        return args.run(args)
    except UsageError as error:
        print(f"oracle: {error}", file=sys.stderr)
        return 2
    except Exception as error:  # whatever it is: nothing was proved
        print(f"oracle: {type(error).__name__}: {error}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
