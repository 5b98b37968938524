"""How times and numbers read in the browser."""
