"""Interventions as records: addresses, operations, values, conditions, subspaces, files."""
