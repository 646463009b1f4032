"""What a store with a past costs: request ids that are remembered, deliveries that wait, and
connections that do nothing.

A store is filled once by bench_fill and kept for later runs beside the results, under the digest
of that program, which holds the store's code: a store that other code made is never measured.
Each measurement works on a copy. Filling is not measured, so it is done in memory where there is
room, for the tens of thousands of syncs of a large store take their time on a disk."""

import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Callable, Dict

from .context import Context
from .rates import measure
from .servers import Daemon

Sample = Dict[str, float]

#: Where a sync costs nothing, and how much must be free there.
MEMORY = Path("/dev/shm")
MEMORY_BYTES = 6 << 30

#: Fills at a few ten thousand a second; a large one takes minutes.
FILL_SECONDS = 3600

#: A sink that makes no headway, so that what waits for it keeps waiting.
STUCK_SINK = 'sink "hooks" { type = "exec"  command = {"/bin/sleep", "60"}  concurrency = 1 }'


def _place_to_fill(context: Context) -> Path:
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES
    return MEMORY if roomy else context.folder


def _fill(context: Context, ids: int, pending: int, template: Path) -> None:
    arriving = context.folder / "arriving"
    with tempfile.TemporaryDirectory(dir=_place_to_fill(context), prefix="sasha-bench-") as making:
        subprocess.run([context.program("fill"), f"{making}/deliveries.db", str(ids), str(pending),
                        "hooks"], check=True, stdout=subprocess.DEVNULL, timeout=FILL_SECONDS)
        shutil.copytree(making, arriving)
    arriving.rename(template)


def _template(context: Context, ids: int, pending: int) -> Path:
    digest = hashlib.sha256(context.program("fill").read_bytes()).hexdigest()[:16]
    for old in context.shelf.glob("filled-*"):
        if digest not in old.name:
            shutil.rmtree(old, ignore_errors=True)
    template = context.shelf / f"filled-{digest}-{ids}-{pending}"
    if not template.exists():
        _fill(context, ids, pending, template)
    return template


def _copy(template: Path, folder: Path) -> None:
    """Onto the disk, or the kernel would write it there while something is measured."""
    for path in template.iterdir():
        shutil.copy2(path, folder / path.name)
        with open(folder / path.name, "rb") as file:
            os.fsync(file.fileno())


def _with_ids(number: int) -> Callable[[Context], Sample]:
    def row(context: Context) -> Sample:
        ids = context.size.ids[number]
        template = _template(context, ids, 0)
        with context.state("ids") as folder:
            _copy(template, folder)
            return {**measure(context, Daemon(folder, context.daemon)), "ids": ids}
    return row


def pending(context: Context) -> Sample:
    waiting = context.size.pending
    template = _template(context, 0, waiting)
    with context.state("pending") as folder:
        _copy(template, folder)
        return {**measure(context, Daemon(folder, context.daemon, STUCK_SINK)), "waiting": waiting}


def _open_idle(stack: ExitStack, address: str, count: int) -> None:
    """Connections that asked once, got their answer, and were kept."""
    host, _, port = address.partition(":")
    for _ in range(count):
        sock = stack.enter_context(socket.create_connection((host, int(port)), 10.0))
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        if b" 200 " not in sock.recv(4096):
            raise RuntimeError("no answer on a connection that was to be idle")


def idle(context: Context) -> Sample:
    """The rate over other connections while these stay open."""
    count = context.size.idle_connections
    with context.state("idle") as folder, ExitStack() as stack:
        daemon = Daemon(folder, context.daemon, server={"idle_timeout": '"600s"'})

        def open_idle() -> None:
            _open_idle(stack, daemon.address, count)
        sample = measure(context, daemon, before=open_idle)
        return {**sample, "idle_connections": count}


ROWS: Dict[str, Callable[[Context], Sample]] = {
    "ids-1m": _with_ids(0),
    "ids-10m": _with_ids(1),
    "pending-1m": pending,
    "idle-1000": idle,
}
