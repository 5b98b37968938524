"""Pure decisions of liquidation: no Django, no clock, no I/O."""
