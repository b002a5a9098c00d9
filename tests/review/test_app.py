"""The review's replies, from a server on this machine."""

import json
import urllib.request


def test_page_is_served(page):
    with urllib.request.urlopen(page.address) as reply:
        assert b"runs/a" in reply.read()
    with urllib.request.urlopen(page.address + "api/item?seek=open") as reply:
        assert json.load(reply)["item"]["row"] == 4
