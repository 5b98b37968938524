"""Ways to a venue. Each carries orders, cancels and looks; none decides anything."""
