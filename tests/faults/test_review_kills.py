"""SIGKILL of a review's server while two pages decide: what was acknowledged is on disk, once."""

import http.client
import random
import re
import subprocess
import sys
import threading
import time

import pytest

import small_audit
from dull_jax.audit import decisions
from review_client import Client

KILLS = 10
HALF = 90  # rows of each page
OPEN = -1  # beside class numbers


def start(folder):
    command = [sys.executable, "-m", "dull_jax.review", f"--audit={folder}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    return process, Client(re.fullmatch(r"review: (\S+)\n", process.stdout.readline())[1])


def decide_until_killed(client, first, chance, known):
    """Random decisions of rows from `first` on; `known`: row -> classes that it may have now."""
    while True:
        row, label = first + chance.randrange(HALF), chance.randrange(len(small_audit.NAMES))
        before = known.get(row, {OPEN})
        known[row] = before | {label}  # until there is a reply either may count
        try:
            reply = client.decide(row, label)
        except (OSError, http.client.HTTPException):
            return
        assert reply.status == 200
        known[row] = {label}


@pytest.mark.faults
def test_ten_kills_while_two_pages_decide(tmp_path, tally):
    folder, known = small_audit.make(tmp_path), {}
    for trial in range(KILLS):
        with tally.trial("SIGKILL of a review while two pages decide"):
            process, client = start(folder)
            pages = [
                threading.Thread(
                    target=decide_until_killed,
                    args=(client, first, random.Random(trial + first), known),
                )
                for first in (0, HALF)
            ]
            for page in pages:
                page.start()
            time.sleep(random.Random(trial).uniform(0.1, 0.6))
            process.kill()
            for page in pages:
                page.join()
            check(folder / "decisions.csv", known)


def check(path, known):
    """And narrows `known` down to what the file says."""
    standing = decisions.current(decisions.read(path))
    assert all(len(stack) == 1 for stack in standing.values())
    for row, labels in known.items():
        stack = standing.get(f"id{row:03d}")
        found = small_audit.NAMES.index(stack[0].decision) if stack else OPEN
        assert found in labels
        known[row] = {found}
