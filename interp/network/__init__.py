"""Hook points, the clock, capture, wrapping: one firing and where in the run it is."""
