"""The half of the driver protocol that Python drivers share: one JSON command a line in, one event a line out."""

import base64
import concurrent.futures
import json
import logging
import os
import queue
import sys
import threading
import traceback

_lock = threading.Lock()


def pack(value):
    return None if value is None else base64.b64encode(value).decode()


def unpack(text):
    return None if text is None else base64.b64decode(text)


def say(**event):
    with _lock:
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()


def _thread_failed(failure):
    say(error="".join(traceback.format_exception(failure.exc_value)))


class PollingMember:
    """A group member whose consumer is touched by one thread only: it polls, and between polls does what it is told.

    Subclasses give `poll_once`, `commit_now` and `close_now`, and call `begin` when their consumer is made.
    """

    def begin(self):
        self._jobs = queue.Queue()
        self._closed = False
        threading.Thread(target=self._loop, daemon=True).start()

    def _loop(self):
        while not self._closed:
            self.poll_once()
            while not self._jobs.empty():
                job, future = self._jobs.get()
                try:
                    future.set_result(job())
                except Exception as failure:  # pylint: disable=broad-exception-caught
                    future.set_exception(failure)

    def _tell(self, job):
        future = concurrent.futures.Future()
        self._jobs.put((job, future))
        return future.result(30)

    def _close(self):
        self._closed = True
        self.close_now()

    def commit(self):
        self._tell(self.commit_now)

    def leave(self):
        self._tell(self._close)


def serve(create, partitions, produce, transact, consume, member):
    """Obeys commands until the input ends; the first failure is said and ends the process."""
    threading.excepthook = _thread_failed
    if os.environ.get("DRIVER_LOG"):
        logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(name)s %(message)s")
    joined = []

    def join(group, topic):
        joined.append(member(group, topic))

    verbs = {
        "create": create,
        "partitions": partitions,
        "produce": produce,
        "transact": lambda **arguments: transact(arguments.pop("id"), **arguments),
        "consume": consume,
        "join": join,
        "commit": lambda: joined[-1].commit(),
        "leave": lambda: joined.pop().leave(),
    }
    for line in sys.stdin:
        command = json.loads(line)
        verb = command.pop("do")
        try:
            say(done=verb, **(verbs[verb](**command) or {}))
        except Exception:  # pylint: disable=broad-exception-caught
            say(error=traceback.format_exc())
            os._exit(1)
