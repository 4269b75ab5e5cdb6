"""The local stages, in the order they run in."""

from __future__ import annotations

from pepys.enrich.stage import Stage
from pepys.enrich.stages.screen_text import ScreenTextStage
from pepys.enrich.stages.summary import SummaryStage
from pepys.enrich.stages.transcript import TranscriptStage


def local_stages() -> tuple[Stage, ...]:
    """Every local stage; a later one may read what earlier ones made."""
    return (ScreenTextStage(), TranscriptStage(), SummaryStage())
