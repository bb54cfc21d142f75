"""Agents of one's own in gymnasium worlds, as organisms."""
