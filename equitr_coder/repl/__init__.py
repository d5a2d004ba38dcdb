"""The inline prompt: prompt-toolkit's line editing over the terminal's own scrollback."""
