"""A network that fails: every connection of the clients goes through here, and is cut, halved or held up.

Clients come by the advertised listener, so all of them do. The broker itself is never touched.
"""

import asyncio
import random
import socket
import struct
import threading


class Link:
    """One connection and its way on to the broker."""

    def __init__(self, client, broker):
        self.client, self.broker = client, broker
        self.said_goodbye = set()
        self.held = set()  # the directions in which nothing goes on any more

    def reset(self):
        """Both ends see a reset, whatever was under way."""
        for each in (self.client, self.broker):
            raw = each.get_extra_info("socket")
            if raw is not None and raw.fileno() >= 0:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            each.transport.abort()

    def halve(self, writer):
        """One end sees the other say goodbye, and may go on talking."""
        if not self.halved(writer) and writer.can_write_eof() and not writer.is_closing():
            self.said_goodbye.add(writer)
            writer.write_eof()

    def halved(self, writer):
        return writer in self.said_goodbye


class Proxy:
    """Listens from the beginning; `target` is asked for the broker's port at each connection."""

    def __init__(self, target, seed):
        self.target, self.dice = target, random.Random(seed)
        self.links = set()
        self.loop = asyncio.new_event_loop()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *failure):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.socket.close()

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(asyncio.start_server(self._serve, sock=self.socket))
        self.loop.run_forever()

    async def _serve(self, reader, client):
        try:
            broker_reader, broker = await asyncio.open_connection("127.0.0.1", self.target())
        except OSError:
            client.close()
            return
        link = Link(client, broker)
        self.links.add(link)
        try:
            await asyncio.gather(self._pass(link, reader, broker, "asked"), self._pass(link, broker_reader, client, "answered"))
        finally:
            self.links.discard(link)
            for each in (client, broker):
                each.transport.abort()

    @staticmethod
    async def _pass(link, reader, writer, direction):
        try:
            while data := await reader.read(1 << 16):
                if direction not in link.held and not link.halved(writer):
                    writer.write(data)
                    await writer.drain()
        except OSError:
            pass
        # The one end has gone: so has the other, once all is said.
        try:
            link.halve(writer)
        except OSError:
            pass
        if direction == "answered":
            link.client.close()

    def harm(self):
        """Something happens to some of the connections; says what."""
        how = self.dice.choice(("reset", "half", "lost questions", "lost answers"))
        asyncio.run_coroutine_threadsafe(self._harm(how, self.dice.uniform(0.2, 1)), self.loop).result(60)
        return how

    async def _harm(self, how, share):
        links = [each for each in self.links if self.dice.random() < share]
        if how == "half":
            for each in links:
                each.halve(self.dice.choice((each.client, each.broker)))
        elif how != "reset":
            # What is said from now on is lost: the request, or the answer to one that was carried out.
            for each in links:
                each.held.add("asked" if how == "lost questions" else "answered")
            await asyncio.sleep(self.dice.uniform(0.05, 0.5))
        if how != "half":
            for each in links:
                each.reset()
