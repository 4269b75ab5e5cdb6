"""The jobs: requests to run stages, in `work.db`, for any process to make, claim and watch.

Invariants: a job is claimed by one process at a time, atomically; a claim ends with its process (its id, start time and
boot are in the row), so that nobody waits for a time-out after a kill. Deleting the database loses no artifact.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from sqlalchemy import Connection, Engine, insert, select, update
from sqlalchemy.engine import Row
from sqlalchemy.exc import DatabaseError, OperationalError

from pepys.errors import NotFound, StorageProblem
from pepys.model.ids import new_short_id
from pepys.store.database import delete_damaged, engine
from pepys.store.schema import jobs
from pepys.store.store import Store
from pepys.store.trigger import reach
from pepys.store.waiting import ENDED

_NEXT: Final = (jobs.c.priority, jobs.c.created_wall_ns, jobs.c.id)
_Method = TypeVar("_Method", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Claimer:
    """A process that runs jobs; a pid alone may be another process by now."""

    pid: int
    start: str
    boot_id: str

    @classmethod
    def current(cls, boot_id: str) -> Claimer:
        """The calling process."""
        return cls(os.getpid(), process_start(os.getpid()), boot_id)

    def lives(self, boot_id: str) -> bool:
        """Whether that process still runs in the boot `boot_id`."""
        return self.boot_id == boot_id and bool(self.start) and process_start(self.pid) == self.start


@dataclass(frozen=True, slots=True)
class Job:
    """One request; `state` is `queued`, `running`, `done`, `failed` or `cancelled`."""

    id: str
    session: str
    stages: tuple[str, ...]
    state: str
    priority: int
    progress: dict[str, Any]
    error: str
    created_wall_ns: int
    claimer: Claimer | None


def _renewing(ask: _Method) -> _Method:
    """A method that finds the database damaged makes it anew and begins again, with no job left."""

    @wraps(ask)
    def asking(queue: WorkQueue, *values: Any, **named: Any) -> Any:
        try:
            return ask(queue, *values, **named)
        except DatabaseError:
            delete_damaged(queue._store, "work")
        return ask(queue, *values, **named)

    return cast(_Method, asking)


class WorkQueue:
    """The jobs of one store; needs write access. A damaged database is replaced by an empty one."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @_renewing
    def enqueue(self, session: str, stages: Sequence[str], priority: int = 0) -> Job:
        """Request stages of a session; an equal request that has not begun is given back instead of another one."""
        wanted, now_ns = json.dumps(list(stages)), self._store.clock.wall_ns()
        with self._transaction() as connection:
            same = (jobs.c.session == session, jobs.c.stages == wanted, jobs.c.state == "queued")
            found = connection.execute(select(jobs).where(*same)).first()
            if found is not None:
                return _job(found)
            job = new_short_id()
            connection.execute(
                insert(jobs).values(
                    id=job, session=session, stages=wanted, state="queued", priority=priority, progress="{}",
                    error="", created_wall_ns=now_ns, changed_wall_ns=now_ns,
                )
            )  # fmt: skip
            return _job(connection.execute(select(jobs).where(jobs.c.id == job)).one())

    @_renewing
    def claim(self, claimer: Claimer, job: str | None = None) -> Job | None:
        """Take the next queued job (lower `priority` numbers first, then the oldest), or the one named; None: none."""
        self.reclaim()
        with self._transaction() as connection:
            wanted = select(jobs).where(jobs.c.state == "queued")
            if job is not None:
                wanted = wanted.where(jobs.c.id == job)
            found = connection.execute(wanted.order_by(*_NEXT).limit(1)).first()
            if found is None:
                return None
            values = {
                "state": "running", "claimed_pid": claimer.pid, "claimed_start": claimer.start,
                "claimed_boot": claimer.boot_id, "changed_wall_ns": self._store.clock.wall_ns(),
            }  # fmt: skip
            connection.execute(update(jobs).where(jobs.c.id == found.id).values(**values))
            return _job(connection.execute(select(jobs).where(jobs.c.id == found.id)).one())

    def reclaim(self) -> list[str]:
        """Queue again what dead processes had claimed; returns the jobs' ids."""
        boot_id = self._store.clock.boot_id()
        dead = [job.id for job in self.list(state="running") if not (job.claimer and job.claimer.lives(boot_id))]
        if dead:
            with self._transaction() as connection:
                again = (jobs.c.id.in_(dead), jobs.c.state == "running")
                connection.execute(update(jobs).where(*again).values(state="queued", claimed_pid=None))
        return dead

    def progress(self, job: str, progress: dict[str, Any]) -> bool:
        """Tell how far a running job is; returns whether it should go on: False once it was cancelled."""
        return self._change(job, ("running",), progress=json.dumps(progress))

    def finish(self, job: str, state: str, error: str = "") -> bool:
        """End a running job as `done` or `failed`; False when it was cancelled before.

        Raises:
            ValueError: no such ending.
        """
        if state not in ENDED:
            raise ValueError(f"a job does not end as {state}")
        return self._change(job, ("running",), state=state, error=error)

    def cancel(self, job: str) -> bool:
        """Cancel a job; whoever runs it learns so at its next `progress`. False when it had ended."""
        return self._change(job, ("queued", "running"), state="cancelled")

    @_renewing
    def get(self, job: str) -> Job:
        """One job.

        Raises:
            NotFound: no such job.
        """
        with self._transaction() as connection:
            found = connection.execute(select(jobs).where(jobs.c.id == job)).first()
        if found is None:
            raise NotFound(f"there is no job {job}", "ask for the enrichment again")
        return _job(found)

    @_renewing
    def list(self, state: str | None = None, session: str | None = None) -> list[Job]:
        """The jobs, oldest first."""
        wanted = select(jobs).order_by(jobs.c.created_wall_ns, jobs.c.id)
        if state is not None:
            wanted = wanted.where(jobs.c.state == state)
        if session is not None:
            wanted = wanted.where(jobs.c.session == session)
        with self._transaction() as connection:
            return [_job(row) for row in connection.execute(wanted)]

    @_renewing
    def _change(self, job: str, before: tuple[str, ...], **values: object) -> bool:
        values["changed_wall_ns"] = self._store.clock.wall_ns()
        with self._transaction() as connection:
            wanted = (jobs.c.id == job, jobs.c.state.in_(before))
            return connection.execute(update(jobs).where(*wanted).values(**values)).rowcount == 1

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
                reach("work.before_commit")
        except OperationalError as error:
            raise StorageProblem(f"the jobs cannot be written: {error.orig}", "see that the disk has space") from error
        reach("work.committed")

    @cached_property
    def _engine(self) -> Engine:
        return engine(self._store, "work")


def process_start(pid: int, read: Callable[[Path], str] | None = None) -> str:
    """An opaque sign of when a process began; empty when there is none of that id.

    Where there is no procfs only the process's existence is known.
    """
    if Path("/proc/self/stat").exists():
        try:
            text = read(Path(f"/proc/{pid}/stat")) if read else Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        except OSError:
            return ""
        # The name in parentheses may itself hold spaces and parentheses; the 20th field after it is the start.
        fields = text.rpartition(")")[2].split()
        return "" if fields[0] in {"Z", "X"} else fields[19]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except OSError:
        return "exists"
    return "exists"


def _job(row: Row[Any]) -> Job:
    claimer = None
    if row.claimed_pid is not None:
        claimer = Claimer(row.claimed_pid, row.claimed_start, row.claimed_boot)
    return Job(
        row.id, row.session, tuple(json.loads(row.stages)), row.state, row.priority, json.loads(row.progress),
        row.error, row.created_wall_ns, claimer,
    )  # fmt: skip
