"""Commands of agents and checks: confined by bubblewrap, or plainly run when there is no sandbox."""
