"""Which provider a model name means, which adapter serves it, and what an endpoint offers."""
