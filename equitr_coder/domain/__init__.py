"""What things are: frozen values and pure functions. Imports nothing of ours."""
