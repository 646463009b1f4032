"""Rotation: several secrets enabled at once, told apart by id or by trial, swapped by reload."""

import pytest
from harness.callback import Secret

OLD_ID, NEW_ID = "177F01DA-34F2-4318-9763-B73876FDD7FA", "299F01DA-34F2-4318-9763-B73876FDD7FB"


def with_secrets(daemon, *secrets):
    daemon.conf.endpoint.secrets = list(secrets)
    daemon.canaries |= set(daemon.conf.canaries())
    return daemon


def test_by_id(daemon):
    old, new = Secret.base64("old", OLD_ID), Secret.hex("new", NEW_ID)
    with_secrets(daemon, old, new).start()
    daemon.accept(secret=old)
    daemon.accept(secret=new)
    crossed = daemon.callback(secret=old).set("SASHA-Callback-Secret-ID", NEW_ID)
    assert daemon.send(crossed).status == 401


def test_by_trial_when_no_header_comes(daemon):
    old, new = Secret.base64("old", OLD_ID), Secret.hex("new", NEW_ID)
    with_secrets(daemon, old, new).start()
    daemon.accept(secret=old, send_id=False)
    daemon.accept(secret=new, send_id=False)
    assert daemon.send(daemon.callback(secret=Secret.base64("x"))).status == 401


def test_secrets_without_ids_are_tried_for_an_unknown_id(daemon):
    old, new = Secret.base64("old"), Secret.hex("new")
    with_secrets(daemon, old, new).start()
    for secret in (old, new):
        daemon.accept(secret=secret)
        callback = daemon.callback(secret=secret).set("SASHA-Callback-Secret-ID", NEW_ID)
        assert daemon.send(callback).status == 202


def test_mixed(daemon):
    """The id picks its own secret; any other id falls to those without one."""
    named, nameless = Secret.base64("named", OLD_ID), Secret.hex("nameless")
    with_secrets(daemon, named, nameless).start()
    daemon.accept(secret=named)
    daemon.accept(secret=nameless)
    unknown = daemon.callback(secret=nameless).set("SASHA-Callback-Secret-ID", NEW_ID)
    assert daemon.send(unknown).status == 202
    wrong = daemon.callback(secret=nameless).set("SASHA-Callback-Secret-ID", OLD_ID)
    assert daemon.send(wrong).status == 401
    wrong = daemon.callback(secret=named).set("SASHA-Callback-Secret-ID", NEW_ID)
    assert daemon.send(wrong).status == 401


def test_whole_rotation_by_reload(daemon):
    old, new = Secret.base64("old", OLD_ID), Secret.base64("new", NEW_ID)
    with_secrets(daemon, old).start()
    daemon.accept(secret=old)
    assert daemon.send(daemon.callback(secret=new)).status == 401

    with_secrets(daemon, old, new).reload()
    daemon.accept(secret=old)
    daemon.accept(secret=new)

    with_secrets(daemon, new).reload()
    assert daemon.send(daemon.callback(secret=old)).status == 401
    daemon.accept(secret=new)


def test_a_secret_file_is_read_again_on_reload(daemon):
    """Same conf, new content: the way to rotate without a restart."""
    daemon.start()
    old, new = daemon.conf.endpoint.secrets[0], Secret.base64()
    daemon.accept(secret=old)
    with_secrets(daemon, new).reload()
    assert daemon.send(daemon.callback(secret=old)).status == 401
    daemon.accept(secret=new)


@pytest.mark.parametrize("source", ["credential", "env", "value"])
def test_other_sources(conf, daemon, source):
    secret = conf.endpoint.secrets[0]
    conf.write()
    text = conf.path.read_text()
    file_source = f"file:{conf.secret_folder}/main-current"
    assert file_source in text
    if source == "credential":
        daemon.env["CREDENTIALS_DIRECTORY"] = str(conf.secret_folder)
        other = "credential:main-current"
    elif source == "env":
        daemon.env["MY_SECRET"] = secret.text
        other = "env:MY_SECRET"
    else:
        other = f"value:{secret.text}"
    conf.render = lambda: text.replace(file_source, other)
    daemon.start()
    daemon.accept()
