"""Configuration from variables: `EQUITR_LLM__BUDGET` is `llm.budget`. Other `EQUITR_*` variables are left alone."""

from collections.abc import Mapping

from equitr_coder.settings.faults import Fault, KeyPath, place_hint
from equitr_coder.settings.keys import holds_text, known_keys, section_at, takes_plain_name
from equitr_coder.settings.yaml_text import Node, YamlError, read

PREFIX = "EQUITR_"
SEPARATOR = "__"


def variable_name(path: KeyPath) -> str:
    return PREFIX + SEPARATOR.join(part.upper() for part in path)


def environment_values(
    environ: Mapping[str, str], faults: list[Fault], warnings: list[str]
) -> list[tuple[str, KeyPath, Node]]:
    """Variable, key and value, the less specific keys first."""
    found: list[tuple[str, KeyPath, Node]] = []
    single = {"_".join(path): path for path in known_keys()}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX):
            continue
        rest = variable.removeprefix(PREFIX).lower()
        if SEPARATOR not in rest and section_at((rest,)) is None:
            if (meant := single.get(rest)) is not None:
                hint = f"write two underscores between the parts: {variable_name(meant)}"
                faults.append(Fault(f"environment {variable}", meant, "a variable of this name is not read", hint))
            continue
        path = tuple(rest.split(SEPARATOR))
        text = environ[variable]
        if not text.strip():
            warnings.append(f"{variable} is empty; it is taken as not set")
            continue
        try:
            found.append((variable, path, _value(text, path)))
        except YamlError as error:
            place = f"environment {variable}"
            faults.append(Fault(place, path, f"not usable YAML: {error.problem}", place_hint(place)))
    return sorted(found, key=lambda entry: len(entry[1]))


def _value(text: str, path: KeyPath) -> Node:
    is_mapping = takes_plain_name(path) and text.lstrip().startswith("{")
    if holds_text(path) and not is_mapping:
        return Node(None if text.strip() in ("null", "~") else text.strip())
    return read(text, name="")
