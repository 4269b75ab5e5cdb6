"""Use cases over recorder, store and enrichment: the host, its statechart, queries, notes and edits.

Nothing is imported here: `pepys status` and `pepys note` need only `control`.
"""
