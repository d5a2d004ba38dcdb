"""Python text to a tree, whatever the text is: artifacts and files are written by models."""

import ast
import warnings

_NO_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)
"""MemoryError is what the parser says of text that nests too deeply, such as one word ten thousand times."""


def parsed(code: str) -> ast.Module | None:
    """None when it is no Python. Warnings about it are nobody's business here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(code)
        except _NO_PYTHON:
            return None


def parsed_expression(text: str) -> ast.expr | None:
    tree = parsed(text.strip())
    match tree:
        case ast.Module(body=[ast.Expr(value=value)]):
            return value
        case _:
            return None
