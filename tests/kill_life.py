"""`python -m tests.kill_life FOLDER SEED KILLS`: one home that lives on through thousands of kills at random moments.

Half of them come from a timer, at any moment; half at a random one of the points that the act passes. After each, the
home is opened and proven, given all that was told in its life. What is chosen comes from the seed; at which instruction
a timer strikes does not. Says a line of JSON after each kill, and of what is on the disk at the end.
"""

from __future__ import annotations

import json
import logging
import random
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pepys.clock import SystemClock
from pepys.limits import NS_PER_S
from pepys.store.catalog import Catalog
from pepys.store.ledger import Ledger
from pepys.store.reader import load, read_root, session_ids
from pepys.store.rebuild import rebuild
from pepys.store.recover import finish, recover_all
from pepys.store.remove import remove
from pepys.store.store import Store
from pepys.store.verify import verify
from pepys.store.work import Claimer, WorkQueue
from tests.kill_diary import Diary, Tell
from tests.kill_proof import GARBAGE, prove
from tests.kill_scenarios import Act, add_artifact, add_tag, spend_once
from tests.killing import run
from tests.stored_session import SECOND, WALL_NS, reopen

SESSIONS: Final = 6
"""So many living ones a home holds at most; of the deleted ones, the tombstones stay."""
DELETING: Final = 0.2
"""How often a deletion that is chosen is done: what a proof reads grows with each tombstone."""

Told = list[list[Any]]
Doing = Callable[[Store, random.Random, Tell], None]


def _sessions(store: Store, *states: str) -> list[str]:
    found = [(one, read_root(store, one)[1].state) for one in session_ids(store)]
    return [one for one, state in found if state in states or (not states and state != "deleted")]


def _write(diary: Diary, chance: random.Random) -> None:
    for step in range(chance.randrange(1, 5)):
        doing = chance.choice((diary.segments, diary.head, diary.pause, _note, _shot, _long))
        doing(
            *((diary, f"{step} {chance.random()}") if doing in (_note, _shot) else (diary,) if doing is _long else ())
        )


def _note(diary: Diary, text: str) -> None:
    diary.note(text)


def _shot(diary: Diary, text: str) -> None:
    diary.shot(text.encode())


def _long(diary: Diary) -> None:
    diary.open()
    diary.fragments(3)
    diary.seal()


def _record(store: Store, chance: random.Random, tell: Tell) -> None:
    """A new session; some die by themselves. Where there are enough, an interrupted one is gone on with."""
    if len(_sessions(store)) >= SESSIONS:
        _go_on(store, chance, tell)
        return
    diary = Diary.begin(store, tell, WALL_NS + chance.randrange(10**6) * SECOND)
    _write(diary, chance)
    if chance.random() < 0.3:
        diary.die()
    else:
        diary.end()


def _go_on(store: Store, chance: random.Random, tell: Tell) -> None:
    for session in _sessions(store, "interrupted")[:1]:
        if chance.random() < 0.3:
            finish(store, session)
            tell("state", session, "completed")
        else:
            diary = Diary.resume(store, session, tell)
            _write(diary, chance)
            diary.end()


def _edit(store: Store, chance: random.Random, tell: Tell) -> None:
    for session in chance.sample(there := _sessions(store), min(2, len(there))):
        add_tag(store, session, tell, f"tag {chance.random()}")


def _enrich(store: Store, chance: random.Random, tell: Tell) -> None:
    for session in chance.sample(there := _sessions(store), min(2, len(there))):
        for shot in load(store, session).shots[:1]:
            add_artifact(store, session, tell, shot.blob, f"text {chance.random()}")


def _delete(store: Store, chance: random.Random, tell: Tell) -> None:
    for session in _sessions(store)[:1]:
        if chance.random() < DELETING:
            remove(store, session)
            tell("state", session, "deleted")


def _index(store: Store, chance: random.Random, tell: Tell) -> None:
    with Catalog(store) as catalog:
        catalog.refresh()


def _rebuild(store: Store, chance: random.Random, tell: Tell) -> None:
    rebuild(store)


def _work(store: Store, chance: random.Random, tell: Tell) -> None:
    queue = WorkQueue(store)
    for session in _sessions(store)[:2]:
        tell("job", queue.enqueue(session, [f"stage {chance.random()}"]).id)
    job = queue.claim(Claimer.current(store.clock.boot_id()))
    if job is not None and queue.finish(job.id, "done"):
        tell("ended", job.id, "done")


def _spend(store: Store, chance: random.Random, tell: Tell) -> None:
    for session in _sessions(store)[:3]:
        spend_once(store, session, tell, f"key {chance.random()}")


ACTS: Final[tuple[Doing, ...]] = (
    _record, _record, _record, _go_on, _edit, _enrich, _delete, _index, _rebuild, _work, _spend,
)  # fmt: skip


def _act(doing: Doing, seed: int) -> Act:
    """What one process does: recover first, as every command does, then this."""

    def act(folder: Path, tell: Tell) -> None:
        store = reopen(folder, create=True)
        recover_all(store)
        doing(store, random.Random(seed), tell)

    return act


def _settle(store: Store, told: Told) -> Told:
    """What is to be remembered: of a deleted session only that it is; of heads and of money the last word."""
    states = {session: read_root(store, session)[1].state for session in session_ids(store)}
    living = {session for session, state in states.items() if state != "deleted"}
    kept = [
        words for words in told
        if words[0] in {"job", "ended"} or (words[0] in {"session", "event", "tag", "artifact"} and words[1] in living)
    ]  # fmt: skip
    kept += [["state", session, state] for session, state in states.items() if state in {"deleted", "completed"}]
    kept += [["head", session, store.heads.read(session).sequence] for session in living]
    ledger = Ledger(store)
    return kept + [["spent", session, spent] for session in living if (spent := ledger.total_nanos(session))]


def live(folder: Path, seed: int, kills: int) -> int:
    """Live through so many kills; returns the number of them after which something was wrong (at most one)."""
    chance, clock = random.Random(seed), SystemClock()
    told: Told = []
    lasted, passed = dict.fromkeys(ACTS, 0.05), dict.fromkeys(ACTS, 50)
    done = 0
    while done < kills:
        doing = chance.choice(ACTS)
        timed, share, nth = chance.random() < 0.5, chance.random(), 1 + int(chance.random() * passed[doing])
        target, after_s = ("*", share * lasted[doing]) if timed else (f"any:{nth}", None)
        began_ns = clock.now_ns()
        ended = run(folder, _act(doing, chance.randrange(2**32)), target, after_s=after_s)
        took_s = (clock.now_ns() - began_ns) / NS_PER_S
        told += ended.told
        word = {
            "kill": done,
            "act": doing.__name__,
            "at": f"{took_s * 1000:.1f} ms" if timed else target,
            "killed": ended.killed,
        }
        if not ended.killed:
            # It came to its end before the kill: the next time it is expected to take as long.
            lasted[doing], passed[doing] = took_s, max(1, sum(ended.seen.values()))
        done += ended.killed
        try:
            assert ended.killed or ended.status == 0, ended.told[-1]
            if ended.killed:
                # Nothing collects it: each kill of this life may have left as much as one alone may.
                prove(folder, told, on=False, garbage=done * GARBAGE)
                told = _settle(reopen(folder, create=True), told)
        except Exception:  # noqa: BLE001 - told with the kill after which it was found
            print(json.dumps({**word, "problem": traceback.format_exc()}), flush=True)
            return 1
        print(json.dumps(word), flush=True)
    print(json.dumps(_figures(folder)), flush=True)
    return 0


def _figures(folder: Path) -> dict[str, int]:
    """What is on the disk after such a life."""
    store = reopen(folder)
    report = verify(store)
    names = [path for path in store.path.rglob("*") if path.is_file()]
    return {
        "sessions": len(session_ids(store)),
        "damages": len(report.damages),
        "files": len(names),
        "bytes": sum(path.stat().st_size for path in names),
        "unreferenced": report.unreferenced,
        "unreferenced_bytes": report.unreferenced_bytes,
        "strays": sum(path.name.startswith(".") or path.name.startswith("put-") for path in names),
    }


def main(arguments: list[str]) -> int:
    """Live, and say how it was."""
    logging.disable()
    folder, seed, kills = arguments
    Path(folder).mkdir(exist_ok=True)
    return live(Path(folder), int(seed), int(kills))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
