"""How organisms are trained: one readable file per method."""
