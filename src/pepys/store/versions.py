"""The newest version of each database's tables, which its `user_version` is compared with. Imports nothing."""

from __future__ import annotations

from typing import Final

VERSIONS: Final = {"catalog": 2, "work": 2, "ledger": 3}
SERVER_FROM: Final = 2
"""The first version of the catalog that PostgreSQL ever had."""
