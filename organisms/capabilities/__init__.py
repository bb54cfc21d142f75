"""What some families can do and others cannot, one file each."""
