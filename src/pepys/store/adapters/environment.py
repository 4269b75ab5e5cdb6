"""What the environment says of an object store, proven before the library takes it: that one ends hard at some of it.

Owns which variables those are. No message repeats a credential.
"""

from __future__ import annotations

import os
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from pepys.errors import Usage

ENDPOINTS: Final = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "gcs": (),
    "azure": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
"""By kind the variables that name a server, the first that counts first."""
_PREFIXES: Final = {"s3": ("AWS_",), "gcs": ("GOOGLE_",), "azure": ("AZURE_",)}
_WORDS: Final = re.compile(r"(AWS|AZURE)_.*(KEY|KEY_ID|TOKEN|SECRET|REGION|ACCOUNT_NAME|CLIENT_ID|TENANT_ID)")
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")


def prove(kind: str) -> None:
    """See that the library can take what the environment says of a kind of store; what is set and empty goes.

    Args:
        kind: `s3`, `gcs` or `azure`.

    Raises:
        Usage: an endpoint is no address, or a credential has white space or a character that none has.
    """
    for name in [name for name in os.environ if name.upper().startswith(_PREFIXES[kind])]:
        value = os.environ[name]
        if not value:
            # As good as none to everybody but the library, which takes it for an address.
            del os.environ[name]
        elif _WORDS.fullmatch(name.upper()) and not _is_word(value):
            told = f"{name} has white space or a line break in it, or another character that none has"
            raise Usage(told, "copy it again, without what stands around it")
    for name in ENDPOINTS[kind]:
        if os.environ.get(name):
            _prove_endpoint(name, os.environ[name])


def endpoint() -> SplitResult:
    """The S3 server that is named, after `prove`; one without a host where none is."""
    return urlsplit(next((os.environ[name] for name in ENDPOINTS["s3"] if os.environ.get(name)), ""))


def _prove_endpoint(name: str, text: str) -> None:
    try:
        parts = urlsplit(text)
        whole = parts.scheme in {"http", "https"} and _HOST.fullmatch(parts.hostname or "") is not None
        # Reading the port raises where it is none.
        whole = whole and parts.port != 0 and _is_word(text) and not (parts.query or parts.fragment)
    except ValueError:
        whole = False
    else:
        if "@" in parts.netloc:
            raise Usage(f"{name} holds more than an address", "give credentials by variables of their own")
    if not whole:
        raise Usage(f"{name} is no address: {text[:80]!r}", "write it as https://HOST or https://HOST:PORT")


def _is_word(text: str) -> bool:
    return all("!" <= char <= "~" for char in text)
