"""The stage `summary`: a title and a short text made of the session's own sentences.

Speech and notes weigh most; screen text counts only where it reads as prose, because most of a screen is code, menus
and what recognition made of icons. The same inputs give the same words. A title made here never replaces a name that a
person gave: readers show it only where there is none.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from importlib import metadata
from typing import Final

from pepys import limits
from pepys.enrich.plan import summary_units
from pepys.enrich.stage import EngineMissing, Item, Source, Unit
from pepys.model.artifacts import Summary, screen_text_from_json, to_json, utterance_from_json
from pepys.model.session import Session

TITLE_CHARS: Final = 60
TEXT_CHARS: Final = 480
POINTS_CHARS: Final = 700
POINTS: Final = 5
NOTE_POINTS: Final = 3
FOCUS_APPS: Final = 3
SPEECH_ENOUGH: Final = 6
"""Sentences; with fewer than these the screen's prose speaks too."""
SCREEN_SENTENCES: Final = 60
TITLE_WORDS: Final = 4
"""A sentence of fewer words names nothing."""
GREETING_WORDS: Final = 4
SPARE: Final = 3
"""Up to so many times as much is asked for, because some of it repeats."""
ALIKE: Final = 0.6
"""Of the words of two sentences together: near enough where there is more than fits."""
SAME: Final = 0.75
"""Of the words of two sentences together: one sentence, heard or read twice."""
PAUSE_MS: Final = 2_000
"""A sentence does not go on after a longer silence."""

_PLAIN_WORDS: Final = frozenset(
    (
        "a", "about", "after", "and", "are", "as", "at", "be", "been", "but", "by", "can", "do", "for", "from",
        "had", "has", "have", "how", "i", "if", "in", "into", "is", "it", "its", "more", "my", "no", "not",
        "of", "on", "one", "or", "our", "out", "over", "so", "than", "that", "the", "their", "them", "then",
        "there", "they", "this", "to", "up", "was", "we", "were", "what", "when", "which", "will", "with",
        "you", "your",
    )
)  # fmt: skip
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+")
_PUNCTUATION: Final = ".,;:!?…()[]\"'“”‘’"
_CLAUSE_END: Final = re.compile(r"[,;:]\s|\s[-–—]\s")
_FILLERS: Final = re.compile(r"^(?:(?:so|and|but|well|okay|ok|now|um|uh|er|right|then|yeah|yes),?\s+)+", re.IGNORECASE)
_GREETING: Final = re.compile(r"^(?:good (?:morning|afternoon|evening)|hello|hi|thanks|thank you|bye)\b", re.IGNORECASE)


class SummaryStage:
    """The extractive summary."""

    name = "summary"
    version = 2

    def units(self, session: Session) -> tuple[Unit, ...]:
        """One unit, made from what the other stages made."""
        return summary_units(session)

    def engine(self) -> str:
        """The extractor's name.

        Raises:
            EngineMissing: it is not installed.
        """
        try:
            return f"lede {metadata.version('lede')}"
        except metadata.PackageNotFoundError:
            raise EngineMissing("no summary can be made: lede is not installed", "install pepys anew") from None

    def run(self, unit: Unit, source: Source) -> list[Item]:
        """Choose the sentences."""
        session = source.session
        notes = _distinct(note.text for note in session.notes if note.kind == "note" and note.text.strip())
        speech = _speech_sentences(source.items("transcript"))
        screen = _screen_sentences(source.items("screen_text"))
        sentences = speech if len(speech) >= SPEECH_ENOUGH else _folded([*speech, *screen[:SCREEN_SENTENCES]])
        apps = _apps(session)
        chosen = _choose(sentences, TEXT_CHARS)
        text = " ".join([*(_sentence(note) for note in notes[:NOTE_POINTS] if not chosen), *chosen])
        if apps:
            text = f"{text} In front: {', '.join(apps)}.".strip()
        points = _distinct([*notes[:NOTE_POINTS], *(_others(sentences, chosen) or chosen)])[:POINTS]
        title = _title(notes, speech, screen, session)
        return [to_json(Summary(title, text, tuple(points)))]


def _speech_sentences(items: Sequence[Item]) -> list[str]:
    """What was said, in time order over all tracks, as sentences."""
    spoken = sorted((utterance_from_json(item) for item in items), key=lambda turn: (turn.start_ms, turn.track))
    by_track: dict[str, list[str]] = defaultdict(list)
    ended_ms: dict[str, int] = {}
    order: list[tuple[int, str, int]] = []
    for turn in spoken:
        parts = by_track[turn.track]
        near = turn.start_ms - ended_ms.get(turn.track, turn.start_ms) <= PAUSE_MS
        if parts and near and _goes_on(parts[-1], turn.text) and len(parts[-1]) < TEXT_CHARS:
            parts[-1] = f"{parts[-1]} {turn.text}"
        else:
            order.append((turn.start_ms, turn.track, len(parts)))
            parts.append(turn.text)
        ended_ms[turn.track] = turn.end_ms
    whole = (by_track[track][index] for _, track, index in sorted(order))
    parts = _distinct(part for text in whole for part in _SENTENCE_END.split(text))
    return _folded(parts[: limits.SUMMARY_SENTENCES])


def _goes_on(text: str, after: str) -> bool:
    """Whether `after` is the rest of the sentence `text` began: the engine begins a sentence with a capital letter."""
    return text[-1:] not in ".!?" and after.lstrip()[:1].islower()


def _screen_sentences(items: Sequence[Item]) -> list[str]:
    """Lines of the screen that read as prose, each once, those that stayed longest on screen first."""
    seen: dict[str, int] = {}
    for item in items:
        for line in screen_text_from_json(item).lines:
            if _is_prose(line.text):
                seen[line.text] = seen.get(line.text, 0) + 1
    return _folded(sorted(seen, key=lambda text: -seen[text])[: limits.SUMMARY_SENTENCES])


def _is_prose(text: str) -> bool:
    """Whether a line of screen text is part of a sentence rather than code, a menu, a path or noise."""
    words = text.split()
    if not 5 <= len(words) <= 60:
        return False
    plain = [word.strip(".,;:!?()\"'").lower() for word in words]
    alphabetic = sum(word.replace("'", "").replace("-", "").isalpha() for word in plain)
    common = sum(word in _PLAIN_WORDS for word in plain)
    return (
        alphabetic >= 0.8 * len(words) and common >= max(1, len(words) // 6) and not re.search(r"[{}<>=|\\_~^$#]", text)
    )


def _words(text: str) -> list[str]:
    """The words of a sentence without case and punctuation."""
    return [word for part in text.casefold().split() if (word := part.strip(_PUNCTUATION))]


def _alike(one: Collection[str], other: Collection[str], part: float) -> bool:
    """Whether two sentences, given their words, say the same in nearly the same words."""
    words, others = set(one), set(other)
    shared = len(words & others)
    return shared >= part * (len(words) + len(others) - shared)


def _is_same(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether two sentences are one that was heard or read twice; other numbers make another sentence."""
    if min(len(one), len(other)) < SAME * max(len(one), len(other)):  # for speed: of 2,000 each meets each
        return False
    return _alike(one, other, SAME) and not any(any(map(str.isdigit, word)) for word in one ^ other)


def _is_within(part: Sequence[str], whole: Sequence[str]) -> bool:
    """Whether `part` stands in `whole`, word by word."""
    size = len(part)
    return any(list(whole[first : first + size]) == list(part) for first in range(len(whole) - size + 1))


def _folded(sentences: Iterable[str]) -> list[str]:
    """Each sentence once, in the first one's place, and no fragment beside the sentence that holds it.

    Recognition says a sentence's last word alone before the sentence, and reads one line in two ways.
    """
    kept: list[tuple[str, list[str], frozenset[str]]] = []
    for text in sentences:
        words = _words(text)
        if not words:
            continue
        while kept and len(kept[-1][1]) < len(words) and _is_within(kept[-1][1], words):
            kept.pop()
        if kept and _is_within(words, kept[-1][1]):
            continue
        different = frozenset(words)
        if not any(_is_same(different, others) for _, _, others in kept):
            kept.append((text, words, different))
    return [text for text, _, _ in kept]


def _is_greeting(text: str) -> bool:
    return len(text.split()) <= GREETING_WORDS and _GREETING.match(text) is not None


def _choose(sentences: Sequence[str], chars: int) -> list[str]:
    """The sentences that say most, in their order, within about `chars` characters."""
    import lede

    usable: list[str] = []
    size = 0
    for sentence in (_sentence(text) for text in sentences if not _is_greeting(text)):
        size += len(sentence)
        if size > limits.SUMMARY_INPUT_CHARS:
            break
        usable.append(sentence)
    if sum(map(len, usable)) <= chars:
        return usable
    chosen: list[str] = []
    for more in range(1, SPARE + 1):
        made = str(lede.summarize("\n\n".join(usable), max_length=chars * more))
        chosen = _fitting((sentence for sentence in usable if sentence in made), chars)
        if sum(map(len, chosen)) >= chars // 2:
            break
    return chosen or [_shortened(usable[0], chars)]


def _others(sentences: Sequence[str], told: Sequence[str]) -> list[str]:
    """The sentences that say most beside those told already."""
    rest = [text for text in sentences if len(text.split()) >= TITLE_WORDS and _sentence(text) not in told]
    return _choose(rest, POINTS_CHARS) if rest else []


def _fitting(sentences: Iterable[str], chars: int) -> list[str]:
    """As many as `chars` holds, none that says the same as an earlier one."""
    fitting: list[str] = []
    for sentence in sentences:
        if len(sentence) <= chars and not any(_alike(_words(sentence), _words(other), ALIKE) for other in fitting):
            fitting.append(sentence)
            chars -= len(sentence)
    return fitting


def _title(notes: Sequence[str], speech: Sequence[str], screen: Sequence[str], session: Session) -> str:
    """What was said that says most, else the first note, else the window longest in front, else the screen's prose."""
    if spoken := _telling(speech):
        return spoken
    if notes:
        return _shortened(notes[0], TITLE_CHARS)
    lasted: dict[str, int] = defaultdict(int)
    for focus in session.focus:
        if not focus.excluded:
            lasted[focus.title or focus.app] += focus.end_ns - focus.start_ns
    titles = sorted((title for title in lasted if title), key=lambda title: (-lasted[title], title))
    return _shortened(titles[0], TITLE_CHARS) if titles else _telling(screen)


def _telling(sentences: Sequence[str]) -> str:
    """The sentence that says most, short enough for a title; empty where none is long enough."""
    candidates = [text for text in sentences if len(text.split()) >= TITLE_WORDS and not _is_greeting(text)]
    chosen = _choose(candidates, 2 * TITLE_CHARS) if candidates else []
    return _shortened(_FILLERS.sub("", chosen[0]), TITLE_CHARS) if chosen else ""


def _apps(session: Session) -> list[str]:
    """The applications that were longest in front, with how long."""
    lasted: dict[str, int] = defaultdict(int)
    for focus in session.focus:
        if focus.app and not focus.excluded:
            lasted[focus.app] += focus.end_ns - focus.start_ns
    ranked = sorted(lasted, key=lambda app: (-lasted[app], app))[:FOCUS_APPS]
    return [f"{app} ({_duration(lasted[app])})" for app in ranked]


def _duration(duration_ns: int) -> str:
    seconds = duration_ns // limits.NS_PER_S
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _sentence(text: str) -> str:
    """One line that ends like a sentence."""
    line = " ".join(text.split())
    return line if line[-1:] in ".!?" else f"{line}."


def _shortened(text: str, chars: int) -> str:
    """At most `chars` characters, cut at a clause or a word; without a final full stop."""
    line = " ".join(text.split()).rstrip(".")
    if len(line) <= chars:
        return line[:1].upper() + line[1:]
    clauses = [match.start() for match in _CLAUSE_END.finditer(line) if chars // 3 <= match.start() <= chars]
    if clauses:
        cut = line[: clauses[-1]]
    else:
        head = line[: chars - 1]
        cut = (head.rsplit(" ", 1)[0] if " " in head else head) + "…"
    return cut[:1].upper() + cut[1:]


def _distinct(texts: Iterable[str]) -> list[str]:
    """Each text once, whatever its case, in the first one's place."""
    kept: dict[str, str] = {}
    for text in texts:
        line = " ".join(text.split())
        if line:
            kept.setdefault(line.casefold(), line)
    return list(kept.values())
