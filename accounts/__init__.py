"""Who may trade, how much, and whether they are locked."""
