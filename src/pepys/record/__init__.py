"""The recorder: one child process a session that captures, encodes, encrypts and writes.

Ports stand in `ports`, what talks to a system stands in `adapters`. Everything is durable before it is reported.
"""
