"""What every client must be able to do: a client's test file derives from `Contract` and names its client.

Each test looks at content: every key, value, header, offset and partition, and how the broker stored the batches.
"""

import collections

import pytest

from interop.lib import wire
from interop.lib.clients import Record, wait_until

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
PARTITIONS = 3
GROUP_PARTITIONS = 6


def varied(client, count):
    """Records that differ in all they can: sizes, empty and null keys and values, binary, headers with equal names."""
    rows = [_one(client, i) for i in range(count)]
    rows.append(Record(0, b"large", b"0123456789abcdef" * 6000, rows[0].headers if client.headers == "alike" else ()))
    return rows


def _one(client, i):
    partition = i % PARTITIONS
    key, value = b"key-%d" % i, b"value %d " % i * (1 + i % 7)
    headers = ((("trace", b"id-%d" % (partition if client.headers == "alike" else i))), ("kind", b"test"))
    if client.binary and i % 5 == 1:
        key, value = bytes((i, 0, 10, 255)), bytes(range(256))
        headers = (("same", b"one"), ("same", bytes((0, 255))), ("empty", b""))
    if client.nulls and i % 5 == 2:
        key = None
    if client.nulls and i % 5 == 3:
        value, headers = None, headers if client.headers == "alike" else ()
    return Record(partition, key, value, headers if client.headers else ())


def by_partition(records):
    parts = collections.defaultdict(list)
    for each in records:
        parts[each.partition].append(each.without_offset())
    return parts


def unordered(records):
    """For clients that do not choose partitions: what was sent, wherever it went."""
    return sorted((each.key or b"", each.value or b"", each.headers) for each in records)


def plain(first, count, partitions=GROUP_PARTITIONS):
    """Small records with values that name them."""
    return [Record(i % partitions, b"k%d" % i, b"v%d" % i) for i in range(first, first + count)]


def values(members):
    return sorted(each.value for member in members for each in member.records)


def covered(members):
    """Whether the members have all partitions between them, none twice, each at least one."""
    parts = [each.assigned or set() for each in members]
    return all(parts) and sorted(p for part in parts for p in part) == list(range(GROUP_PARTITIONS))


class Contract:
    """The tests; `client_class` is set by the client's own file."""

    client_class = None

    @pytest.fixture(name="client")
    def _client(self, broker):
        client = self.client_class(broker.bootstrap)  # pylint: disable=not-callable
        yield client
        client.close()

    def test_creates_a_topic(self, client, name):
        client.create(name, PARTITIONS)
        assert client.partitions(name) == PARTITIONS

    @pytest.mark.parametrize("codec", CODECS)
    def test_reads_back_what_it_wrote(self, client, name, codec):
        if codec not in client.codecs:
            assert self.lacks_codec(codec), f"{client.name} is expected to do {codec}"
            return
        client.create(name, PARTITIONS)
        sent = varied(client, 60)
        client.produce(name, sent, codec)
        received = client.consume(name, PARTITIONS, len(sent))
        if client.chooses_partition:
            assert by_partition(received) == by_partition(sent)
        else:
            assert unordered(received) == unordered(sent)
        for partition in range(PARTITIONS):
            offsets = [each.offset for each in received if each.partition == partition]
            assert offsets == list(range(len(offsets)))
        assert wire.stored_codecs(client.bootstrap, name, PARTITIONS) == {codec}

    def lacks_codec(self, codec):
        """Overridden by clients that cannot do every codec, to say that this is known."""
        return False

    def test_commits_and_aborts_transactions(self, client, name):
        if not client.transactions:
            return
        client.create(name, PARTITIONS)
        group = name if client.transactions == "with offsets" else None
        client.transact(name, name, plain(0, 30, PARTITIONS), True)
        client.transact(name, name, plain(100, 30, PARTITIONS), False)
        client.transact(name, name, plain(30, 30, PARTITIONS), True, group, 7)
        client.transact(name, name, plain(200, 30, PARTITIONS), False, group, 9)
        received = client.consume(name, PARTITIONS, 60)
        assert by_partition(received) == by_partition(plain(0, 60, PARTITIONS))
        if group:
            assert wire.committed(client.bootstrap, group, name, [0]) == {0: 7}

    def test_shares_a_topic_in_a_group_and_goes_on_where_it_was(self, client, name):
        client.create(name, GROUP_PARTITIONS)
        members = []
        try:
            self._three_share_then_two(client, name, members)
            self._a_new_member_goes_on(client, name, members)
        finally:
            for each in members:
                each.kill()

    @staticmethod
    def _three_share_then_two(client, name, members):
        members.extend(client.member(name, name) for _ in range(3))
        wait_until(members, lambda: covered(members), "three members share the partitions")
        client.produce(name, plain(0, 60), "none")
        wait_until(members, lambda: len(values(members)) >= 60, "the members get all records")
        for each in members:
            each.commit()
        before = values(members)
        gone = members.pop()
        gone.leave()
        kept = len(values(members))
        wait_until(members, lambda: covered(members), "two members take over what the third had")
        client.produce(name, plain(60, 60), "none")
        wait_until(members, lambda: len(values(members)) >= kept + 60, "the two get all records")
        after = [each.value for member in members for each in member.records]
        # All commit before the first leaves: that makes the group begin anew, from what is committed.
        for each in members:
            each.commit()
        for each in members:
            each.leave()
        members.clear()
        assert before == sorted(each.value for each in plain(0, 60))
        assert sorted(set(after) - set(before)) == sorted(each.value for each in plain(60, 60))
        assert len(after) == kept + 60, "something was given out twice"

    @staticmethod
    def _a_new_member_goes_on(client, name, members):
        client.produce(name, plain(120, 30), "none")
        members.append(client.member(name, name))
        wait_until(members, lambda: len(values(members)) >= 30, "a new member gets what came meanwhile")
        assert values(members) == sorted(each.value for each in plain(120, 30))
        members[0].commit()
        members.pop().leave()
