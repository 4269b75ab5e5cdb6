"""The adapter of object stores: S3 and what speaks like it, Google Cloud Storage, Azure, through obstore.

Owns the only use of obstore, and what its errors mean. Invariants: obstore tries once, so that `Retrying` alone counts
and bounds the tries; every request has a time-out; a body that is not as long as its header says is never returned; no
message holds more of an answer than its status and its code, as addresses and bodies may carry signatures.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import obstore.exceptions
from obstore.store import AzureStore, GCSStore, S3Store

from pepys.clock import Clock, SystemClock
from pepys.errors import NotFound, PepysError, PermissionMissing, StorageProblem, Usage
from pepys.remote_limits import REMOTE_AT_ONCE, REMOTE_BYTES_A_SECOND, REMOTE_READ_S
from pepys.store.adapters.timeouts import Timeouts
from pepys.store.blob_port import (
    Capabilities,
    Held,
    Overtaken,
    TransientFault,
    Version,
    check_bytes,
    check_name,
    check_prefix,
    check_range,
    check_size,
    is_name,
)

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

    Objects = S3Store | GCSStore | AzureStore

_PAGE: Final = 1000
_NONE: Final = "no-file-is-called-this"
_NO_STORE: Final = "the answer is none of an object store"
_STATUS: Final = re.compile(r"status code: (\d{3})")
_CODE: Final = re.compile(r"<Code>([A-Za-z0-9_.]{1,60})</Code>")
_REFUSED: Final = frozenset(
    {
        "AccessDenied",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
    }
    | {"AuthorizationHeaderMalformed", "RequestTimeTooSkewed", "AuthenticationFailed", "AuthorizationFailure"}
)
_NO_BUCKET: Final = frozenset({"NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted", "InvalidBucketName"})
_LATER: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_METADATA: Final = ("169.254.169.254", "metadata.google.internal", "169.254.170.2")
"""Where a machine in a cloud finds credentials: asked when there are no others."""
_CREDENTIALS: Final = {
    "s3": "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, or correct them",
    "gcs": "set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account, or correct it",
    "azure": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or correct them",
}


class ObjectAdapter:
    """A bucket or container, or what begins with a prefix there. `BlobAdapter` tells the contract.

    Args:
        kind: `s3`, `gcs` or `azure`.
        bucket: its name.
        prefix: what stands before every name, without slashes at its ends; empty for none.
        plain: speak HTTP without TLS, as to a server on this machine.
        host: the only one it may speak to, whatever an answer says; empty: those that TLS vouches for.
        timeouts: of each request.
        clock: the time; the system's unless given.

    Raises:
        Usage: the environment's settings for it make no sense, or its credentials cannot be read.
    """

    def __init__(
        self,
        kind: str,
        bucket: str,
        prefix: str = "",
        *,
        plain: bool = False,
        host: str = "",
        timeouts: Timeouts | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._kind = kind
        self._bucket = bucket
        self._prefix = prefix
        self._clock = clock or SystemClock()
        try:
            self._objects = _open(kind, bucket, prefix, _client(plain, host, timeouts or Timeouts()))
        except (obstore.exceptions.BaseError, ValueError, OSError):
            # Not what the library says: it may quote a key.
            raise Usage(f"{self.place}: the settings for it make no sense", _CREDENTIALS[kind]) from None
        except BaseException as error:
            if not _is_panic(error):
                raise
            raise Usage(f"{self.place}: the settings for it make no sense", _CREDENTIALS[kind]) from None

    @property
    def place(self) -> str:
        """The address as it was given."""
        scheme = {"s3": "s3", "gcs": "gs", "azure": "az"}[self._kind]
        return f"{scheme}://{self._bucket}" + (f"/{self._prefix}" if self._prefix else "")

    @property
    def capabilities(self) -> Capabilities:
        """Distant and lasting."""
        return Capabilities(kind=self._kind, distant=True, lasting=True, at_once=REMOTE_AT_ONCE)

    def put(self, name: str, data: bytes) -> bool:
        """See `BlobAdapter.put`."""
        check_name(name)
        check_bytes(data)
        with self._errors(name, writing=True):
            try:
                # In one request: parts that were never put together would lie there unseen, and be paid for.
                self._objects.put(name, data, mode="create", use_multipart=False)
            except obstore.exceptions.AlreadyExistsError:
                return False
        return True

    def replace(self, name: str, data: bytes, version: Version | None) -> Version:
        """See `BlobAdapter.replace`."""
        check_name(name)
        check_bytes(data)
        with self._errors(name, writing=True):
            try:
                if version is None:
                    made = self._objects.put(name, data, mode="create", use_multipart=False)
                else:
                    made = self._objects.put(name, data, mode=_told(version), use_multipart=False)
            except (obstore.exceptions.AlreadyExistsError, obstore.exceptions.PreconditionError):
                raise self._overtaken(name) from None
            except FileNotFoundError as error:
                # Some stores say so where the file that is to be replaced is gone.
                if _code(error) in _NO_BUCKET:
                    raise
                raise self._overtaken(name) from None
        return self._version(made.get("e_tag"), made.get("version"))

    def read(self, name: str, size: int | None = None) -> bytes:
        """See `BlobAdapter.read`."""
        return self._read(name, size)[0]

    def read_version(self, name: str) -> tuple[bytes, Version]:
        """See `BlobAdapter.read_version`."""
        return self._read(name, None)

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """See `BlobAdapter.read_range`."""
        check_name(name)
        check_range(offset, length)
        if not length:
            self.size(name)  # which raises where there is none
            return b""
        with self._errors(name):
            try:
                found = self._objects.get(name, options={"range": (offset, offset + length)})
                begin, end = found.range
                data = bytes(found.bytes())
            except obstore.exceptions.BaseError as error:
                unsatisfiable = _status(error) == 416 or (_status(error) is None and "range" in str(error).lower())
                # The file ends before it, which its length proves.
                if unsatisfiable and int(self._objects.head(name)["size"]) <= offset:
                    return b""
                raise
        if begin != offset or len(data) != end - begin or len(data) > length:
            raise TransientFault(f"{name} at {self.place}: another range than the one that was asked for", "try again")
        return data

    def size(self, name: str) -> int:
        """See `BlobAdapter.size`."""
        check_name(name)
        with self._errors(name):
            try:
                return int(self._objects.head(name)["size"])
            except FileNotFoundError:
                # The answer to HEAD has no body: only GET tells a missing bucket from a missing file.
                return int(self._objects.get(name).meta["size"])

    def delete(self, name: str) -> bool:
        """See `BlobAdapter.delete`."""
        check_name(name)
        with self._errors(name, writing=True):
            try:
                self._objects.delete(name)
            except FileNotFoundError as error:
                if _code(error) in _NO_BUCKET:
                    raise
                return False
        return True

    def names(self, prefix: str = "", after: str = "") -> Iterator[Held]:
        """See `BlobAdapter.names`; pages of a thousand."""
        check_prefix(prefix)
        # The library's prefixes end with whole parts.
        folder = prefix.rpartition("/")[0]
        with self._errors(prefix):
            pages = self._objects.list(folder or None, offset=after or None, chunk_size=_PAGE)
        return self._names(pages, prefix)

    def close(self) -> None:
        """Its connections close themselves when they are idle."""

    # --- within

    def _names(self, pages: Iterator[object], prefix: str) -> Iterator[Held]:
        found = False
        while True:
            with self._errors(prefix):
                page = next(pages, None)
            if page is None:
                break
            found = True
            for each in page:  # type: ignore[attr-defined] # the library's type of a page is not there at run time
                if each["path"].startswith(prefix) and is_name(each["path"]):
                    yield Held(each["path"], int(each["size"]))
        if not found:
            # The library takes any page for an empty listing; only a store says of a file that it is not there.
            with self._errors(prefix), contextlib.suppress(FileNotFoundError):
                self._objects.head(_NONE)
                raise StorageProblem(f"{self.place}: {_NO_STORE}", _ADDRESS)

    def _read(self, name: str, size: int | None) -> tuple[bytes, Version]:
        check_name(name)
        with self._errors(name):
            found = self._objects.get(name)
            meta = found.meta
            # Before its body is taken into memory.
            check_size(name, self.place, int(meta["size"]), size)
            data = self._body(name, found)
        if len(data) != int(meta["size"]):
            raise TransientFault(f"{name} at {self.place}: the answer was cut off", "try again later")
        return data, self._version(meta.get("e_tag"), meta.get("version"))

    def _body(self, name: str, found: obstore.GetResult) -> bytes:
        """All of an answer's body, as long as it comes at a rate with which a person can wait for it."""
        data, began_ns = bytearray(), self._clock.awake_ns()
        for piece in found.stream(min_chunk_size=1):
            data += piece
            if (self._clock.awake_ns() - began_ns) / 1e9 > REMOTE_READ_S + len(data) / REMOTE_BYTES_A_SECOND:
                raise TransientFault(f"{name} at {self.place}: no answer in time", _LATER_ON)
        return bytes(data)

    def _version(self, e_tag: str | None, version: str | None) -> Version:
        if not e_tag and not version:
            # Without one, replacing would have no condition.
            raise StorageProblem(f"{self.place}: {_NO_STORE}", _ADDRESS)
        return f"{e_tag or ''}\n{version or ''}"

    def _overtaken(self, name: str) -> Overtaken:
        return Overtaken(f"{name} at {self.place} was replaced by somebody else", "try again")

    @contextlib.contextmanager
    def _errors(self, name: str, *, writing: bool = False) -> Iterator[None]:
        """Turn the library's errors into the port's."""
        try:
            yield
        except FileNotFoundError as error:
            if writing or _code(error) in _NO_BUCKET:
                raise StorageProblem(f"{self.place}: there is no such bucket", "make it, or correct the name") from None
            raise NotFound(f"{name} is not at {self.place}", "push it first") from None
        except (obstore.exceptions.BaseError, ValueError, OSError) as error:
            # Not `from error`: what the library says holds addresses and answers whole.
            raise self._fault(f"{name} at {self.place}" if name else self.place, error) from None
        except BaseException as error:
            if not _is_panic(error):
                raise
            told = f"{self.place}: the library that reaches it failed"
            raise StorageProblem(told, _ADDRESS) from None

    def _fault(self, at: str, error: Exception) -> PepysError:
        status, code, text = _status(error), _code(error), str(error)
        said = " ".join(filter(None, (str(status or ""), code)))
        if any(place in text for place in _METADATA):
            return PermissionMissing(f"{at}: there are no credentials", _CREDENTIALS[self._kind])
        if status in {401, 403} or code in _REFUSED or isinstance(error, _DENIED):
            return PermissionMissing(f"{at}: access is refused ({said or 'no right'})", _CREDENTIALS[self._kind])
        if status == 404 or code in _NO_BUCKET:
            return StorageProblem(f"{self.place}: there is no such bucket", "make it, or correct the name")
        if status in _LATER:
            slow = status in {429, 503} or code == "SlowDown"
            return TransientFault(f"{at}: {'too many requests' if slow else 'the server failed'} ({said})", _LATER_ON)
        if status is not None:
            moved = 300 <= status < 400
            why = f"it sends us elsewhere ({said})" if moved else f"the server refuses ({said})"
            return StorageProblem(f"{at}: {why}", _ADDRESS if moved else "see what the server's log says")
        return self._unanswered(at, text)

    def _unanswered(self, at: str, text: str) -> PepysError:
        """What it means when there was no answer with a status."""
        if "BadScheme" in text:
            return Usage(f"{at}: the endpoint is not https", "use an https endpoint, or set AWS_ALLOW_HTTP=true")
        if "certificate" in text.lower():
            return StorageProblem(f"{at}: the server's certificate is not to be trusted", "correct the endpoint")
        if _NOWHERE in text or "redirect" in text.lower():
            return StorageProblem(f"{at}: it sends us elsewhere", _ADDRESS)
        if "kind: Timeout" in text or "timed out" in text:
            return TransientFault(f"{at}: no answer in time", _LATER_ON)
        if "kind: Connect" in text:
            return TransientFault(f"{at}: the server cannot be reached", "check the network and the endpoint")
        if "HttpError" in text or "HTTP error" in text or "reqwest" in text:
            return TransientFault(f"{at}: the connection was lost", _LATER_ON)
        return StorageProblem(f"{at}: {_NO_STORE}", _ADDRESS)


_DENIED: Final = (obstore.exceptions.PermissionDeniedError, obstore.exceptions.UnauthenticatedError)
_NOWHERE: Final = "127.0.0.1:1"
_LATER_ON: Final = "try again later"
_ADDRESS: Final = "correct the address, the region (AWS_REGION) or the endpoint (AWS_ENDPOINT_URL)"


def _client(plain: bool, host: str, timeouts: Timeouts) -> ClientConfig:
    client: ClientConfig = {
        "connect_timeout": timedelta(seconds=timeouts.connect_s),
        "read_timeout": timedelta(seconds=timeouts.read_s),
        "timeout": timedelta(seconds=timeouts.request_s),
    }
    if plain:
        client["allow_http"] = True
    if host:
        # The library follows redirects, and has no setting against it: all other hosts lie behind a proxy that is none.
        client["proxy_url"] = f"http://{_NOWHERE}"
        client["proxy_excludes"] = host
    return client


def _open(kind: str, bucket: str, prefix: str, client: ClientConfig) -> Objects:
    once: RetryConfig = {"max_retries": 0}
    below = prefix or None
    if kind == "s3":
        return S3Store(bucket, prefix=below, client_options=client, retry_config=once)
    if kind == "gcs":
        return GCSStore(bucket, prefix=below, client_options=client, retry_config=once)
    return AzureStore(bucket, prefix=below, client_options=client, retry_config=once)


def _is_panic(error: BaseException) -> bool:
    """Whether it is the end of a thread of the library, which derives from no `Exception` and has no name to import."""
    return type(error).__name__ == "PanicException"


def _status(error: Exception) -> int | None:
    found = _STATUS.search(str(error))
    return int(found[1]) if found else None


def _code(error: Exception) -> str:
    found = _CODE.search(str(error))
    return found[1] if found else ""


def _told(version: Version) -> obstore.UpdateVersion:
    e_tag, _, number = version.partition("\n")
    told: obstore.UpdateVersion = {}
    if e_tag:
        told["e_tag"] = e_tag
    if number:
        told["version"] = number
    return told
