"""`pepys serve` and `pepys open`: the daemon, and the way to its page."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from pepys.cli.options import DebugOption, HomeOption, JsonOption
from pepys.cli.output import Output
from pepys.errors import Interrupted, NotFound, PepysError, Usage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pepys.web.daemon import Daemon

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(serve)
    app.command("open")(open_page)


def serve(
    port: Annotated[
        int | None, typer.Option(metavar="N", min=0, max=65535, help="The port; 0 takes any free one.")
    ] = None,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="The address to listen on.")] = "127.0.0.1",
    *,
    home: HomeOption,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Run the daemon: it records on request, enriches what ended and serves the page.

    Prints a sign-in address, good once and for ten minutes; `pepys open` makes another.
    """
    from pepys.config import load_settings

    settings = load_settings({"serve": {"port": port}})
    out = Output(as_json)

    def announce(address: str) -> None:
        out.record({"address": address})
        out.text(address)
        out.text(f"Serving {home}. The address is good once, for 10 minutes; `pepys open` makes another.")
        if host not in _LOOPBACK:
            out.warn(f"Listening on {host}: others in the network can reach the page; nothing is encrypted on the way.")

    _run(home, "127.0.0.1" if host == "localhost" else host, settings.serve.port, announce, out)


def open_page(
    session: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="A session to open; `last` is the newest.")
    ] = None,
    *,
    home: HomeOption,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Open the page in the browser, signed in, and print its address.

    Where no daemon serves the home, this command becomes one and serves until Ctrl-C.
    """
    from pepys.sessions.control import NoHost, ask_host

    out = Output(as_json)
    try:
        told = ask_host(home, "signin", session=session)
    except NoHost:
        _serve_and_show(home, session, out)
        return
    except Usage as error:
        # A foreground recording is a host too, but one without a page.
        if "signin" not in error.message:
            raise
        raise NotFound(
            f"a recording in the foreground holds {home}, and it serves no page", "end it, then open again"
        ) from error
    address = str(told["address"])
    out.record({"address": address, "opened": _show(address)})
    out.text(address)


def _serve_and_show(home: Path, session: str | None, out: Output) -> None:
    from pepys.store.catalog import resolve_session
    from pepys.store.store import open_store

    page = "/" if session is None else f"/s/{resolve_session(open_store(home, create=False), session)}"

    def announce(address: str) -> None:
        out.record({"address": address, "opened": _show(address)})
        out.text(address)
        out.text(f"No daemon was running: this one serves {home} until Ctrl-C.")

    # Any free port: the configured one may serve another home, and nobody has a bookmark of this one.
    _run(home, "127.0.0.1", 0, announce, out, page)


def _run(home: Path, host: str, port: int, announce: Callable[[str], None], out: Output, page: str = "/") -> None:
    """Be the daemon until a signal; ends as Interrupted after Ctrl-C."""
    from pepys.sessions.blocks import run

    daemon = _daemon(home, host, port, announce, page, out.warn)
    if not daemon.has_page:
        out.warn("This installation has the API alone: its page was not built (`make ui`).")
    run(daemon.run())
    if daemon.interrupted:
        raise Interrupted("stopped")


def _show(address: str) -> bool:
    """Open the address in the user's browser, where there is a screen to show it on."""
    screen = sys.platform in {"win32", "darwin"} or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not screen:
        return False
    import webbrowser

    try:
        return webbrowser.open(address)
    except (webbrowser.Error, OSError):
        return False


def _daemon(
    home: Path, host: str, port: int, announce: Callable[[str], None], page: str, warn: Callable[[str], None]
) -> Daemon:
    try:
        from pepys.web.daemon import Daemon
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("pepys"):
            raise
        raise PepysError(f"the server needs {error.name}", "install pepys with its extra [server]") from error
    return Daemon(home, host, port, announce, page, warn)
