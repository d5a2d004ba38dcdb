"""For every test: laws are held to their content, never to the clock."""

from hypothesis import settings

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")
