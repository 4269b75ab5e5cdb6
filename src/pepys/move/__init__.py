"""Sessions out of the store: exporters. Those that need codecs run in a one-shot child, `python -m pepys.move`."""
