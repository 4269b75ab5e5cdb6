"""What the adapters cost: 1 MiB put and read through the whole stack against bare obstore, on a real S3 server.

    python -m scripts.remote_speed

Both go to the same private server in turns, in one process, so that a busy machine slows both; the ratio is of the
medians. Then many blobs are streamed through the stack, and the growth of this process's memory is told.
"""

from __future__ import annotations

import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from blake3 import blake3
from obstore.store import S3Store

from pepys.store.adapters.caching import Caching
from pepys.store.adapters.counting import Counting
from pepys.store.adapters.folder import FolderAdapter
from pepys.store.adapters.objects import ObjectAdapter
from pepys.store.adapters.retrying import Retrying
from pepys.store.blob_port import BlobAdapter, blob_name
from tests.object_server import BUCKET, object_server

MIB = 1 << 20
TURNS = 60
STREAMED = 1024


def main() -> None:
    """Measure and print."""
    with object_server() as server, tempfile.TemporaryDirectory() as folder:
        os.environ.update(server.environment())
        bare = S3Store(BUCKET, prefix="bare", client_options={"allow_http": True})
        objects = Counting(ObjectAdapter("s3", BUCKET, "stack", plain=True, host="127.0.0.1"))
        stack = Caching(Retrying(objects), Path(folder) / "cache", 64 * MIB)
        names = [blob_name(f"b3-{blake3(b'%d' % n).hexdigest()}") for n in range(TURNS)]
        data = [secrets.token_bytes(MIB) for _ in names]
        puts = pairs(
            lambda n: bare.put(names[n], data[n], mode="create", use_multipart=False),
            lambda n: stack.put(names[n], data[n]),
        )
        gets = pairs(lambda n: bytes(bare.get(names[n]).bytes()), lambda n: stack.read(names[n], MIB))
        for what, (one, two) in (("put", puts), ("read", gets)):
            print(f"{what} of 1 MiB: obstore {one:.2f} ms, stack {two:.2f} ms, ratio {one / two:.2f}")
        cached = timed(lambda n: stack.read(names[n], MIB), range(TURNS - 40, TURNS))
        print(f"read of 1 MiB from the cache: {cached:.2f} ms")
        print(f"memory while {STREAMED} MiB go up and down: +{streamed(stack):.1f} MB")
        kept = FolderAdapter(Path(folder) / "kept")
        print(
            f"put of 1 MiB into a folder, durable: {timed(lambda n: kept.put(names[n], data[n]), range(TURNS)):.2f} ms"
        )


def pairs(one: Callable[[int], object], two: Callable[[int], object]) -> tuple[float, float]:
    """The median milliseconds of each, in turns."""
    times: tuple[list[float], list[float]] = ([], [])
    for n in range(TURNS):
        for call, kept in zip((one, two) if n % 2 else (two, one), times if n % 2 else times[::-1], strict=True):
            began = time.perf_counter()
            call(n)
            kept.append((time.perf_counter() - began) * 1000)
    # The first ones open connections and volumes.
    return statistics.median(times[0][5:]), statistics.median(times[1][5:])


def timed(call: Callable[[int], object], turns: range) -> float:
    """The median milliseconds of a call."""
    times = []
    for n in turns:
        began = time.perf_counter()
        call(n)
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def streamed(stack: BlobAdapter) -> float:
    """Growth of this process in MB while blobs are put, read and deleted; the first tenth only warms it."""
    before = 0.0
    for n in range(STREAMED):
        name = blob_name(f"b3-{blake3(b'streamed %d' % n).hexdigest()}")
        content = secrets.token_bytes(MIB)
        stack.put(name, content)
        assert stack.read(name, MIB) == content
        stack.delete(name)
        if n == STREAMED // 10:
            before = resident()
    return resident() - before


def resident() -> float:
    """This process's memory in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
