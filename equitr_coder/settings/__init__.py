"""Layered configuration with the source of every value; trust; profiles, presets and worktree set-up as data files."""
