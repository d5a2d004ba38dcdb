"""Scripted servers that speak as the providers do: their paths, keys, requests, streams, lists and errors.

One script drives them all; each refuses malformed requests in its own words.
"""

from equitr_coder.testing.wires.anthropic import Anthropic
from equitr_coder.testing.wires.compatible import Compatible, Groq, OpenAI, OpenRouter
from equitr_coder.testing.wires.gemini import Gemini
from equitr_coder.testing.wires.ollama import Ollama
from equitr_coder.testing.wires.server import ProviderServer, Received, serve_provider

__all__ = [
    "Anthropic",
    "Compatible",
    "Gemini",
    "Groq",
    "Ollama",
    "OpenAI",
    "OpenRouter",
    "ProviderServer",
    "Received",
    "serve_provider",
]
