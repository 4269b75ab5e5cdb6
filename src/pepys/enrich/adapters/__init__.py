"""Engines behind the ports of enrichment; each is imported only in the worker process, when its stage runs."""
