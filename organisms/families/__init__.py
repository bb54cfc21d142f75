"""The families of organisms, one folder each."""
