"""The sealed box opens for one key, minion and cluster, once, and says why when it does not."""

import base64
import json

import pytest

from k8s_lifecycle.cluster import sealing

NOW = 1_000_000
LABEL = sealing.Label("dc1-w-1", "dc1-prod", "worker", NOW + 600)


@pytest.fixture
def private():
    return sealing.new_private_key()


@pytest.fixture
def box(private):
    return sealing.seal(b"the message", sealing.public_key(private), LABEL)


def unseal(box, private, minion="dc1-w-1", cluster="dc1-prod", now=NOW):
    return sealing.unseal(box, private, minion, cluster, now)


def edited(box, change):
    content = json.loads(base64.b64decode(box))
    change(content)
    return base64.b64encode(json.dumps(content).encode()).decode()


def test_opens_with_the_key_it_was_sealed_to(box, private):
    assert unseal(box, private) == (b"the message", LABEL)


def test_shows_nothing_of_the_message(box):
    assert b"the message" not in base64.b64decode(box)


def test_two_boxes_of_one_message_differ(private):
    public = sealing.public_key(private)
    assert sealing.seal(b"x", public, LABEL) != sealing.seal(b"x", public, LABEL)


def test_another_key_does_not_open_it(box):
    with pytest.raises(sealing.SealError, match="another key"):
        unseal(box, sealing.new_private_key())


def test_refuses_another_minion(box, private):
    with pytest.raises(sealing.SealError, match="admits dc1-w-1, this is dc1-w-2"):
        unseal(box, private, minion="dc1-w-2")


def test_refuses_another_cluster(box, private):
    with pytest.raises(sealing.SealError, match="cluster dc1-prod, this server asked to join dc1-test"):
        unseal(box, private, cluster="dc1-test")


def test_opens_a_little_after_its_time_for_clocks_that_differ(box, private):
    assert unseal(box, private, now=NOW + 600 + sealing.CLOCK_SKEW)


def test_refuses_an_expired_box(box, private):
    with pytest.raises(sealing.SealError, match="expired 601 s ago"):
        unseal(box, private, now=NOW + 1201)


@pytest.mark.parametrize(
    ("field", "value"), [("role", "control-plane"), ("expires", NOW + 9999), ("minion", "dc1-w-2")]
)
def test_a_relabelled_box_does_not_open(box, private, field, value):
    relabelled = edited(box, lambda content: content["label"].update({field: value}))
    with pytest.raises(sealing.SealError, match="changed on its way"):
        unseal(relabelled, private, minion=value if field == "minion" else "dc1-w-1")


def test_a_label_for_another_purpose_is_refused(box, private):
    other = edited(box, lambda content: content["label"].update(purpose="back-up"))
    with pytest.raises(sealing.SealError, match="for 'back-up'"):
        unseal(other, private)


def test_a_changed_message_does_not_open(box, private):
    def flip(content):
        sealed = bytearray(base64.b64decode(content["sealed"]))
        sealed[0] ^= 1
        content["sealed"] = base64.b64encode(bytes(sealed)).decode()

    with pytest.raises(sealing.SealError, match="changed on its way"):
        unseal(edited(box, flip), private)


def test_a_sender_key_of_zeros_is_refused(box, private):
    zeros = edited(box, lambda content: content.update(sender=base64.b64encode(bytes(32)).decode()))
    with pytest.raises(sealing.SealError, match="another key, or changed"):
        unseal(zeros, private)


@pytest.mark.parametrize(
    "rubbish", ["", "x", "!!", base64.b64encode(b"[]").decode(), base64.b64encode(b"{}").decode()]
)
def test_rubbish_is_no_box(rubbish, private):
    with pytest.raises(sealing.SealError, match="no sealed box"):
        unseal(rubbish, private)


def test_part_of_a_box_is_no_box(box, private):
    with pytest.raises(sealing.SealError, match="no sealed box"):
        unseal(box[: len(box) // 2], private)


@pytest.mark.parametrize("public", ["", "abc", "!!", base64.b64encode(b"short").decode()])
def test_sealing_to_no_key_is_refused(public):
    with pytest.raises(sealing.SealError, match="no X25519 public key"):
        sealing.seal(b"x", public, LABEL)
