"""Enrichment: resumable stages that turn a session's pictures and sound into text, and the process that runs them.

Importing anything here but `__main__` and `adapters` loads no engine: command line and daemon plan and ask, only the
worker process reads and listens.
"""
