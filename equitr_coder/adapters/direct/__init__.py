"""OpenAI chat completions over httpx: the wire most endpoints speak, without a provider library."""
