"""A process that answers one question at a time, and is replaced when it dies or takes too long."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

START_S = 60


class Died(Exception):
    """The process ended while it worked (a crash)."""


class TimedOut(Exception):
    """No answer within the limit (a hang)."""


def _serve(answer: Callable[[Any], Any], connection: Connection) -> None:
    connection.send(None)
    while True:
        connection.send(answer(connection.recv()))


class Worker:
    """Runs `answer(question)`, a function of a module, in a process of its own."""

    def __init__(self, answer: Callable[[Any], Any], warm_up: Any) -> None:
        self._answer, self._warm_up = answer, warm_up
        self._process: multiprocessing.process.BaseProcess | None = None

    def ask(self, question: Any, limit_s: float) -> Any:
        """Raises: Died, TimedOut. The next question gets a new process then."""
        if self._process is None:
            self._start()
        return self._exchange(question, limit_s)

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(self._answer, theirs), daemon=True)
        self._process.start()
        theirs.close()
        if not self._connection.poll(START_S):
            raise RuntimeError("the worker does not start")
        self._connection.recv()
        self._exchange(self._warm_up, START_S)

    def _exchange(self, question: Any, limit_s: float) -> Any:
        try:
            self._connection.send(question)
            if not self._connection.poll(limit_s):
                raise TimedOut
            return self._connection.recv()
        except (EOFError, OSError) as error:
            self.close()
            raise Died from error
        except TimedOut:
            self.close()
            raise

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
            self._process = None
