"""Commands: doors that a terminal opens."""
