"""Where prices and fills come from."""
