"""What the review page shows of a session: rows, overview, buckets of items, the playback stream's table.

Pure readers over the store: they fold, cut and arrange, and change nothing. Sizes are bounded by construction, so that
an overview stays one small request however long the session. No codec is imported: media are decrypted and copied.
"""
