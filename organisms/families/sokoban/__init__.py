"""Sokoban: levels, world, solver, networks, concepts; see `organisms.families.sokoban.organism`."""
