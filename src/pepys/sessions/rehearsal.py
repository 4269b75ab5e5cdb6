"""All is tried before a countdown: a recording that could not begin is refused before anybody waits for it.

Owns the child that tries, which is a recorder that begins nothing (`record.rehearsal`). Invariant: it has ended when
this returns, whatever came of it.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from pepys import limits
from pepys.record.spec import RecordSpec
from pepys.sessions import recording as recordings
from pepys.store.store import Store


async def rehearse(spec: RecordSpec, store: Store) -> None:
    """Open everything that `spec` names, as its recorder will, and let go of it.

    Raises:
        PepysError: why it could not be recorded.
    """
    tried = replace(spec, rehearsal=True, socket=f"{spec.socket.removesuffix('.sock')}.try")
    launched, _ = await recordings.begin(tried, store, store.path / "logs" / "recorder.log")
    await asyncio.wait_for(asyncio.to_thread(recordings.reap, launched.process), limits.RECORDER_EXIT_S * 2)
