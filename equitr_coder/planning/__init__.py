"""The planning phase: conversation, documents, and the rules a plan must pass. Drives an agent through ports only."""
