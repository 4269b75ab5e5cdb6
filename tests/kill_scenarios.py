"""What the store does for a user, one scenario each: a home that is prepared, and the act in which it is killed.

An act opens the home itself, as every process does, and may be begun anew in a home in which it was killed before.
`dies` names the point at which already the preparation was killed.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pepys.clock import FakeClock
from pepys.errors import PepysError
from pepys.limits import WAL_BYTES
from pepys.model import events as ev
from pepys.model.ids import new_session_id
from pepys.store.catalog import Catalog
from pepys.store.edits import add_artifacts, apply_edit
from pepys.store.journal import Journal
from pepys.store.key_change import change_master, import_key
from pepys.store.key_homes import homes_path
from pepys.store.ledger import Ledger
from pepys.store.reader import load, session_ids
from pepys.store.rebuild import rebuild
from pepys.store.recover import finish, recover_all
from pepys.store.remove import remove
from pepys.store.store import Store
from pepys.store.work import Claimer, WorkQueue
from tests.kill_diary import Diary, Tell, untold
from tests.kill_disks import OneName, Sick, beside
from tests.kill_removals import broken, day, delete, delete_broken, delete_full, lose, roomy
from tests.kill_sync import pull_all, push_all, two_homes
from tests.stored_session import SECOND, WALL_NS, blob_files, flip, reopen, screen_text, transcript

Act = Callable[[Path, Tell], None]
HOUR: Final = 3600 * SECOND


@dataclass(frozen=True)
class Scenario:
    """One thing a user does.

    Attributes:
        act: what is killed.
        prepare: makes the home it begins with, and tells what is acknowledged in it.
        dies: the point at which the preparation itself is killed (`name:nth` or `name:last`).
        twice: whether the recovery after the kill is killed as well.
        times: at how many of the times that a point is reached to kill there: the last ones, and one less of the first.
        calls: whether to kill before each kind of call to the disk, too.
        tidy: whether nothing may be left that nothing refers to.
    """

    act: Act
    prepare: Act = lambda folder, tell: None
    dies: str = ""
    twice: bool = False
    times: int = 1
    calls: bool = False
    tidy: bool = False


def home(folder: Path, tell: Tell) -> None:
    """The first opening of a home: master key, store key, its copy."""
    reopen(folder, create=True)
    tell("home")


def record(folder: Path, tell: Tell) -> None:
    """A recording with pauses and two tracks; edits and an artifact on the way."""
    _record(reopen(folder, create=True), tell)


def record_noted(folder: Path, tell: Tell) -> None:
    """The same on a file system that gives no file a second name."""
    _record(Store(folder / "home", reopen(folder).keys, FakeClock(wall_ns=WALL_NS), disk=OneName()), tell)


def _record(store: Store, tell: Tell) -> None:
    diary = Diary.begin(store, tell)
    diary.segments(2)
    shot = diary.shot()
    diary.note("first")
    diary.head()
    add_tag(store, diary.session, tell, "early")
    add_artifact(store, diary.session, tell, shot, "a text")
    diary.pause()
    diary.segments()
    diary.head()
    diary.note("second")
    diary.open()
    diary.fragments()
    diary.note("third")
    diary.fragments()
    diary.seal()
    diary.end()


def home_noted(folder: Path, tell: Tell) -> None:
    """A home, and that recording in it."""
    home(folder, tell)
    record_noted(folder, tell)


def crash(folder: Path, tell: Tell) -> None:
    """A recorder that dies in the middle of a segment, with a chunk, a journal and a shot behind it."""
    diary = Diary.begin(reopen(folder, create=True), tell)
    diary.segments()
    diary.note("first")
    diary.head()
    diary.shot()
    diary.open()
    diary.fragments(2)
    diary.note("second")
    diary.die()


def recover(folder: Path, tell: Tell) -> None:
    """What every command does first: recover what a dead recorder left."""
    store = reopen(folder, create=True)
    recover_all(store)
    for session in session_ids(store):
        tell("head", session, store.heads.read(session).sequence)


def resume(folder: Path, tell: Tell) -> None:
    """Going on with an interrupted session, which is recovered before."""
    store = reopen(folder)
    (session,) = session_ids(store)
    diary = Diary.resume(store, session, tell)
    diary.segments()
    diary.head()
    diary.note("third")
    diary.end()


def finish_it(folder: Path, tell: Tell) -> None:
    """Making an interrupted session a completed one."""
    store = reopen(folder)
    (session,) = session_ids(store)
    finish(store, session)
    tell("state", session, "completed")


def edit(folder: Path, tell: Tell) -> None:
    """Edits of one session from two devices in turn."""
    here = reopen(folder)
    there = reopen(folder)
    keys = replace(here.keys, device_id="0123456789abc")
    there = Store(here.path, keys, here.clock)
    session = session_ids(here)[0]
    for number, store in enumerate((here, there, here, there)):
        add_tag(store, session, tell, f"tag {number}")
    tell("untagging", session, "tag 0")
    tell("naming", session, "Named")
    head = apply_edit(there, session, ("set", {"field": "name", "value": "Named"}), ("untag", {"value": "tag 0"}))
    tell("untag", session, "tag 0")
    tell("name", session, "Named")
    tell("head", session, head.sequence)


def enrich(folder: Path, tell: Tell) -> None:
    """Artifacts: two at once, then one that replaces one of them, then the same again."""
    store = reopen(folder)
    session = session_ids(store)[0]
    shot = load(store, session).shots[0].blob
    head = add_artifacts(store, session, [screen_text(shot, "one line"), transcript("spoken words")])
    tell("head", session, head.sequence)
    tell("artifact", session, "transcript", "at 1000")
    add_artifact(store, session, tell, shot, "another line")
    add_artifact(store, session, tell, shot, "another line")


def index(folder: Path, tell: Tell) -> None:
    """The catalog from nothing, and again after a change."""
    store = reopen(folder)
    with Catalog(store) as catalog:
        catalog.refresh()
        add_tag(store, session_ids(store)[0], tell, "indexed")
        catalog.refresh()


def rebuild_it(folder: Path, tell: Tell) -> None:
    """Making the catalog anew, with heads to mend."""
    rebuild(reopen(folder))
    tell("mended")


def damage(folder: Path, tell: Tell) -> None:
    """Two sessions with a catalog; then a wrap, one of all that lies twice, and both derived databases are damaged."""
    day(folder, tell)
    store = reopen(folder)
    with Catalog(store) as catalog:
        catalog.refresh()
    WorkQueue(store).enqueue(session_ids(store)[0], ["summary"])
    for number, session in enumerate(session_ids(store)):
        path = store.path / "heads" / session / (store.keys.device_id + (".copy" if number else ""))
        flip(path, 30)
        # Of what lies twice, one file.
        head, current = store.heads.manifest(session)
        flip(blob_files(store, head.manifest)[number], 40)
        flip(blob_files(store, current.chunks[0].blob)[1 - number], 50)
    flip(store.path / "keys" / f"{store.keys.device_id}.wrap", 40)
    for name in ("catalog", "work"):
        # The file and what SQLite may have put beside it.
        path = store.database_path(name)
        path.write_bytes(b"damaged" * 2000)
        path.with_name(f"{path.name}-wal").unlink(missing_ok=True)
    tell("damaged")


def restore(folder: Path, tell: Tell) -> None:
    """Opening a damaged home restores the wrap; what needs a database makes it anew; rebuilding mends the heads."""
    store = reopen(folder)
    with Catalog(store) as catalog:
        catalog.refresh()
        catalog.clear()
    job = WorkQueue(store).enqueue(session_ids(store)[0], ["screen_text"])
    tell("job", job.id)
    rebuild(store)
    tell("mended")


def work(folder: Path, tell: Tell) -> None:
    """A job's whole life, and one that is cancelled."""
    store = reopen(folder)
    session, queue = session_ids(store)[0], WorkQueue(store)
    for number in range(3):
        tell("job", queue.enqueue(session, [f"stage {number}"]).id)
    me = Claimer.current(store.clock.boot_id())
    first, second = queue.claim(me), queue.claim(me)
    assert first is not None and second is not None
    queue.progress(first.id, {"done": 1})
    queue.finish(first.id, "done")
    tell("ended", first.id, "done")
    queue.cancel(second.id)
    tell("ended", second.id, "cancelled")
    # One that makes the log of the database so long that it is checkpointed.
    tell("job", queue.enqueue(session, ["s" * WAL_BYTES]).id)


def spend(folder: Path, tell: Tell) -> None:
    """Entries of the ledger, through the one kind of transaction that it has."""
    store = reopen(folder)
    session = session_ids(store)[0]
    for number in range(3):
        spend_once(store, session, tell, f"key {number}")


def spend_once(store: Store, session: str, tell: Tell, key: str) -> None:
    """One entry of 7 nano-dollars, and tell."""
    Ledger(store).append("spend", session, 7, {"stage": "summary", "key": key})
    tell("spent", session, 7)


def full(folder: Path, tell: Tell) -> None:
    """A disk that takes no more or fails, again and again, while a session is recorded, recovered and removed."""
    disk, keys = Sick(), reopen(folder).keys
    store = Store(folder / "home", keys, FakeClock(wall_ns=WALL_NS), disk=disk)
    first = session_ids(store)[0]
    for tries in (lambda: Diary.begin(store), lambda: add_tag(store, first, untold, "never")):
        _fails(16, tries)
    diary = Diary.begin(store, tell, WALL_NS + HOUR)
    journal = store.journal_path(diary.session)
    diary.open()
    diary.fragments()
    _fails(16, lambda: store.blobs.put(b"a picture that finds no room"))
    _fails(16, lambda: diary.writer.open_segment("video", 77))
    _fails(71_000, diary.fragments)
    _fails(16, diary.writer.seal)
    _fails(journal.stat().st_size + 16, lambda: diary.writer.commit(ev.NoteAdded("never", 0, "never")))
    diary.note("the disk has room again")
    disk.sick = True
    _fails(HOUR, lambda: diary.writer.commit(ev.NoteAdded("perhaps", 0, "perhaps")))
    disk.sick = False
    diary.note("the disk is well again")
    diary.die()
    recover_all(store)
    _fails(400, lambda: remove(store, first))


def _fails(room: int, doing: Callable[[], object]) -> None:
    """Do what cannot be done while no file may grow past `room` bytes."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        doing()
    except PepysError:
        return
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    raise AssertionError("there was room for it")


def nothing(folder: Path, tell: Tell) -> None:
    """A recorder that died before its first event: a journal without one, and a head that was never named."""
    store = reopen(folder, create=True)
    session = new_session_id(WALL_NS)
    Journal.create(store.journal_path(session), store.keys, session).close()
    stray = store.path / "heads" / session / f".{store.keys.device_id}.a1b2c3"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"half a head")


def change_key(folder: Path, tell: Tell) -> None:
    """Another master key for a home with a dead recorder's journal; then one after the key file is lost."""
    home, config = folder / "home", folder / "config"
    # The list of homes that the key opens names the one that this was copied from.
    homes_path(config).write_bytes(os.fsencode(home) + b"\n")
    change_master(home, config, None, str)
    store_key = reopen(folder).keys.store_key
    (config / "master.key").write_text("lost\n", encoding="ascii")
    tell("store_key", store_key.hex())
    import_key(home, config, store_key, new_master=True)
    tell("imported")


def left_behind(folder: Path, tell: Tell) -> None:
    """A dead recorder with open segments, and what a killed `put` left."""
    crash(folder, tell)
    store = reopen(folder)
    (store.path / "blobs" / "open" / "put-0123456789abcdef").write_bytes(b"half a blob")
    (store.path / "keys" / ".0000000000001.wrap.0123456789ab").write_bytes(b"half a key")


def sweep(folder: Path, tell: Tell) -> None:
    """A recovery, when all that was left lies there for more than an hour."""
    store = reopen(folder)
    for left in (store.path / "blobs" / "open", store.path / "keys"):
        for path in left.iterdir():
            os.utime(path, ns=(0, 0))
    recover_all(store)


def add_tag(store: Store, session: str, tell: Tell, value: str) -> None:
    """Tag a session, and tell."""
    head = apply_edit(store, session, ("tag", {"value": value}))
    tell("tag", session, value)
    tell("head", session, head.sequence)


def add_artifact(store: Store, session: str, tell: Tell, shot: str, text: str) -> None:
    """Make or replace the text of a shot, and tell."""
    head = add_artifacts(store, session, [screen_text(shot, text)])
    tell("artifact", session, "screen_text", shot)
    tell("head", session, head.sequence)


SCENARIOS: Final = {
    "home": Scenario(home, calls=True),
    "record": Scenario(record, home, times=2, calls=True),
    "recover": Scenario(recover, crash, twice=True),
    "recover_moved": Scenario(recover, record, "head.renamed:last", twice=True),
    "recover_placed": Scenario(recover, record, "blob.linked:last", twice=True),
    "record_noted": Scenario(record_noted, home),
    "beside": Scenario(beside, home, times=2, calls=True),
    "recover_noted": Scenario(recover, home_noted, "blob.intent.durable:last", twice=True),
    "recover_nothing": Scenario(recover, record, "journal.created:1", twice=True),
    "recover_lost": Scenario(recover, lose, twice=True),
    "resume": Scenario(resume, crash, twice=True),
    "finish": Scenario(finish_it, crash, twice=True),
    "edit": Scenario(edit, day, tidy=True),
    "enrich": Scenario(enrich, day),
    "delete": Scenario(delete, day, twice=True),
    "delete_crashed": Scenario(delete, crash, twice=True, calls=True),
    "delete_broken": Scenario(delete_broken, broken),
    "delete_full": Scenario(delete_full, roomy),
    "index": Scenario(index, day),
    "rebuild": Scenario(rebuild_it, damage),
    "restore": Scenario(restore, damage),
    "work": Scenario(work, day, times=2),
    "spend": Scenario(spend, day, times=2),
    "full": Scenario(full, day),
    "nothing": Scenario(recover, nothing),
    "change_key": Scenario(change_key, crash),
    "strays": Scenario(sweep, left_behind),
    "push": Scenario(push_all, day),
    "pull": Scenario(pull_all, two_homes),
}
