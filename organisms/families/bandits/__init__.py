"""Two-armed bandits: the smallest family, and the template of a new one."""
