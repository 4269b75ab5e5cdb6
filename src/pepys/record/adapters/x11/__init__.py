"""X11 displays as sources of pictures."""
