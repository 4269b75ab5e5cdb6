"""Writes `docs/commands.md` from the program's own words: `python scripts/commands_page.py FILE`.

Owns the page's frame; commands, options and their help are the program's. A test fails while the page is another.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from pepys.cli import build_app

_HEAD = """# Commands

Generated from the program by `make docs`; do not edit.

Ids may be given as any unique prefix; `last` means the newest session. A time is RFC 3339, or with one session an
offset from its start (`1:02:03.5`, `90s`). With `--json` stdout carries JSON alone, one document, or one object a line
for streams; text for people and progress then go to stderr. Times in JSON are integers with the unit in their name, or
RFC 3339 in UTC.

An error is one line on stderr that says what failed, why and what to do; with `--json` also
`{"error": {"code", "message", "remedy"}}` on stdout.

| exit code | means |
|---|---|
| 0 | done |
| 2 | wrong usage |
| 3 | not found |
| 4 | a device, key or permission is missing |
| 5 | storage is full or cannot be written |
| 6 | data are damaged |
| 8 | busy: a second host, already recording, a port in use |
| 9 | partial: some tracks, stages or records failed, the rest is safe |
| 130 | interrupted, after a clean stop |

## Options of every command

- `--home DIR`: the data folder; else `PEPYS_HOME`, else the platform's place.
- `--json`: machine output on stdout.
- `--debug`: show tracebacks.
- `--help`: show the words of a command. `pepys --version` shows the version.

## What to expect

- **Ending.** Ctrl-C, SIGTERM and SIGHUP end a foreground recording in order, exit 130; `--seconds` and `pepys stop` end
  it with 0. A second Ctrl-C returns at once and the recorder, a process of its own, saves by itself. Before the
  recording began nothing is left. `pepys serve` completes a recording under way before it ends.
- **A start** is whole or not at all: what a flag names is opened, and disk, rights and settings are checked, before the
  session exists. One that fails leaves nothing running and nothing in `list`: exit 4 for a display, a window, a device
  or a right that is missing, 5 for the disk.
- **Keys.** Everything in the home is sealed under its store key, which the master key of this user opens: `master.key`
  in the config folder, mode 0600. `pepys key change --to keyring` or `--to passphrase` keeps it elsewhere, `pepys key
  change` makes another one; a recording goes on meanwhile, and one that was killed is ended by the next. It moves every
  home that the key opens, names them, and waits for the lock of one for 20 s at most; one that is away stops it before
  anything has changed, unless `--leave` gives it up. The former keys, 8 at most, are kept beside `master.key`, sealed
  under the new one: backups of before, and homes that the list of `homes` did not name, open as ever and are moved to
  the present key when they do (with a line on stderr). A copy of the config
  folder is the same key: after a change under one the other needs the recovery code. If you change the key because
  it leaked, give `--forget-former`: no former key is kept then, and earlier backups need the recovery code. What
  somebody copied with the leaked key stays open to them, as the store key does not change. A change that was
  interrupted leaves every home open, under either passphrase where it was between two. A
  keyring that is locked, hangs or is absent is exit 4 within 20 s. A passphrase is asked for at the terminal by every
  command that opens the home and by `pepys serve` once at its start; without a terminal give it on an inherited
  descriptor, `pepys --passphrase-fd 3 serve 3< FILE`. It is never taken from an argument or the environment.
- **A catalog on PostgreSQL.** `[store] catalog = "postgresql://user@host/database"` in the config file, or
  `PEPYS_STORE_CATALOG`, keeps what is listed and searched for in a database of a server (extra `postgres`; UTF8, with
  the extension pg_trgm) instead of in the home. Every command and page gives the same; only the order of search hits
  that are whole words may differ. The server sees names, notes and text in the clear. Recording does not know of it.
  A server that is down or hangs costs 5 s at most (18 s in the middle of an answer) and one line on stderr, until it
  answers again; a daemon then leaves it alone for 30 s at a time. The answer comes from the catalog in the home;
  `pepys rebuild` is then exit 5. What only
  you can change (a wrong password, a missing database or right) is exit 5 too. Two homes of one store key, such as a
  copy, do not share it: the second is exit 5 until `pepys rebuild` there takes it over; a home that was moved takes
  it along. `DROP SCHEMA` with the name that `pepys doctor` shows removes it.
- **Recovery code.** `pepys key export` prints it, `--to FILE` writes it into a new private file. With the code and the
  home everything can be read: keep it apart from both. `pepys key import` asks for it, or reads stdin or `--from FILE`,
  and opens the home on this machine; `--new-master` sets a master key aside that cannot be got any more, and that of a
  change that was interrupted. In a home that
  does not exist it begins one with the same store key. A code of another store is refused, and a typing error is named
  by its group. `pepys key check --from FILE` proves that a code fits. A wrong, missing or damaged master key is exit 4
  and changes nothing; a damaged copy of the wrapped key is restored, and exit 6 comes only when none is left.
- **Sync.** A remote is a bucket (`s3://BUCKET/PREFIX`, `gs://`, `az://`; credentials come from the environment as for
  other programs, `AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL` and so on; extra `objects`) or a folder, as on another
  disk. Without one on the line it is `[store] remote` of the config file, or `PEPYS_STORE_REMOTE`. What goes there is
  encrypted as in the home; only what is missing there is sent. A second device gets the store key with `pepys key
  export` and `pepys key import`; another store in that place is exit 4. Names, tags and notes that several devices
  changed are put together, the last writer of a field wins, and a session deleted on one is deleted on the others when
  they pull; until then they do not bring it back. Nothing is deleted at the remote: a push of everything says how much
  there belongs to no session here. A session that is being recorded is left for the next time: it is named and the
  exit code is 9, as for all that is left out. `pull` proves each piece: a damaged or missing one is named with
  session, track and time, the rest is brought, exit 6. A push replaces a damaged file at the remote where its length
  shows it, or where it is missing; one of the same length only a pull finds: delete it there and push again. Pushing
  does not bring what is damaged here. `--without-media` leaves film, sound and shots at the remote; the
  home notes which and where, `pepys verify` counts them, and what needs one that cannot be had is exit 9. Only they are
  ever asked for at a remote: all else goes on without it. Both can be
  interrupted (exit 130) or killed, and given again; they go on where they were. A remote that cannot be reached is exit
  5, after some tries that are told on stderr; credentials that are refused are exit 4. A session that
  two devices both went on with stays on each as it was recorded: sync leaves it out (exit 9), `pepys export` makes a
  file of each, `pepys rm` deletes both.
- **Countdown.** `--countdown N` opens and lets go of everything that is to be recorded, then counts; `status` has
  `countdown_s`. Ctrl-C stops it with exit 130. `pepys stop` stops it with 0: `record` then ends with 0 too, `start`
  with 130, as it did not begin. Nothing is left of it.
- **Health.** Each track has three clocks: when its source was tried last, when something of it was captured, and when
  something was written. One that should have moved and has not for 2 s makes the track `degraded` at once; `status`,
  its live view, the line of `record`, `/api/v1/health` and the page say which (`stands`) and for how long. A
  source that was not tried or captured for 5 s is opened again, and after 1, 2, 4, 8 and 16 s more; then the track is
  `failed`, looked for every 30 s, and the others go on. A disk that stands still opens nothing again.
- **`status --watch`** on a terminal is one view that is drawn in place, once a second and at once when a state changes:
  state, clocks, what was taken, encoded and dropped, restarts and level of each track; the queue to the disk, how late
  the recorder's loop was, its memory, the room that is left, and whatever needs to be known. Into a pipe it is a line
  each, with `--json` an object a line.
- **Metrics.** The daemon has the same figures at `/metrics` for Prometheus, behind the token as everything else. Their
  names begin with `pepys_` and end in their unit; counters count since the session began.
- **A recorder that dies** while it records is started again and goes on with the session; the time between is a gap
  `crash`. After five times within ten minutes it is left: the session is `interrupted`.
- **A locked screen** is not recorded: the session is paused (`held` in `status`) with a gap `locked`, and goes on when
  the screen is unlocked. `[record] when_locked = "record"` in the config file records it.
- **A recorder that stands still.** After 2 s without a sign of life its tracks are `degraded` and say so, until it goes
  on. `pause` and `resume` give up after 15 s, `stop` after 60 s, and name the process; what was asked is still done
  when the recorder goes on.
- **Sources.** A default source that is not there is named and left out. One named by a flag is required (exit 4),
  unless `--allow-partial`; `--audio` counts as naming its sources, the config file does not.
- **Pictures.** Without a word the display in force is shown. `--monitor`, `--region`, `--window` and `--source` name
  what is shown instead, up to 16, in the order of the line; `--display` then only says which display is meant.
  `--webcam` adds the first camera, behind those that are named. `pepys doctor` lists what exists. A kind of source:
  `display::1`, `monitor:HDMI-1`, `region:800x600+10+20`, `window:0x1400003`, `mss:1` (a monitor by its number, through
  a portable library), `webcam:/dev/video0`, `file:talk.mp4`, `pattern:testsrc2=size=1280x720:rate=30`.
- **Films** (`file:`) are played once, at their own speed, and their end is a gap of their track; when nothing
  else is recorded the recording ends with them. A film is one local
  file that holds its pictures itself: mp4, mov, mkv, webm, avi, mpeg (also transport streams), ogg, flv, asf and wmv,
  gif and apng, mjpeg, ivf, mxf, nut, dv or y4m. Playlists, lists of films, single pictures and anything else are
  exit 4, and nothing that they name is opened. Pictures have 2 to 8192 pixels a side and at most 8192x4320 in all; a
  film that goes on with a larger one ends there. What has more pixels than 3840x2160 is made smaller. Where the times
  of a film jump, or a picture of it stands for more than 10 s, the next picture comes at once.
- **Patterns** (`pattern:`) are one known generator with plain options: at most 8192x4320 pixels and 240 pictures a
  second. More than that, or options that read files, are exit 2.
- **Pauses.** A pause closes cameras, `mss` screens and sound devices, and none of them is tried again until it ends;
  films and patterns stand still, and `resume` goes on where they stood.
- **Windows** are named by id, by a glob on their title, or by a part of it; a title that several have is exit 2, one
  that none has exit 4, and both name those that exist. A window is recorded whole though others cover it, and
  follows moves and sizes. Closing it is a gap of its track and no failure; when it comes back it goes on.
- **Layouts.** `passthrough` is one source as it is. `grid` has as many columns as two, `grid:1` to `grid:4` as many as
  it says. `side-by-side` aligns two to four. `pip` puts the second source into a corner of the first: `pip:top-left`,
  `top-right`, `bottom-left`, `bottom-right`, each with `:small`, `:medium` or `:large`. Without `--layout` a webcam
  beside one other source is `pip`, everything else `grid`. `pepys set` changes sources, layout, what is muted and the
  balance while it records, and nothing else: quality, rate, devices and exclusions are those of the start.
- **Pictures a second.** `--fps N` bounds how often changes are shown. One picture each 0.8 s comes besides, changed or
  not: it begins the next piece of the film.
- **Sound devices.** `--mic` and `--system` name one as the sound server lists it (`pepys doctor` shows them with rate
  and level); such a track stays with it. A track that names none goes where the default device goes: the new one is
  started before the old one is stopped. A device that goes away is replaced by the default, and taken again when it is
  back; the gap says why and names both. A sound server that ends or starts anew costs a gap of its tracks and nothing
  else. While there is no device it is tried again until the recording ends.
- **Mute and balance.** `pepys set --mute mic` records silence of the microphone, `--unmute mic` hears it; `system`
  and the names of a graph's gains go too. It takes effect within 20 ms, without a click, and only from then on: nothing
  is taken back. `--balance` is about the mix that plays with the film: 50 is both whole, below it the system is turned
  down, above it the microphone; 0 and 100 are one alone. The tracks themselves are never turned down by it. A session
  that goes on after a crash is heard as it was set last. Where `set` names pictures too and they cannot be shown, what
  is heard is changed all the same.
- **Account.** Every sample that a device gave is recorded, or counted: `show` says for each track of sound how many
  samples there are and what they are made of: recorded, put in or left out because the device's clock differs, silent
  where nothing came (by reason), muted, refused by the disk. `exact` means that the sums hold to the last sample. What
  was lost is listed with its time and reason. After a crash the account ends with what was stored and is `exact up to
  the crash` (`crashed` in JSON; `untold` are the samples that were stored after its last sums); what lies between that
  and the crash is a loss. Sessions of earlier versions have no account.
- **Clocks.** A device whose clock differs from the computer's is corrected by up to 0.5 % as it goes; beyond that
  samples are left out or put in, in steps of at most 20 ms. `show` tells how much, and the rate.
- **Silence** costs almost nothing: where nothing is to be heard the encoder is told so, and speech is looked for only
  where somebody may speak. A microphone that gives nothing but zeros for 30 s is told as "recording, but nothing is
  heard"; it goes on recording.
- **Levels.** While it records, the line of `record` and `status --watch` shows each track's last second and its peak in
  dBFS; `status --json` has it in `tracks[].level`: `peak_db`, `loudness_lufs`, `voice`. Twenty levels a second are kept
  with the session for the page's waveform; no sound is decoded to draw it.
- **Sound graphs.** `--sound-graph FILE` replaces the way of sound by one of your own: JSON of at most 64 KiB and 64
  nodes, `{"nodes": [{"name", "kind", "params"}], "edges": [[from, to]]}`. Sources are `microphone`, `system`, `file`,
  `tone` and `silence`; filters `gain`, `resample`, `downmix`, `high_pass`, `denoise`, `loudness`, `limiter`, `voice`,
  `meter` and `mix`; sinks `encoder`, `tap`, `meter` and `null`. A graph that does not hold together is exit 2 and names
  the node. A file in it counts from the folder of the graph. `show ID --graph` draws the graph of a session in Mermaid;
  `show ID --graph --json` has one to begin with, under `graph`.
- **What is missing** of what a display could give (DAMAGE, MIT-SHM, XFIXES, a part of a region that lies beyond the
  screen) is said once when it begins, and by `status`.
- **Shots** show the first source that is a screen, else the first; the text that can be searched is read from them, so
  that of other sources is not found. `--shots adaptive`, the default, takes one when another window or title comes to
  the front, when the screen has changed and rests, and between that 10 to 300 s apart, the more often the more happens;
  `--shots SECONDS` takes them evenly. `pepys shot` takes one now. One that shows what an earlier one shows has no bytes
  of its own; `show` counts them by what made the recorder take them.
- **Activity** has windows and titles in front, how many keys, clicks, scrolls and moves there were (never which), and
  stretches without any of more than 60 s.
- **Several sources** are one video; each also has a track of its own, `video.1`, `video.2` and so on, with its health
  and its gaps. One that ends leaves its place black, and is tried again every 1 to 30 s. One that changes and gives
  no picture for more than a second is `degraded`, and called stale.
- **Excluding.** `--exclude` takes a glob, in any case and spelling, against a window's title, application and process;
  with `[record] exclude` in the config file it is added to those. Private browsing and password managers are excluded
  without a word, as far as they can be told: Chrome and Chromium do not mark private windows on X11 unless they were
  started with `--incognito`. The pixels of such a window, its menus, tooltips and dialogs are black before anything is
  composed or encoded; of its title and application nothing is written, and activity says `excluded`. What is painted
  of it elsewhere cannot be known: a compositing manager's overview, window switcher, thumbnails and animations show
  its picture in another place, a taskbar or another program's list may name it, a notification may quote it. A program
  inside another one's window is found six windows deep. The pointer is not drawn while it is on what is black. A title
  that cannot be read whole counts as excluded. `--no-exclude` turns all of it off. A source that shows a screen and
  cannot keep windows out (`mss`) is refused while anything is excluded, exit 4. Patterns are kept with the session,
  encrypted, for `resume ID`; neither `show` nor an export has them.
- **Sizes.** Video is never larger than its source. Its sides are even: an odd last row or column is cut off. When a
  window or a screen changes its size, the new one counts once it has rested for half a second; until then the picture
  is fitted into the old one.
- **A display that hangs** is let go after a second without an answer: a gap, told as `device_lost`. It is tried again
  until it answers; the other tracks go on.
- **Wayland.** An X server inside a Wayland session (XWayland) shows black where other programs are, so it is refused
  with that reason, exit 4.
- **Exit 9** of `record`: a track had failed at the end (a closed window has not), all sources went away, or the
  recorder died and was not started again. Exit 5: it ended at the disk reserve. Both are stronger than 130; what was
  recorded is saved.
- **Hosts.** `record` beside a daemon or another recording is exit 8 and names `pepys start`. `start` and `resume ID`
  need the daemon (exit 3 names `pepys serve`); `stop ID` completes an interrupted session without one. `status` with no
  host says `idle`. When a host was killed its recorder goes on and answers `status`, `set`, `pause`, `resume`, `shot`,
  `stop`, `note` and `mark` itself, until the next host takes it over.
- **Names.** Without a name a session is called after its day and time.
- **Times.** `1:02:03.5`, `2:03`, `90s`, `10m`, `1h30m`, `12.5` (seconds), or RFC 3339. `note` and `mark` with
  `--session` and without `--at` go to the session's end.
- **Deleting.** `rm` asks on a terminal and needs `--yes` elsewhere; a no is exit 130. Of several, exit 9
  when some failed.
- **Exports** replace an existing file only when the new one is whole. Subtitles run on the film's time, JSON on the
  session's axis, gaps included.
- **Enriching** again does and costs nothing; a note written later makes the summary anew. A stage whose engine is not
  installed is `skipped` and says how to get it.
"""
_EVERYWHERE = frozenset({"home", "as_json", "debug", "version", "help"})


def commands(command: Any, name: str = "pepys") -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its full name, in the program's order."""
    below = getattr(command, "commands", {})
    if not below:
        yield name, command
    for word, child in below.items():
        yield from commands(child, f"{name} {word}")


def section(name: str, command: Any) -> str:
    """The part of the page about one command."""
    own = [parameter for parameter in command.params if parameter.name not in _EVERYWHERE and not parameter.hidden]
    words = [_word(parameter) for parameter in own if not parameter.opts[0].startswith("-")]
    lines = [f"## {name}", "", f"`{' '.join([name, *words])}`", "", (command.help or "").strip(), ""]
    lines += [f"- {_described(parameter)}" for parameter in own]
    return "\n".join(lines).rstrip() + "\n"


def render() -> str:
    """The whole page."""
    program = typer.main.get_command(build_app())
    return "\n".join([_HEAD, *(section(name, command) for name, command in commands(program))])


def _word(parameter: Any) -> str:
    word = (parameter.metavar or parameter.name.upper()).strip("[]").removesuffix("...")
    word += "..." if parameter.nargs != 1 else ""
    return word if parameter.required else f"[{word}]"


def _described(parameter: Any) -> str:
    if not parameter.opts[0].startswith("-"):
        return f"`{_word(parameter)}`: {parameter.help or ''}".rstrip(": ")
    value = "" if parameter.is_flag else f" {parameter.metavar or _kind(parameter)}"
    names = ", ".join(f"`{name}{value}`" for name in (*parameter.opts, *parameter.secondary_opts))
    default = parameter.default
    shown = f" Default: {default}." if isinstance(default, (int, float, str)) and not parameter.is_flag else ""
    return f"{names}: {parameter.help or ''}{shown}".rstrip(": ")


def _kind(parameter: Any) -> str:
    choices = getattr(parameter.type, "choices", None)
    if choices:
        return "/".join(choices)
    number = any(word in parameter.type.name for word in ("integer", "float", "number"))
    return "N" if number else str(parameter.name).upper()


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")
