"""A word about a file that no longer parses. Advice only: the write stands."""

import ast
import json
import re
import sys
import warnings
from pathlib import PurePosixPath

_TOO_DEEP = "syntax error at line 1: nested too deeply"


def syntax_note(path: str, text: str) -> str:
    """`syntax error at line N: ...` for a Python, JSON, TOML or YAML file that does not parse; else empty."""
    match PurePosixPath(path).suffix.lower():
        case ".py" | ".pyi":
            fault = _python_fault(text)
        case ".json":
            fault = _json_fault(text)
        case ".toml":
            fault = _toml_fault(text)
        case ".yaml" | ".yml":
            fault = _yaml_fault(text)
        case _:
            fault = ""
    return f"Note: {path} was written, but has a {fault}. Mend it unless it is meant." if fault else ""


def _python_fault(text: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except SyntaxError as error:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        return f"syntax error at line {error.lineno or 1}: {error.msg} (read as Python {version})"
    except ValueError as error:
        return f"syntax error at line 1: {error}"
    except (RecursionError, MemoryError):
        return _TOO_DEEP
    return ""


def _json_fault(text: str) -> str:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return f"syntax error at line {error.lineno}: {error.msg}"
    except RecursionError:
        return _TOO_DEEP
    return ""


def _toml_fault(text: str) -> str:
    import tomllib  # seldom needed

    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        found = re.search(r"\(at line (\d+), column \d+\)", message)
        line = found.group(1) if found else str(text.count("\n") + 1)
        return f"syntax error at line {line}: {message}"
    except RecursionError:
        return _TOO_DEEP
    return ""


def _yaml_fault(text: str) -> str:
    import yaml

    try:
        for _event in yaml.parse(text, Loader=yaml.SafeLoader):
            pass
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return f"syntax error at line {mark.line + 1 if mark else 1}: {error.problem or error.context}"
    except yaml.YAMLError as error:
        return f"syntax error at line 1: {error}"
    except RecursionError:
        return _TOO_DEEP
    return ""
