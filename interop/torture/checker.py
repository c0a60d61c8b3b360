"""What is wrong with what was read, given what the workers know: nothing, if transactions are what they claim to be.

Appends: `Told` is what became of a transaction to its producer's knowledge: "committed", "aborted" when it never asked for
the commit, else "unknown". Queues: their inputs are known, so what was moved follows from the group's offsets.
"""

import collections
import itertools


class Appends:
    """All that appenders said."""

    def __init__(self, workers):
        self.values, self.told, self.reads = {}, {}, {}
        for worker in workers:
            for event in worker.events():
                self._note(event)

    def _note(self, event):
        if "try" in event:
            self.values[event["try"]] = [tuple(each) for each in event["values"]]
            self.told[event["try"]] = "aborted"
        elif "ask" in event:
            self.told[event["ask"]] = "unknown"
        elif "committed" in event:
            self.told[event["committed"]] = "committed"
        elif "read" in event:
            self.reads[event["read"]] = [tuple(each) for each in event["rows"]]

    def outcomes(self):
        return dict(collections.Counter(self.told.values()))


def label_of(value):
    return value.rsplit("/", 1)[0]


def order_of(value):
    """(transactional id, incarnation, position among all that this has written)"""
    name, incarnation, count, place = value.split("/")
    return name, incarnation, (int(count), int(place))


def fates(appends, rows):
    """Lost, aborted, torn, doubled and misplaced values. `rows` is all that was read in the end: (partition, offset, value)."""
    seen = collections.Counter((partition, value) for partition, _, value in rows)
    wrong = [f"{value} was read {count} times" for (_, value), count in seen.items() if count > 1]
    known = {each for values in appends.values.values() for each in values}
    wrong += [f"{value} in partition {partition} was written by nobody" for partition, value in seen if (partition, value) not in known]
    for label, values in appends.values.items():
        there, told = [each in seen for each in values], appends.told[label]
        if told == "committed" and not all(there):
            wrong.append(f"lost: {label} was committed: {values}, {there}")
        if told == "aborted" and any(there):
            wrong.append(f"aborted read: {label} was not committed: {values}, {there}")
        if len(set(there)) > 1:
            wrong.append(f"torn: {label}: {values}, {there}")
    return wrong


def orders(rows):
    """What an incarnation wrote is in its order; and one that came after another under the same id came after all of it."""
    last, ends, wrong = {}, {}, []
    for partition, _, value in rows:
        name, incarnation, at = order_of(value)
        if last.get((partition, name, incarnation), at) > at:
            wrong.append(f"{value} in partition {partition} stands behind {last[partition, name, incarnation]}")
        last[partition, name, incarnation] = at
        ended = ends.setdefault((partition, name), [])
        if ended[-1:] != [incarnation]:
            ended.append(incarnation)
    pairs = {(name, *pair) for (_, name), those in ends.items() for pair in itertools.combinations(those, 2)}
    return wrong + [f"{name}: of {one} and {other} neither came first" for name, one, other in pairs if (name, other, one) in pairs]


def places(rows):
    return {(partition, offset): value for partition, offset, value in rows}


def views(final, seen, who):
    """What was read meanwhile is what is there in the end (places()), at the same places."""
    return [
        f"{who} read {value} at {partition}:{offset}, where there is {final.get((partition, offset))} in the end"
        for partition, offset, value in seen
        if final.get((partition, offset)) != value
    ]


def gaps(rows, seen, who):
    """Who reads on from a place misses nothing that comes to be visible before it."""
    wrong = []
    at = collections.defaultdict(list)
    for partition, offset, _ in seen:
        at[partition].append(offset)
    for partition, offsets in at.items():
        if offsets != sorted(set(offsets)):
            wrong.append(f"{who}: partition {partition} was not read in its order")
        end = max(offsets)
        there = {offset for each, offset, _ in rows if each == partition and offset <= end}
        missed = sorted(there - set(offsets))
        if missed:
            wrong.append(f"{who}: partition {partition}: passed over {missed[:10]}")
    return wrong


def cycles(appends):
    """Information goes one way: no transaction has read of itself, or of one that had read of it (G1c)."""
    follows = collections.defaultdict(set)
    for label, rows in appends.reads.items():
        for _, _, value in rows:
            follows[label_of(value)].add(label)
    waits = collections.Counter(to for those in follows.values() for to in those)
    free = [each for each in list(follows) if waits[each] == 0]
    while free:
        for each in follows.pop(free.pop(), ()):
            waits[each] -= 1
            if waits[each] == 0:
                free.append(each)
    return [f"they have read of each other: {sorted(follows)[:10]}"] if follows else []


def queue(name, rows, committed):
    """All of the input up to the group's offsets was moved, each record once, in its order, and nothing behind them."""
    seen = collections.Counter(value for _, _, value in rows)
    want = {f"{partition}:{offset}" for partition, end in committed.items() for offset in range(end)}
    wrong = [f"{name}: {value} was moved {count} times" for value, count in seen.items() if count > 1]
    lost, early = sorted(want - set(seen)), sorted(set(seen) - want)
    if lost:
        wrong.append(f"{name}: offsets moved to {committed} without {len(lost)} of {len(want)}: {lost[:10]}")
    if early:
        wrong.append(f"{name}: {len(early)} were moved, the offsets were not: {committed}, {early[:10]}")
    last = {}
    for partition, _, value in rows:
        of, offset = map(int, value.split(":"))
        if last.get((partition, of), -1) >= offset:
            wrong.append(f"{name}: {value} in partition {partition} stands behind {last[partition, of]}")
        last[partition, of] = offset
    return wrong
