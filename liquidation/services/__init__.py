"""The verbs: every write, with its audit entry in the same transaction."""
