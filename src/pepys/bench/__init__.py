"""The project's own benchmarks, for users and contributors: each figure beside its bar, or against a peer in one run.

An entry point like `doctor`: it starts the program as a user would and looks at it from outside. Owns what is shown to
recorders (`load`), the accounts of their processes, and the figures as data; leaves printing to `cli.bench` and
`benchmarks/`. Nothing here imports a codec: films are read in a child (`film`).
"""
