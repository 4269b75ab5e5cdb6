"""Engines behind the ports of enrichment; each is imported only in the worker process, when its stage runs.

Invariant: no engine's library calls home. onnxruntime, which the speech engine's voice detection runs on, otherwise
leaves a device's id and a queue of events for its maker under the user's cache folder; huggingface_hub would ask its
maker for models. Both read these variables when they are first imported, which is after this package: whoever imports
such a library without an adapter imports this package before it.
"""

from __future__ import annotations

import os
from typing import Final

SILENCED: Final = {
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}
"""What a user's environment says to the contrary does not count."""

os.environ.update(SILENCED)
