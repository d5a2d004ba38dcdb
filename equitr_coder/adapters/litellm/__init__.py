"""Every provider that does not speak the OpenAI wire, through litellm. The only package that imports it."""
