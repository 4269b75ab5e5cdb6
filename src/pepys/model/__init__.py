"""What pepys knows of a session, as frozen data: ids, events, manifests, artifacts and the fold over them.

No input or output happens here. Every other layer speaks in these types; `docs/FORMAT.md` says how they lie on disk.
"""
