"""Many agents: what each does where objectives part, and what can be forecast of it."""
