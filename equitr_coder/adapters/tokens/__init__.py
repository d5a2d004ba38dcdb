"""Bounds of input tokens before a call is sent."""

from equitr_coder.adapters.tokens.byte_counter import ByteTokenCounter

__all__ = ["ByteTokenCounter"]
