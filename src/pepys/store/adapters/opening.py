"""From an address to the adapter of it.

Owns the forms of addresses. No library of an object store is loaded for a folder, and none before it is needed.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from pepys.clock import Clock
from pepys.errors import DeviceMissing, Usage
from pepys.store.adapters.environment import endpoint, prove
from pepys.store.adapters.folder import FolderAdapter
from pepys.store.adapters.retrying import Patience, Retrying, Told
from pepys.store.adapters.timeouts import Timeouts
from pepys.store.blob_port import BlobAdapter, is_name

_KINDS: Final = {"s3": "s3", "gs": "gcs", "az": "azure"}
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}")
_FORMS: Final = "s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, or a folder's whole path"
_PROXIES: Final = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def open_remote(
    text: str,
    *,
    clock: Clock | None = None,
    told: Told | None = None,
    patience: Patience | None = None,
    timeouts: Timeouts | None = None,
) -> BlobAdapter:
    """The place at an address, with retries around it where it is distant. Nothing is asked of it yet.

    Args:
        text: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`, `/folder`, `file:///folder`;
            credentials, region and endpoint come from the environment as usual (`AWS_ACCESS_KEY_ID` and so on).
        clock: the time; the system's unless given.
        told: hears of each fault that is retried: the fault, the number of the try that failed (from 1), and the
            pause in seconds.
        patience: how often and how long a call is tried.
        timeouts: of one request.

    Raises:
        Usage: it is no such address, it holds credentials, or what the environment says of it makes no sense.
        DeviceMissing: obstore is not installed.
    """
    if "\0" in text:
        raise Usage("the address of a remote has a NUL in it", _FORMS)
    if text.startswith("/") or (len(text) > 2 and text[1:3] == ":\\"):
        return FolderAdapter(Path(text), clock=clock)
    try:
        parts = urlsplit(text)
    except ValueError:
        raise Usage("the address of a remote is none", _FORMS) from None
    if "@" in parts.netloc or parts.query or parts.fragment:
        # It would stand in shells' histories and lists of processes; and is not repeated here.
        raise Usage("the address of a remote holds more than a place", "give credentials by the environment")
    if parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path.startswith("/"):
        return FolderAdapter(Path(unquote(parts.path)), clock=clock)
    prefix = parts.path.strip("/")
    if parts.scheme not in _KINDS or not _BUCKET.fullmatch(parts.netloc) or (prefix and not is_name(prefix)):
        raise Usage(f"{text[:80]!r} is no address of a remote", _FORMS)
    adapter = _objects(_KINDS[parts.scheme], parts.netloc, prefix, timeouts)
    return Retrying(adapter, patience=patience, clock=clock, told=told)


def _objects(kind: str, bucket: str, prefix: str, timeouts: Timeouts | None) -> BlobAdapter:
    try:
        from pepys.store.adapters.objects import ObjectAdapter
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "obstore":
            raise
        told = "the library obstore, which reaches object stores, is not installed"
        raise DeviceMissing(told, "install it: pip install 'pepys[objects]'") from None
    prove(kind)
    if kind != "s3":
        return ObjectAdapter(kind, bucket, prefix, timeouts=timeouts)
    scheme, host = endpoint().scheme, endpoint().hostname or ""
    here = host in _HERE
    # Who names an endpoint means that one. Through a proxy it is found by it, and with credentials of a role others are
    # asked too; a server on this machine needs neither.
    alone = here or (bool(os.environ.get("AWS_ACCESS_KEY_ID")) and not any(map(os.environ.get, _PROXIES)))
    plain = here and scheme == "http"
    return ObjectAdapter(kind, bucket, prefix, plain=plain, host=host if alone else "", timeouts=timeouts)
