"""The one door: commands in, events out."""
