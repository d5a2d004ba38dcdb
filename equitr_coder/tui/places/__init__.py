"""What the middle of the screen shows: one module a place. The prompt below it never moves."""
