"""G3: once per request id, however often and however close together the copies come."""

import json
import threading
from collections import Counter

from harness.callback import make_job
from harness.http import Client
from harness.sinks import Hook, read_ids, wait_ids
from harness.wait import holds_for


def test_one_after_another(conf, running):
    callback = running.accept()
    for _ in range(5):
        response = running.send(callback)
        assert (response.status, json.loads(response.body)) == (200, {"status": "duplicate"})
    after = running.accept()
    assert wait_ids(conf.archive, [after.request_id]) == [callback.request_id, after.request_id]


def send_at_once(daemon, callbacks):
    """Every connection is open and all but the last byte sent before the first copy is whole."""
    clients = [Client(daemon.address, 30, daemon.heard) for _ in callbacks]
    statuses = []
    barrier = threading.Barrier(len(clients))

    def finish(client, wire):
        barrier.wait()
        statuses.append(client.exchange(wire[-1:]).status)
        client.close()

    for client, callback in zip(clients, callbacks):
        client.send(callback.wire()[:-1])
    threads = [threading.Thread(target=finish, args=(client, callback.wire()))
               for client, callback in zip(clients, callbacks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Counter(statuses)


def test_200_copies_at_once(conf, daemon):
    hook = Hook(conf.folder, "count", 'echo "$SASHA_REQUEST_ID" >>notes')
    conf.exec_sink("count", hook.command)
    daemon.start()
    callback = daemon.callback()
    assert send_at_once(daemon, [callback] * 200) == {202: 1, 200: 199}

    after = daemon.accept()
    assert wait_ids(conf.archive, [after.request_id]) == [callback.request_id, after.request_id]
    hook.wait_notes(2)
    holds_for(lambda: len(hook.note()) == 2, 0.3, "a copy ran the hook again")
    assert set(hook.note()) == {callback.request_id, after.request_id}


def test_two_bodies_under_one_id_at_once(conf, running):
    """Both are signed. One is stored, each copy of the other is a conflict."""
    one = running.callback(make_job("one"))
    two = running.callback(make_job("two"), request_id=one.request_id)
    assert send_at_once(running, [one, two] * 20) == {202: 1, 200: 39}
    after = running.accept()
    assert wait_ids(conf.archive, [after.request_id]) == [one.request_id, after.request_id]


def test_across_restart_and_crash(conf, daemon):
    daemon.start()
    callbacks = [daemon.accept() for _ in range(5)]
    daemon.restart()
    assert [daemon.send(callback).status for callback in callbacks] == [200] * 5
    callbacks += [daemon.accept() for _ in range(5)]
    daemon.kill()
    daemon.start()
    assert [daemon.send(callback).status for callback in callbacks] == [200] * 10
    after = daemon.accept()
    wanted = [callback.request_id for callback in callbacks + [after]]
    wait_ids(conf.archive, wanted)
    assert read_ids(conf.archive) == wanted


def test_the_same_id_at_another_endpoint_is_another_delivery(conf, daemon):
    """The url is signed, so a request id counts for its endpoint alone."""
    other = conf.new_endpoint("other", "https://other.example/sasha")
    conf.endpoints.append(other)
    daemon.canaries = set(conf.canaries())
    daemon.start()
    mine = daemon.accept()
    theirs = daemon.callback(request_id=mine.request_id, secret=other.secrets[0],
                             token=other.tokens[0], url=other.public_url, target="/sasha")
    assert daemon.send(theirs).status == 202
    wait_ids(conf.archive, [mine.request_id])
