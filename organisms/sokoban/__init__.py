"""Sokoban: levels, world, solver, networks, concepts; see `organisms.sokoban.organism`."""
