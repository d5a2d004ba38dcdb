"""`ports.Repository` over the git command: snapshots, worktrees, merges and landings."""
