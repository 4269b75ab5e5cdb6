"""The revisions of `ledger.db`."""
