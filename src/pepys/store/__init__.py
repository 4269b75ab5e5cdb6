"""The truth on disk: blobs, journals, chunks, manifests and heads; and what is derived from it, catalog and search.

A *blob* is immutable bytes named by their keyed hash. A *journal* is the append-only log of a session being recorded;
sealed *chunks* of it are blobs, a *manifest* names them, a *head* says which manifest is current. Heads and journals
are the only roots. Everything is encrypted; `docs/FORMAT.md` tells every byte.
"""
