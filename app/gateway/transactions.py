"""Durable transactions of an SQLite connection, outside of the event loop."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

_SOON = 0.1
"""Seconds that an action may wait for a transaction of others."""

Result = TypeVar("Result")


class Transactions:
    """Runs actions on a connection in the order of the calls.

    Actions that wait share one transaction, because a durable write takes the disk some
    milliseconds. If an action fails, for example because the disk is full, nothing of its
    transaction is written, and each action of it raises the error.
    """

    def __init__(
        self, connection: sqlite3.Connection, explained: Callable[[Exception], Exception]
    ) -> None:
        """`explained` makes the error for the callers."""
        self._connection = connection
        self._explained = explained
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database")
        self._waiting: list[tuple[Callable[[], Any], asyncio.Future[Any]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def close(self) -> None:
        """Write the waiting actions, and end."""
        self._thread.shutdown()
        if self._timer is not None:
            self._timer.cancel()
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._run([action for action, _ in waiting])

    async def run(self, action: Callable[[], Result]) -> Result:
        """Run an action. Its writes are durable when this returns."""
        written: asyncio.Future[Result] = self._add(action)
        self._start()
        return await written

    def run_soon(self, action: Callable[[], Result]) -> asyncio.Future[Result]:
        """Run an action with the next transaction of others, or in a tenth of a second."""
        written: asyncio.Future[Result] = self._add(action)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SOON, self._start)
        return written

    def _add(self, action: Callable[[], Result]) -> asyncio.Future[Result]:
        written: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((action, written))
        return written

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._run_all())

    async def _run_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting, []
            actions = [action for action, _ in batch]
            outcome = await loop.run_in_executor(self._thread, self._run, actions)
            for number, (_, written) in enumerate(batch):
                if written.cancelled():
                    continue
                if isinstance(outcome, Exception):
                    written.set_exception(self._explained(outcome))
                else:
                    written.set_result(outcome[number])

    def _run(self, actions: list[Callable[[], Any]]) -> list[Any] | Exception:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            results = [action() for action in actions]
            self._connection.execute("COMMIT")
        except Exception as error:
            return error
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        return results
