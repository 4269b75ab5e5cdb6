"""The test suite; `CONTRIBUTING.md` says which folder holds what."""
