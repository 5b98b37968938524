"""The demonstration's firm and its market."""
