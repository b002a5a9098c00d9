"""The review's replies, from a server on this machine."""

import io

import numpy as np
import pytest
from PIL import Image

import small_audit
from dull_jax.audit import saved
from review_client import Client, serving


@pytest.fixture(scope="module")
def audit(audit_folder):
    return saved.read(audit_folder)


def item(client, **query):
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    return client.get(f"api/item?{asked}").json["item"]


def test_page_and_its_parts(reader):
    page = reader.get()
    assert page.status == 200 and "runs/a" in page.body.decode()
    assert reader.get("page/review.html").status == reader.get("page/nothing.js").status == 404


def test_classes_are_text(reader):
    assert reader.get("api/classes").json["classes"] == list(small_audit.NAMES)


def test_first_item(reader, audit):
    first, row = item(reader, seek="open"), int(audit.listed[0])
    assert (first["position"], first["row"], first["verdict"]) == (0, row, "wrong")
    assert first["given"] == audit.given[row] and first["suggested"] == audit.suggested[row]
    assert first["p_wrong"] == pytest.approx(audit.p_wrong[row]) and first["has_image"]
    assert first["candidates"] == audit.candidates[row].tolist()
    assert [near["row"] for near in first["neighbours"]] == audit.neighbours[row].tolist()
    assert first["ahead"] == audit.listed[1:4].tolist()
    assert first["decision"] is first["twin"] is None


def test_hostile_names_are_data(reader):
    hostile = item(reader, row=0)
    assert hostile["path"] == small_audit.HOSTILE
    assert reader.get("api/item?row=0").headers["content-type"] == "application/json"


def test_order_of_the_page(reader, audit):
    rows = [item(reader, position=n)["row"] for n in range(5)]
    assert rows == audit.listed[:5].tolist()
    assert item(reader, position=len(audit.listed)) is None
    assert item(reader, verdict="rest", position=0)["verdict"] == ""


def test_decided_items_keep_their_place(client, audit):
    row = int(audit.listed[0])
    assert client.decide(row, 3).json == {
        "ok": True,
        "decision": {"kind": "class", "class": 3},
        "undo": 1,
    }
    assert item(client, position=0)["decision"] == {"kind": "class", "class": 3}
    assert item(client, seek="open")["position"] == 1
    assert item(client, seek="open", position=len(audit.listed) - 1)["position"] == 26
    assert item(client, seek="back", position=0) is None
    assert item(client, seek="back", position=7)["position"] == 7
    client.decide(int(audit.listed[5]), "skip")
    assert item(client, seek="skipped")["position"] == 5
    row = int(audit.listed[6])
    assert client.decide(row, "remove").json["decision"] == {"kind": "remove"}
    assert item(client, row=row)["decision"] == {"kind": "remove"}
    for n in audit.listed.tolist():
        client.decide(n, "none")
    assert item(client, seek="open") is None and item(client, position=2)["ahead"] == []


def test_item_by_row(reader):
    assert item(reader, row=small_audit.DUPLICATE, verdict="duplicate")["position"] == 0
    assert item(reader, row=small_audit.DUPLICATE, verdict="leak")["position"] is None


def test_twins(reader):
    copy = item(reader, verdict="duplicate", position=0)["twin"]
    assert copy["row"] == small_audit.DUPLICATE - 20 and copy["label"] == "apple"
    leak = item(reader, verdict="leak", position=0)["twin"]
    assert leak["row"] == -1 and leak["label"] == ""
    for twin in (copy, leak):
        assert reader.get(twin["image"]).headers["content-type"] == "image/jpeg"


def test_overview(client, audit):
    row = int(audit.listed[0])
    client.decide(row, int(audit.suggested[row]))
    client.decide(int(audit.listed[1]), int(audit.given[audit.listed[1]]))
    client.decide(int(audit.listed[2]), "skip")
    seen = client.get("api/overview").json
    assert (seen["total"], seen["decided"], seen["skipped"], seen["undo"]) == (27, 3, 1, 3)
    assert seen["counted"] == {"decided": 2, "wrong": 1}
    assert seen["estimated_precision"] == pytest.approx(
        audit.summary["estimated"]["all"]["precision"]
    )
    counts = seen["counts"]
    assert sum(counts["group"].values()) == 27 and sum(counts["verdict"].values()) == 188
    given, suggested, count = counts["pairs"][0]
    filtered = client.get(f"api/overview?given={given}&suggested={suggested}").json
    assert filtered["total"] == count and seen["audit"] == audit.digest


def test_undone(client, audit):
    first, second = map(int, audit.listed[:2])
    client.decide(first, 1)
    client.decide(second, "none")
    assert client.post("api/undo", {}).json == {"row": second, "decision": None, "undo": 1}
    assert client.post("api/undo", {"undo": 2}).status == 409  # a retry: it is undone
    assert client.post("api/undo", {"undo": 1}).json["row"] == first
    assert client.post("api/undo", {}).json == {"row": None, "decision": None, "undo": 0}


def test_examples_and_pictures(reader):
    rows = reader.get("api/examples?class=1").json["rows"]
    assert 0 < len(rows) <= 12
    thumb = Image.open(io.BytesIO(reader.get(f"thumb/{rows[0]}").body))
    large = reader.get(f"image/{rows[0]}")
    assert thumb.size == (160, 120) and Image.open(io.BytesIO(large.body)).size == (320, 240)
    assert large.headers["cache-control"] == "private, max-age=3600"


BAD = {
    "api/item?position=-1": 400,
    "api/item?position=x": 400,
    "api/item?position=99999999999999": 400,
    "api/item?position=%D9%A3": 400,  # an Arabic digit
    "api/item?seek=x": 400,
    "api/item?order=x": 400,
    "api/item?verdict=x": 400,
    "api/item?group=x": 400,
    "api/item?given=7": 404,
    "api/item?row=188": 404,
    "api/examples?class=": 404,
    "api/examples": 404,
    "image/188": 404,
    "image/twin/30": 404,
    "image/1.5": 404,
    "thumb/" + "9" * 5000: 404,
    "api/": 404,
    "api/item/": 404,
    "api/decide": 405,
}


@pytest.mark.parametrize("path", BAD, ids=lambda path: path[:30])
def test_bad_questions(reader, path):
    reply = reader.get(path)
    assert reply.status == BAD[path] and list(reply.json) == ["error"]


GOOD = {"kind": "none"}
BAD_DECISIONS = [
    (b"", 400), (b"{", 400), (b"[]", 400), (b"\xff", 400), (b"[" * 5000, 400),
    (b" " * 20_000 + b"{}", 413),
    ({}, 404), ({"row": -1, "decision": GOOD}, 404), ({"row": 188, "decision": GOOD}, 404),
    ({"row": "0", "decision": GOOD}, 404), ({"row": True, "decision": GOOD}, 404),
    ({"row": 1.0, "decision": GOOD}, 404), ({"row": 0}, 400), ({"row": 0, "decision": "none"}, 400),
    ({"row": 0, "decision": {"kind": "[undo]"}}, 400),
    ({"row": 0, "decision": {"kind": "class", "class": 7}}, 400),
    ({"row": 0, "decision": {"kind": "class", "class": -2}}, 400),
    ({"row": 0, "decision": {"kind": "class", "class": True}}, 400),
]  # fmt: skip


@pytest.mark.parametrize("sent, status", BAD_DECISIONS)
def test_bad_decisions(reader, audit_folder, sent, status):
    assert reader.post("api/decide", sent).status == status
    assert not (audit_folder / "decisions.csv").exists()


def test_bad_undo(reader):
    assert reader.post("api/undo", {"undo": "1"}).status == 400
    assert reader.post("api/undo", []).status == 400


def test_images_in_an_array(own_audit):
    with np.load(own_audit / "audit.npz") as arrays:
        kept = {name: arrays[name] for name in arrays.files}
    nowhere = {name: np.full(len(kept[name]), "") for name in ("files", "twin_files")}
    np.savez(own_audit / "audit.npz", **(kept | nowhere))
    shots = np.random.default_rng(0).integers(0, 256, (188, 8, 6, 1), np.uint8)
    np.save(own_audit / "pictures.npy", shots)
    with serving(own_audit) as page:
        client = Client(page.address)
        for path in ("image/3", "thumb/3"):
            reply = client.get(path)
            assert reply.headers["content-type"] == "image/png"
            pixels = np.asarray(Image.open(io.BytesIO(reply.body)))
            np.testing.assert_array_equal(pixels, shots[3, ..., 0])
        leak = item(client, verdict="leak", position=0)["twin"]
        assert leak == {"row": -1, "label": "", "image": ""}
        copy = item(client, verdict="duplicate", position=0)["twin"]
        assert client.get(copy["image"]).status == 200


def test_what_was_decided_elsewhere_is_not_overruled_unseen(client):
    skipped, chosen = {"kind": "skip"}, {"kind": "class", "class": 2}
    client.decide(5, "skip")
    asked = {"row": 5, "decision": chosen, "before": None}
    assert client.post("api/decide", asked).status == 409
    assert client.post("api/decide", asked | {"decision": skipped}).status == 200  # a retry
    assert client.post("api/decide", asked | {"before": "skip"}).status == 400
    assert client.post("api/decide", asked | {"before": skipped}).json["decision"] == chosen
    assert client.post("api/decide", asked).status == 200
