"""The revisions of `catalog.db`."""
