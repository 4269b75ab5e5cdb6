"""pepys keeps the diary of a work session: it records, stores, understands and shows it."""

__version__ = "0.1.0"
