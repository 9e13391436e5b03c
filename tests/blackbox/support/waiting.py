"""Waiting for conditions instead of sleeping."""

import time


def wait_until(predicate, timeout=10.0, what="the condition", interval=0.01):
    """Polls until `predicate` returns something true, and returns that; fails the test after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {timeout} s")
        time.sleep(interval)


def wait_until_steady(sample, quiet=0.3, timeout=20.0, what="the value"):
    """Polls `sample` until its value has not changed for `quiet` seconds; returns the value."""
    deadline = time.monotonic() + timeout
    last, since = sample(), time.monotonic()
    while time.monotonic() - since < quiet:
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} was not steady within {timeout} s")
        time.sleep(0.02)
        value = sample()
        if value != last:
            last, since = value, time.monotonic()
    return last
