"""A9: canaries. Secrets and tokens are sent, spoilt, put in wrong places and asked about in every way;
then everything that was written or answered anywhere is searched for them in every form."""

import json
import os
import subprocess
from pathlib import Path
from typing import Dict, List

from harness.callback import Secret, make_job, new_token
from harness.canary import files_to_scan
from harness.http import Client, ConnectionEnded
from harness.paths import CTL, DAEMON
from harness.sinks import Hook, SyslogServer
from kit.numbers import get
from kit.plan import count, note

DUMP = "env >env; cat /proc/$$/environ >environ; tr '\\0' ' ' </proc/$$/cmdline >cmdline; " \
       "ls -l /proc/$$/fd >fd; cat >stdin; echo >>notes; exit $((SASHA_SEQ % 2))"


def wrong_ones(daemon, token: str) -> List[bytes]:
    """Callbacks that are refused, with the right token where it may stand or slip to."""
    right = daemon.callback()
    signature = right.get("SASHA-Request-Signature")
    callbacks = [
        daemon.callback().set("SASHA-Request-Signature", "0" * 64),
        daemon.callback().set("SASHA-Request-Signature"),
        daemon.callback(b"{not json"),
        daemon.callback().set("SASHA-Request-ID"),
        daemon.callback(target="/nowhere"),
        daemon.callback().set("Authorization", f"Bearer {token}", f"Bearer {token}"),
        daemon.callback().set("Authorization", f"Basic {token}"),
        daemon.callback().set("Authorization", f"bearer\t{token}"),
        daemon.callback().set("Authorization", token),
        daemon.callback().set("Authorization", f"Bearer {token}x"),
        daemon.callback().set("Proxy-Authorization", f"Bearer {token}").set("Authorization"),
        daemon.callback().set("X-Forwarded-Authorization", token).set("Authorization"),
        daemon.callback().set("X-Note", f"Bearer {token}").set("Authorization"),
    ]
    wires = [callback.wire() for callback in callbacks]
    folded = daemon.callback().set("Authorization").set("X-Note", f"a\r\n Authorization: Bearer {token}")
    double = daemon.callback().set("Content-Length", "5", "5")
    wires += [folded.wire(), double.wire(), right.wire()[:-20]]
    assert signature
    return wires


def admin_post(daemon, path: str, members: Dict[str, object]) -> None:
    body = json.dumps(members).encode()
    with Client(f"unix:{daemon.folder}/admin.sock", heard=daemon.heard) as client:
        client.exchange(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"
                        % (path.encode(), len(body), body))


def ask_everything(daemon) -> int:
    """Every page of the admin listener, and an explanation of each refused request. All of it gets
    into daemon.heard."""
    for path in ("/healthz", "/readyz", "/metrics", "/v1/status", "/v1/deliveries", "/v1/stats",
                 "/v1/deliveries/1"):
        get(daemon, path)
    refused = json.loads(get(daemon, "/v1/refused"))["refused"]
    for entry in refused:
        whole = json.loads(get(daemon, f"/v1/refused/{entry['id']}"))
        assert "headers" in whole
        admin_post(daemon, "/v1/explain", {"refused": entry["id"]})
    return len(refused)


def run(folder: Path, name: str, *command: object, stdin: bytes = b"") -> None:
    result = subprocess.run([str(part) for part in command], input=stdin, capture_output=True,
                            timeout=60, env={"PATH": "/usr/bin:/bin"})
    (folder / f"{name}.out").write_bytes(result.stdout + result.stderr)


def test_no_canary_is_found_anywhere(conf, daemon):
    folder = conf.folder
    hook = Hook(folder, "dump", DUMP)
    conf.exec_sink("dump", hook.command, retry_attempts=1, user_env=["PATH=/usr/bin:/bin"])
    server = SyslogServer(f"local:{folder}/syslog.sock")
    conf.syslog_sink("log", server.target)
    conf.endpoint.secrets = [Secret.base64("one", "id-1"), Secret.hex("two", "id-2")]
    conf.endpoint.tokens = [new_token(), new_token()]
    conf.server["keep_refused"] = 1000
    daemon.env["SASHA_CANARY"] = "canary-environment-" + os.urandom(8).hex()
    daemon.env["CREDENTIALS_DIRECTORY"] = str(conf.secret_folder)
    daemon.canaries = set(conf.canaries())
    canaries = daemon.canaries | {daemon.env["SASHA_CANARY"].encode()}
    daemon.start()

    token = conf.endpoint.tokens[1]
    accepted = 0
    for number in range(count("A9")):
        wires = wrong_ones(daemon, token)
        with daemon.client(timeout=10) as client:
            try:
                client.send(wires[number % len(wires)])
                client.sock.settimeout(1)
                client.read()
            except (ConnectionEnded, OSError):
                pass
        if number % 3 == 0:
            secret = conf.endpoint.secrets[number % 2]
            daemon.accept(make_job(), secret=secret, token=conf.endpoint.tokens[number % 2])
            accepted += 1
    hook.wait_notes(accepted, seconds=60)

    refused = ask_everything(daemon)
    admin_post(daemon, "/v1/explain", {"request": daemon.callback().wire().decode("latin-1")})
    argv = Path(f"/proc/{daemon.pid}/cmdline").read_bytes()
    (folder / "argv.out").write_bytes(argv)
    captured = folder / "secrets" / "captured"
    captured.write_bytes(daemon.callback().set("SASHA-Request-Signature", "1" * 64).wire())
    run(folder, "dump-config", DAEMON, "--config", conf.path, "--dump-config")
    run(folder, "check", DAEMON, "--config", conf.path, "--check")
    run(folder, "explain-offline", CTL, "--config", conf.path, "explain", captured)
    for command in ("status", "list", "dead", "stats", "check-config"):
        run(folder, f"ctl-{command}", CTL, "--config", conf.path, command)
    for command in ("status", "list", "stats"):
        run(folder, f"ctl-{command}-json", CTL, "--config", conf.path, "--json", command)
    daemon.restart()
    daemon.kill()
    assert daemon.start()
    assert daemon.stop() == 0
    server.close()
    (folder / "syslog.out").write_bytes(b"\n".join(server.messages))

    files = [path for path in files_to_scan(daemon) if path != captured]
    data = {str(path): path.read_bytes() for path in files}
    data["answers"] = b"".join(daemon.heard)
    names = [Path(name).name for name in data]
    for wanted in ("deliveries.db", "archive.jsonl", "daemon.log", "environ", "cmdline", "stdin",
                   "dump-config.out", "explain-offline.out", "syslog.out", "ctl-status.out"):
        assert wanted in names and len(next(
            value for name, value in data.items() if Path(name).name == wanted)) > 0, wanted
    assert b"SASHA_JOB_ID" in data[str(hook.folder / "environ")]
    hits = [f"{name}: {value[max(0, value.index(canary) - 80):][:200]!r}"
            for name, value in data.items() for canary in canaries if canary in value]
    assert not hits, "\n".join(hits)
    note("A9", f"{len(canaries)} canaries, {refused} refused requests kept and explained, "
         f"{len(data)} places of {sum(map(len, data.values())) // 1024} KiB searched: 0 hits",
         canaries=len(canaries), refused=refused, places=len(data))
