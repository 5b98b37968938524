"""What is done when a limit is breached."""
