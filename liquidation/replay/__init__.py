"""Run a book through tapes: the real engine, services and simulated exchange on the tapes' clock."""
