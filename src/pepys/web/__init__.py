"""The HTTP side of the daemon: API, sign-in, the page's files.

Owns what goes over HTTP and who may ask; what a session looks like is `pepys.review`'s, what happens to one is
`pepys.sessions`'s. Serves loopback by default, and nothing of a session without the token.
"""
