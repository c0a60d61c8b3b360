"""The checker notices each of the things it is there for."""

import pytest

from interop.torture import checker


class Said:
    """A worker that has said this."""

    def __init__(self, *events):
        self.said = events

    def events(self):
        return iter(self.said)


def transaction(label, *values, told="committed"):
    events = [{"try": label, "values": [[partition, f"{label}/{n}"] for n, partition in enumerate(values)]}]
    if told != "aborted":
        events.append({"ask": label})
    if told == "committed":
        events.append({"committed": label})
    return events


APPENDS = checker.Appends([Said(*transaction("a/0/0", 0, 1), *transaction("a/0/1", 0, told="aborted"), *transaction("b/0/0", 0, 1, told="unknown"))])
WHOLE = [(0, 0, "a/0/0/0"), (1, 0, "a/0/0/1"), (0, 3, "b/0/0/0"), (1, 2, "b/0/0/1")]


def test_finds_nothing_where_nothing_is():
    assert checker.fates(APPENDS, WHOLE) + checker.orders(WHOLE) + checker.cycles(APPENDS) == []
    assert checker.fates(APPENDS, WHOLE[:2]) == []
    assert checker.views(checker.places(WHOLE), WHOLE[1:3], "me") + checker.gaps(WHOLE, [WHOLE[0], WHOLE[2]], "me") == []


@pytest.mark.parametrize(
    "word, rows",
    [
        ("lost", WHOLE[2:]),
        ("lost", WHOLE[1:]),
        ("torn", WHOLE[:3]),
        ("2 times", [*WHOLE, (0, 9, "a/0/0/0")]),
        ("aborted read", [*WHOLE, (0, 2, "a/0/1/0")]),
        ("by nobody", [*WHOLE, (1, 9, "a/0/0/0")]),
    ],
)
def test_finds_a_wrong_fate(word, rows):
    assert any(word in each for each in checker.fates(APPENDS, rows))


def test_finds_what_is_out_of_order():
    assert checker.orders([(0, 0, "a/0/10/0"), (0, 1, "a/0/9/0")])
    assert checker.orders([(0, 0, "a/1/0/0"), (0, 1, "a/0/9/0"), (0, 2, "a/1/1/0")])
    assert checker.orders([(0, 0, "a/1/0/0"), (0, 1, "a/0/9/0"), (1, 0, "a/0/10/0"), (1, 1, "a/1/1/0")])
    assert not checker.orders([(0, 0, "a/0/9/0"), (0, 1, "a/0/10/0"), (0, 2, "a/1/0/0"), (1, 0, "a/0/0/0")])


def test_finds_what_was_read_and_is_not_there():
    assert checker.views(checker.places(WHOLE), [(0, 0, "b/0/0/0")], "me")
    assert checker.views(checker.places(WHOLE), [(0, 1, "a/0/1/0")], "me")
    assert checker.gaps(WHOLE, [WHOLE[2]], "me")
    assert checker.gaps(WHOLE, [WHOLE[2], WHOLE[0]], "me")


def test_finds_a_circle():
    circle = [{"read": "a/0/0", "rows": [[0, 0, "b/0/0/0"]]}, {"read": "b/0/0", "rows": [[0, 1, "c/0/0/0"]]}]
    assert not checker.cycles(checker.Appends([Said(*circle)]))
    assert checker.cycles(checker.Appends([Said(*circle, {"read": "c/0/0", "rows": [[0, 2, "a/0/0/0"]]})]))
    assert checker.cycles(checker.Appends([Said({"read": "a/0/0", "rows": [[0, 2, "a/0/0/0"]]})]))


@pytest.mark.parametrize(
    "word, values, end",
    [
        ("2 times", ["0:0", "0:1", "0:1"], 2),
        ("without 1 of 2", ["0:0"], 2),
        ("the offsets were not", ["0:0", "0:1"], 1),
        ("behind", ["0:1", "0:0"], 2),
    ],
)
def test_finds_a_wrong_queue(word, values, end):
    rows = [(0, n, value) for n, value in enumerate(values)]
    assert any(word in each for each in checker.queue("q", rows, {0: end}))
    assert not checker.queue("q", [(0, 0, "0:0"), (1, 0, "0:1")], {0: 2})
