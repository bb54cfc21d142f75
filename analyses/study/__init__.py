"""The main job and its page."""
