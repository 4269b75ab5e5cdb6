"""The revisions of `work.db`."""
