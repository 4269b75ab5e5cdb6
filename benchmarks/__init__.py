"""The project's own measurements: each prints a ratio against a peer, or a bar that a user feels, in one run."""
