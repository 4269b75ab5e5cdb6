"""The adapters of `pepys.store.blob_port`: places that keep sealed files, and what is put around them."""
