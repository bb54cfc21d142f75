"""The zarr store of a recording: layout, writing, reading, verifying."""
