"""How pepys starts its own modules in processes of their own.

Python puts the current folder first on its path where it runs a module by name: whoever works in a folder that holds
`json.py` would run that instead, and hand it the keys. So it is told not to; `PYTHONPATH` still counts, as the user
sets it.
"""

from __future__ import annotations

import sys


def module_words(name: str, *words: str) -> list[str]:
    """The words that run a module with this Python, and nothing of the current folder.

    Args:
        name: the module.
        words: its arguments.
    """
    return [sys.executable, "-P", "-m", name, *words]
