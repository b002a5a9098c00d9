"""The page of a review in a real browser: by keyboard alone, narrow and wide, light and dark."""

import errno
import time

import pytest
from browser_reader import Reader

from dull_jax.audit import decisions
from dull_jax.review import access
from dull_jax.review.session import Session
from review_client import Client, serving
from small_audit import HOSTILE, NAMES

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

WIDE, NARROW = (1280, 800), (390, 844)
NO_REPLY = "ERR_CONNECTION_REFUSED"


@pytest.fixture
def reader_of(browser):
    """A function that opens a review; what its console says at the end fails the test."""
    readers = []

    def start(page, size=WIDE, scheme="light", fragment="", **options):
        options["viewport"] = {"width": size[0], "height": size[1]}
        options["color_scheme"] = scheme
        readers.append(Reader(browser.new_context(**options), page.address))
        return readers[-1].open(fragment)

    yield start
    unexpected = [reader.unexpected() for reader in readers]
    for reader in readers:
        reader.page.context.close()
    assert not any(unexpected), unexpected


def decided(page):
    """What stands in the file: id -> decision."""
    stacks = decisions.current(decisions.read(page.session.path))
    return {key: stack[-1].decision for key, stack in stacks.items()}


def written(page):
    return [row.decision for row in decisions.read(page.session.path)]


def item(client, position, view=""):
    return client.get(f"api/item?{view}&position={position}").json["item"]


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_whole_loop_by_keyboard(page, client, reader_of, size):
    items = [item(client, place) for place in range(7)]
    reader = reader_of(page, size)
    for place, keys in enumerate((("a",), ("k",), ("/", *"sky", "Enter"), ("2",), ("n",), ("s",))):
        assert reader.decide(*keys) == items[place]["row"]
    assert "6 of " in reader.text("#far")
    expected = (
        NAMES[items[0]["suggested"]],
        NAMES[items[1]["given"]],
        "sky",
        NAMES[items[3]["candidates"][1]],
        decisions.NONE,
        decisions.SKIP,
    )
    ids = [found["id"] for found in items]
    assert decided(page) == dict(zip(ids[:6], expected, strict=True))
    reader.press("u")
    assert reader.shows(items[5]["row"])
    reader.press("Control+z")
    assert reader.shows(items[4]["row"])
    assert decided(page) == dict(zip(ids[:4], expected[:4], strict=True))
    reader.press("p")
    assert reader.shows(items[3]["row"]) and expected[3] in reader.text("#decided")
    reader.press("ArrowRight")
    assert reader.shows(items[4]["row"])
    reader.decide("Enter")
    assert decided(page)[ids[4]] == NAMES[items[4]["suggested"]]
    assert reader.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_a_copy_is_removed_by_its_button_or_key(page, reader_of, size):
    reader = reader_of(page, size)
    assert not reader.page.is_visible(".remove")  # of an ordinary suspect
    reader.open("#verdict=duplicate")
    assert reader.page.is_visible(".remove")
    assert reader.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    row = reader.row
    reader.page.click(".remove")
    reader.page.wait_for_selector("#closing:not([hidden])")
    assert written(page) == [decisions.REMOVE]
    reader.open("#verdict=leak")
    assert reader.row != row
    reader.press("r")
    reader.page.wait_for_selector("#closing:not([hidden])")
    assert written(page) == 2 * [decisions.REMOVE]
    reader.open("#verdict=duplicate&position=0")
    assert "removed" in reader.text("#decided")


def test_dialogs_take_the_focus_and_give_it_back(page, reader_of):
    reader = reader_of(page)
    focused = "document.activeElement.closest('dialog')?.id ?? document.activeElement.dataset.do"
    reader.page.focus("[data-do=skip]")
    for key, name in (("c", "chooser"), ("?", "help"), ("o", "filters"), ("e", "examples")):
        reader.press(key)
        reader.page.wait_for_selector(f"#{name}[open]")
        assert reader.page.evaluate(focused) == name
        if name != "chooser":
            reader.press("k")  # decides only beside the examples
        if name == "examples":
            reader.page.wait_for_function("() => !document.querySelector('dialog[open]')")
            break
        reader.press("Escape")
        assert reader.page.evaluate(focused) == "skip"
    reader.wait_said("Saved")
    assert len(written(page)) == 1


def test_all_is_in_view_on_a_desktop(page, reader_of):
    reader = reader_of(page)
    assert reader.page.evaluate(
        """() => [...document.querySelectorAll('button, #near li, figure')]
          .filter(e => e.offsetParent && !e.closest('dialog'))
          .every(e => {const b = e.getBoundingClientRect();
                       return b.top >= 0 && b.left >= 0 && b.right <= 1280 && b.bottom <= 800;})"""
    )


def test_buttons_are_large_enough_for_fingers(page, reader_of):
    reader = reader_of(page, NARROW, has_touch=True, is_mobile=True)
    small = reader.page.evaluate(
        """() => [...document.querySelectorAll('.actions button')]
          .map(e => e.getBoundingClientRect()).filter(b => b.width)
          .filter(b => b.width < 44 || b.height < 44 || b.bottom > innerHeight).length"""
    )
    assert small == 0
    row = reader.row
    reader.page.tap(".keep")
    reader.wait_said("Saved")
    assert reader.row != row and len(written(page)) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page, client, reader_of, scheme):
    reader = reader_of(page, WIDE if scheme == "light" else NARROW, scheme)
    background = reader.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(245, 247, 249)" if scheme == "light" else "rgb(14, 19, 26)")
    checked = axe.Axe()
    for key, name in (
        ("", "item"),
        *zip("c?oe", ("chooser", "help", "filters", "examples"), strict=True),
    ):
        if key:
            reader.press(key)
            reader.page.wait_for_selector(f"#{name}[open]")
        result = checked.run(reader.page)
        assert not result.violations_count, f"{name}: {result.generate_report()}"
        reader.press("Escape")
    decide_all(client)
    reader.open(wait="#closing:not([hidden])")
    result = checked.run(reader.page)
    assert not result.violations_count, result.generate_report()


def decide_all(client):
    for place in range(client.get("api/overview").json["total"]):
        client.decide(item(client, place)["row"], "skip" if place < 2 else 0)


def test_the_end_says_what_comes_next(own_audit, reader_of):
    command = "python -m dull_jax.audit --run=runs/a --decisions=x.csv"
    with serving(own_audit, command=command) as page:
        decide_all(Client(page.address))
        reader = reader_of(page, fragment="#position=0")  # decided, but the place that was kept
        reader.open(wait="#closing:not([hidden])")
        assert command in reader.text("#closing")
        reader.page.get_by_text("Look at the 2 skipped").click()
        assert reader.row is not None and "skipped" in reader.text("#decided")
        assert "Skip" in reader.text(".chosen") and reader.page.locator(".chosen").count() == 1
        reader.open("#verdict=leak&given=0&suggested=6", wait="#closing:not([hidden])")
        assert "Nothing matches" in reader.text("#closing")


def test_a_server_that_is_gone_loses_nothing(own_audit, reader_of, monkeypatch):
    monkeypatch.setattr(access, "new_token", lambda: "the-same-token")
    with serving(own_audit) as page:
        reader = reader_of(page)
        reader.expected = [NO_REPLY]
        first, second = reader.decide("a"), reader.row
        port = page.socket.getsockname()[1]
    reader.press("k")
    reader.page.wait_for_selector("#problem:not([hidden])")
    assert "Not saved" in reader.text("#problem") and reader.row == second != first
    reader.press("j")  # nor does it move on
    reader.wait_said("")
    assert reader.row == second and len(written(page)) == 1
    with serving(own_audit, port=port) as page:
        reader.page.focus("#again")
        reader.press("Enter")
        reader.page.wait_for_selector("#problem", state="hidden")
        third = reader.row
        assert third not in (first, second) and len(written(page)) == 2
        assert reader.open().shows(third)


def test_a_full_disk_is_said_and_stays(page, reader_of, monkeypatch):
    reader = reader_of(page)
    reader.expected = ["507"]
    row = reader.row

    def full(file, rows):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(decisions, "add", full)
        reader.press("a")
        reader.page.wait_for_selector("#problem:not([hidden])")
    assert "No space left" in reader.text("#problem") and reader.row == row
    reader.press("j")
    reader.page.wait_for_selector(f'#item[aria-busy=false]:not([data-row="{row}"])')
    assert reader.page.is_visible("#problem")
    reader.press("k")
    reader.wait_said("First try again")
    reader.page.click("#again")
    reader.wait_said("Saved")
    assert len(written(page)) == 1 and not reader.page.is_visible("#problem")


def test_two_pages_do_not_overrule_each_other(page, reader_of):
    one, two = reader_of(page), reader_of(page)
    two.expected = ["409"]
    row = one.decide("a")
    two.press("k")
    two.wait_said("Changed elsewhere")
    assert two.row == row and len(written(page)) == 1
    two.decide("k")  # now it is meant
    assert len(written(page)) == 3
    two.decide("s")
    one.press("u")
    one.expected = ["409"]
    one.wait_said("Nothing was taken back")
    one.open("#position=3")
    two.open("#position=3").decide("n")
    one.page.evaluate("dispatchEvent(new Event('focus'))")
    one.wait_said("Changed elsewhere as none of the classes")


def test_keys_while_a_decision_is_under_way_do_nothing(page, reader_of, monkeypatch):
    decide = Session.decide

    def slow(*args):
        time.sleep(0.3)
        return decide(*args)

    monkeypatch.setattr(Session, "decide", slow)
    reader = reader_of(page)
    row = reader.row
    reader.press("a", "k", "n")
    reader.wait_said("Still saving")
    reader.wait_said("Saved")
    assert reader.row != row and len(written(page)) == 1


def test_a_picture_must_be_there_before_it_is_decided(page, reader_of):
    reader = reader_of(page)
    held = []
    reader.page.route(f"**/image/{reader.row}", lambda route: held.append(route))
    reader.page.reload()
    reader.page.wait_for_selector("#item[aria-busy=true]:not([hidden])")
    reader.press("a")
    reader.wait_said("not there yet")
    assert not page.session.path.exists()
    reader.expected = ["ERR_FAILED"]
    held[0].abort()
    reader.page.wait_for_selector(".no-picture")
    reader.decide("a")


def test_names_are_text(page, client, reader_of):
    rows = client.get("api/item?given=1&position=0").json
    assert rows["item"]
    reader = reader_of(page, NARROW, fragment="#given=1")
    assert reader.text("#given") == NAMES[1] and "<b>" in NAMES[1]
    assert reader.page.locator("#given b").count() == 0
    found = client.get("api/item?row=0").json["item"]
    reader.open(f"#position={found['position']}")
    assert HOSTILE in reader.text("#picture figcaption")
    assert reader.page.locator("script").count() == 1
    reader.press("c", "b")
    assert NAMES[1] in reader.text("#found")


def test_filters_are_in_the_address(page, reader_of):
    reader = reader_of(page)
    reader.press("o")
    reader.page.select_option("[name=verdict]", "wrong")
    reader.page.select_option("[name=order]", "gain")
    reader.page.wait_for_function(
        "() => location.hash.includes('gain') && location.hash.includes('wrong')"
    )
    reader.press("Escape", "j")
    reader.page.wait_for_function("() => location.hash.includes('position=1')")
    row = reader.row
    reader.page.reload()
    assert reader.shows(row) and "wrong" in reader.text("#filtered")
    reader.expected = ["404"]
    reader.open("#given=999&position=4")  # of another audit
    assert reader.text("#filtered") == "Filters"


def test_a_thousand_classes(page, reader_of):
    reader = reader_of(page)
    names = [*NAMES, *(f"kind {n:04d}" for n in range(1200))]
    reader.page.route("**/api/classes?", lambda route: route.fulfill(json={"classes": names}))
    reader.open().press("c")
    assert reader.page.locator("#found [role=option]").count() == 1000
    reader.press(*"0081", "Backspace", "ArrowDown", "ArrowDown", "ArrowUp")
    assert reader.text("#found [aria-selected=true]") == "kind 0081"


def test_small_pictures_show_their_pixels(page, reader_of):
    reader = reader_of(page)
    smooth = "getComputedStyle(document.querySelector('#picture img')).imageRendering"
    assert reader.page.evaluate(smooth) == "auto"
    dot = '<svg xmlns="http://www.w3.org/2000/svg" width="32" height="32"/>'
    reply = {"body": dot, "content_type": "image/svg+xml"}
    reader.page.route("**/image/*", lambda route: route.fulfill(**reply))
    reader.open("#position=5")
    assert reader.page.evaluate(smooth) == "pixelated"
