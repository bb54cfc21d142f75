"""What worlds on boards of squares share."""
