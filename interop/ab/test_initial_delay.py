"""The first rebalance of a classic group, which waits for members that come a little later, against Apache Kafka.

What is to come within a delay can be too late, on a slow machine: this is seen here, by the times before it was sent and
after both had taken it, and tried again with another group.
"""

import itertools
import time

import pytest

from interop.ab.conftest import TIMED

pytestmark = [pytest.mark.xdist_group("ab-timed"), pytest.mark.timeout(300)]

DELAY_SECONDS = int(TIMED["group.initial.rebalance.delay.ms"]) / 1000
MARGIN_SECONDS = 0.05
TRIES = 10
LONG_MS = 300000
RANGE = [{"Name": "range", "Metadata": b"\0\0\0\0\0\1\0\1t\xff\xff\xff\xff"}]
REQUIRED = 79
names = (f"delayed-{n}" for n in itertools.count())


class Late(Exception):
    """Something that was to come within the delay may have come after it."""


@pytest.fixture(autouse=True)
def _afresh(timed):
    yield
    timed.forget()


def join(timed, group, version=3, **more):
    return timed.send(
        "JoinGroup", version, GroupId=group, SessionTimeoutMs=LONG_MS, RebalanceTimeoutMs=LONG_MS, ProtocolType="consumer",
        Protocols=RANGE, **{"MemberId": "", **more},
    )


def joins_until(timed, deadline, group):
    """One more, whom both have taken before the deadline."""
    flight = join(timed, group)
    timed.settle()
    if time.monotonic() >= deadline - MARGIN_SECONDS:
        raise Late
    return flight


def answered(timed, *flights):
    """The generation, and how many members it has."""
    timed.settle_until(lambda: all(each.done for each in flights), "the rebalance ends")
    found = [each.found[0] for each in flights]
    assert not any(each["ErrorCode"] for each in found)
    return {each["GenerationId"] for each in found}, max(len(each["Members"]) for each in found)


def in_time(timed, scene):
    for _ in range(TRIES):
        try:
            return scene(next(names))
        except Late:
            timed.forget()
    return pytest.skip("NOT TESTED, this machine was always too late")


def test_new_members_draw_it_out(timed):
    """The third comes when the first delay is over, but not the second, which there is for the second member's sake."""

    def scene(group):
        start = time.monotonic()
        flights = [joins_until(timed, start + DELAY_SECONDS, group) for _ in range(2)]
        time.sleep(DELAY_SECONDS)
        return answered(timed, *flights, joins_until(timed, start + 2 * DELAY_SECONDS, group))

    assert in_time(timed, scene) == ({1}, 3)


def test_an_id_that_was_given_out_does_not(timed):
    group = next(names)
    first = join(timed, group)
    asks = {"GroupId": group, "SessionTimeoutMs": LONG_MS, "RebalanceTimeoutMs": LONG_MS, "ProtocolType": "consumer", "Protocols": RANGE}
    assert timed.ask("JoinGroup", 4, MemberId="", **asks)["ErrorCode"] == REQUIRED
    assert answered(timed, first) == ({1}, 1)


def test_a_group_that_is_empty_again_waits_again(timed):
    def scene(group):
        flight = join(timed, group)
        assert answered(timed, flight) == ({1}, 1)
        assert timed.ask("LeaveGroup", 2, GroupId=group, MemberId=timed.member(flight.found[0]["MemberId"]))["ErrorCode"] == 0
        start = time.monotonic()
        return answered(timed, *(joins_until(timed, start + DELAY_SECONDS, group) for _ in range(2)))

    assert in_time(timed, scene) == ({3}, 2)
