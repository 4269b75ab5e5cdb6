"""Codecs, containers and pictures: the only package that uses PyAV.

It is imported by the recorder, the worker and the media child only, never by host or command line: a test asserts that
`av` is not loaded there. It knows nothing of sessions, files or keys: bytes and arrays go in and come out.
"""
