"""The main job from nothing: a display, a sound server and a little activity where a machine has none.

Owns the servers that a demo or a test starts for itself (`servers`), the desktop activity that is worth recording
(`activity`) and the demo's course (`show`). Everything started here is ended here. It leaves recording to `sessions`.
"""
