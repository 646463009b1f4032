"""A7: tokens and signatures that are missing, doubled, of the wrong case or length. Whatever is wrong,
the answer is the same, byte for byte."""

import base64
import random
from typing import List, Tuple

from harness.callback import Secret, new_request_id, sign
from harness.sinks import wait_ids
from kit.numbers import increase, outcomes
from kit.plan import count, note

TOKEN, SIGNATURE = "Authorization", "SASHA-Request-Signature"


def token_variants(token: str) -> List[Tuple[str, ...]]:
    """Values of Authorization; none of them is right."""
    swapped = [token[:i] + token[i].swapcase() + token[i + 1:] for i in range(len(token))
               if token[i].isalpha()]
    single = [
        "", "Bearer", "Bearer ", "Bearer\t" + token, token, "Basic " + token, "Bearer" + token,
        "Bearer=" + token, "Bearer: " + token, "Token " + token, "Digest " + token,
        "Bearer Bearer " + token, f'Bearer "{token}"', f"Bearer {token},", f"Bearer {token} x",
        f"Bearer {token};", f"Bearer {token[:-1]}", f"Bearer {token[1:]}", f"Bearer {token}x",
        f"Bearer x{token}", f"Bearer {token * 2}", f"Bearer {token} {token}",
        f"Bearer {token.upper()}", f"Bearer {token[::-1]}", f"Bearer {token[:8]}",
        f"Bearer {token}\xff", f"Bearer \xa0{token}", "Bearer null", "Bearer undefined",
        "Bearer true", "Bearer *", "Bearer ' OR 1=1 --", "Bearer %00", f"Bearer {token}%00",
        "Basic " + base64.b64encode(token.encode()).decode(),
        "Bearer " + base64.b64encode(token.encode()).decode(), "Bearer " + "x" * 4096,
        "Bearer " + token + "=" * 100, "B" * 8000,
    ] + ["Bearer " + each for each in swapped] + ["Bearer " + "a" * n for n in range(1, 30)]
    doubled = [(f"Bearer {token}",) * 2, (f"Bearer {token}", "Bearer x"),
               ("Bearer x", f"Bearer {token}"), ("", f"Bearer {token}"), (f"Bearer {token}",) * 3]
    return [()] + [(each,) for each in single] + doubled


def signature_variants(right: str, other: str) -> List[Tuple[str, ...]]:
    single = [
        "", right[:-1], right[1:], right + "0", "0" + right, right[:32], right * 2, right[::-1],
        "0" * 64, "f" * 64, "g" + right[1:], right[:-1] + "g", " ".join([right[:32], right[32:]]),
        "sha256=" + right, "0x" + right, "hex:" + right, f'"{right}"', right + ",", right + ";",
        right[:63] + " ", base64.b64encode(bytes.fromhex(right)).decode(), other, right[:63] + "\xff",
        "-" * 64, "\x7f".join([right]) + "\xa0", right[:62] + "%0", "x" * 4096, "None", "null",
    ] + [right[:i] + format(int(right[i], 16) ^ 1, "x") + right[i + 1:] for i in range(64)] + [
        right[:n] for n in range(1, 63, 2)]
    doubled = [(right, right), (right, other), (other, right), ("", right), (right,) * 3]
    return [()] + [(each,) for each in single] + doubled


def without_date(raw: bytes) -> bytes:
    return b"\r\n".join(line for line in raw.split(b"\r\n")
                        if not line.lower().startswith(b"date:"))


def test_every_refusal_is_the_same_bytes(conf, daemon):
    conf.log["level"] = "info"
    conf.endpoint.secrets = [Secret.base64("one", "id-1"), Secret.base64("two", "id-2")]
    daemon.canaries = set(conf.canaries())
    running = daemon.start()
    token = conf.endpoint.tokens[0]
    good = running.callback()
    right = good.get(SIGNATURE)
    other = sign(conf.endpoint.secrets[1].key, good.request_id, good.body)
    variants = [(TOKEN, values) for values in token_variants(token)]
    variants += [(SIGNATURE, values) for values in signature_variants(right, other)]
    variants += [("SASHA-Callback-Secret-ID", values) for values in
                 [("id-3",), ("id-2",), ("",), ("id-1", "id-1"), ("id-1 id-2",), ("*",)]]
    random.Random(7).shuffle(variants)
    assert len(variants) >= count("A7")
    before = outcomes(running)
    answers = set()
    for name, values in variants:
        callback = running.callback(good.body, request_id=good.request_id)
        callback.set(name, *values)
        with running.client(timeout=20) as client:
            response = client.exchange(callback.wire())
            assert response.status == 401, (name, values, response)
            answers.add(without_date(response.raw))
            # The connection goes on in the same way, too.
            again = running.callback(good.body, request_id=new_request_id()).set(TOKEN)
            assert client.exchange(again.wire()).status == 401
    assert len(answers) == 1, answers
    grown = increase(before, outcomes(running))
    assert running.send(good).status == 202
    assert wait_ids(conf.archive, [good.request_id]) == [good.request_id]
    note("A7", f"{len(variants)} variants: one answer of {len(answers.pop())} bytes; counted as "
         + ", ".join(f"{n} {reason}" for reason, n in sorted(grown.items())),
         variants=len(variants), counted=grown)


def test_what_names_the_same_proof_is_taken(running):
    """The other side: spellings that the grammar allows."""
    token = running.conf.endpoint.tokens[0]
    for value in (f"bearer {token}", f"BEARER {token}", f"Bearer   {token}", f"Bearer {token}  "):
        assert running.send(running.callback().set(TOKEN, value)).status == 202, value
    callback = running.callback()
    callback.set(SIGNATURE, callback.get(SIGNATURE).upper())
    assert running.send(callback).status == 202
