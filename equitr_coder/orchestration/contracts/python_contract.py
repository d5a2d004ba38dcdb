"""A Python stub against the real files: every call that the stub allows must be possible, with what it says comes back.

More is never less: further names, and parameters that may be left out, are compatible.
"""

import ast
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from equitr_coder.domain.frozen import frozen
from equitr_coder.orchestration.contracts.annotations import Aliases, Parents, accepts, spelled
from equitr_coder.orchestration.contracts.findings import Finding, finding, unchecked
from equitr_coder.orchestration.contracts.python_code import (
    Class,
    Field,
    Function,
    Kind,
    Module,
    Parameter,
    read_module,
)
from equitr_coder.orchestration.contracts.python_tree import Members, Place, PythonTree
from equitr_coder.orchestration.contracts.recognition import PythonStub
from equitr_coder.orchestration.contracts.sources import Sources

_MOST_FILES = 300
_AWAITED = ("Awaitable[", "Coroutine[")
_STREAMS = ("AsyncIterator", "AsyncGenerator", "AsyncIterable")
_NO_CONTRACT_BASES = frozenset(
    {"object", "Generic", "Protocol", "ABC", "BaseModel", "TypedDict", "NamedTuple", "Enum", "IntEnum", "StrEnum"}
)
_GENERATED = frozenset({"__init__", "__eq__", "__repr__", "__hash__", "__lt__", "__str__", "__iter__", "__len__"})


@frozen
class _Names:
    """What names mean on the real side, for comparing annotations."""

    aliases: Aliases
    parents: Parents

    def spelled(self, annotation: ast.expr | None) -> str:
        return spelled(annotation, self.aliases)


def compare_stub(stub: PythonStub, sources: Sources) -> Finding:
    tree = PythonTree(sources)
    differences: list[str] = []
    compared: dict[str, None] = {}
    for file, code in stub.sections:
        promised = read_module(code)
        if promised is None:
            continue
        places = _files(file, promised, sources, tree)
        if not places:
            differences.append(f"{file} is not among the files" if file else _nowhere(promised))
            continue
        for name, thing in _things(promised):
            found = next((place for path in places if (place := tree.find(path, name)) is not None), None)
            where = file or (found.path if found is not None else places[0])
            if found is None:
                differences.append(f"{where}: {_called(name, thing)} is missing")
                continue
            compared[found.path] = None
            differences += _compare(thing, found, promised, tree)
    if not compared and not differences:
        return unchecked("it defines nothing that others could use")
    return finding(differences, compared=f"Python signatures of {', '.join(compared)}")


def _files(file: str, promised: Module, sources: Sources, tree: PythonTree) -> list[str]:
    if file:
        stem = file.removesuffix(".pyi").removesuffix(".py")
        named = [path for name in (f"{stem}.py", f"{stem}/__init__.py", f"{stem}.pyi") for path in sources.named(name)]
        return named[:1]
    code = [path for path in sources.changed if path.endswith(".py")]
    own = sorted(code, key=_is_test)
    defining = [path for path in own if (module := tree.module(path)) is not None and module.defined & promised.defined]
    if defining:
        return defining
    if any(sources.text(path) is None for path in own):
        return []  # still to be fetched
    everywhere = sorted((path for path in sources.paths if path.endswith(".py")), key=_is_test)[:_MOST_FILES]
    return [path for path in everywhere if (module := tree.module(path)) and module.defined & promised.defined]


def _is_test(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.startswith("test_") or name.endswith("_test.py") or name == "conftest.py"


def _nowhere(promised: Module) -> str:
    return f"no file defines {', '.join(sorted(promised.defined))}"


def _things(module: Module) -> Iterator[tuple[str, Function | Class | Field]]:
    for group in (module.functions, module.classes, module.names):
        for name, thing in group.items():
            if not name.startswith("_") and name not in module.aliases:
                yield name, thing


def _called(name: str, thing: Function | Class | Field) -> str:
    match thing:
        case Function():
            return f"{name}()"
        case Class():
            return f"class {name}"
        case Field():
            return name


def _compare(thing: Function | Class | Field, found: Place, promised: Module, tree: PythonTree) -> Iterator[str]:
    real = found.what
    if real is None:
        return  # it is there; where it is defined lies outside of these files
    names = _Names({**tree.aliases(found.path), **promised.aliases}, tree.parents(found.path))
    label = f"{found.path}: {thing.name}"
    match thing, real:
        case Function(), Function():
            yield from _functions(f"{label}()", thing, real, names)
        case Function(), Class():
            made = _constructor(tree.members(found.path, real), real)
            yield from _calls(f"{label}()", thing, made, names)
        case Class(), Class():
            yield from _classes(label, thing, real, found.path, names, tree)
        case Field(), Field():
            yield from _types(label, thing.annotation, real.annotation, names)
        case Field(), _:
            return
        case Class(), _:
            if not _is_alias(real):
                yield f"{label} is no class"
        case _:
            if not _may_be_callable(real):
                yield f"{label} cannot be called"


def _is_alias(real: Function | Class | Field) -> bool:
    """`Order = make_model(...)`: whatever it is, it may be a class."""
    return isinstance(real, Field) and isinstance(real.default, ast.Call | ast.Name | ast.Attribute | ast.Subscript)


def _may_be_callable(real: Function | Class | Field) -> bool:
    return not isinstance(real, Field) or not isinstance(real.default, ast.Constant | ast.List | ast.Dict | ast.Tuple)


# ---------------------------------------------------------------- functions


def _functions(label: str, promised: Function, real: Function, names: _Names) -> Iterator[str]:
    if promised.overloads:
        for face in promised.overloads:
            yield from _calls(label, face, real, names, with_types=False)
        return
    yield from _calls(label, promised, real, names)
    awaited = _is_awaited(promised, names)
    if _is_stream(promised, names, is_stub=True) and _is_stream(real, names, is_stub=False):
        pass
    elif awaited != _is_awaited(real, names):
        yield f"{label} is {'not ' if awaited else ''}async, the contract says it is{'' if awaited else ' not'}"
        return
    if set(promised.decorators) == set(real.decorators) and not real.overloads:
        yield from _returns(label, promised, real, names)


def _is_awaited(function: Function, names: _Names) -> bool:
    if function.is_async:
        return not function.yields
    return names.spelled(function.returns).startswith(_AWAITED)


def _is_stream(function: Function, names: _Names, *, is_stub: bool) -> bool:
    """Whether a call gives an asynchronous iterator at once. A stub has no `yield`: its `async` says nothing here."""
    if function.is_async and function.yields:
        return True
    return names.spelled(function.returns).startswith(_STREAMS) and (is_stub or not function.is_async)


def _returns(label: str, promised: Function, real: Function, names: _Names) -> Iterator[str]:
    want, have = _returned(promised, names), _returned(real, names)
    if want == "None" or not want or not have:
        return
    if not accepts(want, have, names.parents):
        yield f"{label} returns {have}, the contract says {want}"


def _returned(function: Function, names: _Names) -> str:
    """What the caller has in hand, after `await` where there is one to write."""
    text = names.spelled(function.returns)
    if not function.is_async and text.startswith(_AWAITED):
        return text.partition("[")[2].removesuffix("]")
    return text


@frozen
class _Taken:
    """The real parameters, as a call meets them."""

    named: Mapping[str, Parameter]
    positional: tuple[Parameter, ...]
    kinds: frozenset[str]

    @classmethod
    def of(cls, function: Function) -> "_Taken":
        return cls(
            {parameter.name: parameter for parameter in function.parameters},
            tuple(p for p in function.parameters if p.kind in ("positional_only", "positional")),
            frozenset(parameter.kind for parameter in function.parameters),
        )


def _calls(
    label: str, promised: Function, real: Function | None, names: _Names, *, with_types: bool = True
) -> Iterator[str]:
    """What stands in the way of a call that the promised parameters allow."""
    if real is None:
        return
    taken, used, place = _Taken.of(real), set[str](), 0
    for want in promised.parameters:
        if want.kind in ("variable", "keywords"):
            if want.kind not in taken.kinds:
                yield f"{label} does not take {'*' if want.kind == 'variable' else '**'}{want.name}"
            continue
        if want.kind == "keyword":
            match, problem = _by_keyword(label, want, taken)
        else:
            match, problem = _by_position(label, want, place, taken)
            place += 1
        if problem:
            yield problem
        if match is not None:
            used.add(match.name)
            if match.name == want.name or want.kind == "positional_only":
                yield from _parameter(label, want, match, names, with_types=with_types)
    for parameter in real.parameters:
        if parameter.name not in used and not parameter.is_optional:
            yield f"{label} needs {parameter.name}, which the contract does not give"


def _by_keyword(label: str, want: Parameter, taken: _Taken) -> tuple[Parameter | None, str]:
    match = taken.named.get(want.name)
    if match is not None and match.kind in ("positional", "keyword"):
        return match, ""
    return None, "" if "keywords" in taken.kinds else f"{label} has no parameter {want.name}"


def _by_position(label: str, want: Parameter, place: int, taken: _Taken) -> tuple[Parameter | None, str]:
    """The real parameter at that place, and what is wrong with it; one that may be named must be named the same."""
    may_be_named = want.kind == "positional"
    if place < len(taken.positional):
        match = taken.positional[place]
        if may_be_named and match.name != want.name:
            return match, _misplaced(label, want, match, place, taken.named)
        if may_be_named and match.kind == "positional_only":
            return match, f"{label} takes {want.name} only by position, the contract also by keyword"
        return match, ""
    same = taken.named.get(want.name)
    if same is not None and same.kind == "keyword":
        return same, f"{label} takes {want.name} only by keyword, the contract also by position"
    if "variable" not in taken.kinds:
        return None, f"{label} has no parameter {want.name}"
    if may_be_named and "keywords" not in taken.kinds:
        return None, f"{label} does not take {want.name} by keyword"
    return None, ""


def _misplaced(label: str, want: Parameter, match: Parameter, place: int, have: Mapping[str, Parameter]) -> str:
    if want.name in have:
        return f"{label} has {match.name} as parameter {place + 1}, the contract has {want.name} there"
    return f"{label} calls parameter {place + 1} {match.name}, the contract calls it {want.name}"


def _parameter(label: str, want: Parameter, have: Parameter, names: _Names, *, with_types: bool) -> Iterator[str]:
    if want.is_optional and not have.is_optional:
        yield f"{label} needs {want.name}, the contract lets it be left out"
    elif want.default is not None and have.default is not None:
        said, real = _literal(want.default), _literal(have.default)
        if said is not None and real is not None and said != real:
            yield f"{label} has {want.name}={real}, the contract has {want.name}={said}"
    if with_types:
        one, other = names.spelled(want.annotation), names.spelled(have.annotation)
        one, other = _with_none(one, want), _with_none(other, have)
        if not accepts(other, one, names.parents):
            yield f"{label} takes {want.name}: {other}, the contract gives {one}"


def _with_none(text: str, parameter: Parameter) -> str:
    """`x: int = None` means `int | None`, as many write it."""
    is_none = isinstance(parameter.default, ast.Constant) and parameter.default.value is None
    return f"{text} | None" if text and is_none and "None" not in text else text


def _literal(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and node.value is Ellipsis:
        return None
    try:
        return repr(ast.literal_eval(node))
    except (ValueError, TypeError, SyntaxError, MemoryError):
        return None


def _types(label: str, want: ast.expr | None, have: ast.expr | None, names: _Names) -> Iterator[str]:
    """Of a value that is read."""
    one, other = names.spelled(want), names.spelled(have)
    if not accepts(one, other, names.parents):
        yield f"{label} is {other}, the contract says {one}"


# ---------------------------------------------------------------- classes


def _classes(label: str, promised: Class, real: Class, path: str, names: _Names, tree: PythonTree) -> Iterator[str]:
    members = tree.members(path, real)
    names = _Names({**names.aliases, "Self": ast.Name(promised.name)}, names.parents)
    for base in promised.bases:
        if base in _NO_CONTRACT_BASES or members.is_open or base == real.name:
            continue
        if base not in members.bases:
            yield f"{label} is no {base}"
    for name, method in promised.methods.items():
        if (name.startswith("_") and not name.endswith("__")) or name == "__init__":
            continue
        yield from _method(label, method, members, names)
    told: set[str] = set()
    for name, wanted in promised.fields.items():
        found = [] if name.startswith("_") else list(_field(label, wanted, promised, members, names))
        told |= {name} if found else set()
        yield from found
    for name, inner in promised.inner.items():
        if name in members.inner:
            yield from _classes(f"{label}.{name}", inner, members.inner[name], path, names, tree)
        elif not name.startswith("_") and name not in ("Config", "Meta"):
            yield f"{label} has no class {name}"
    yield from _construction(label, promised, real, members, names, told)


def _method(label: str, promised: Function, members: Members, names: _Names) -> Iterator[str]:
    name = promised.name
    real = members.methods.get(name)
    called = f"{label}.{name}()"
    if real is None:
        attribute = members.fields.get(name)
        if promised.binding == "property" and attribute is not None:
            yield from _types(f"{label}.{name}", promised.returns, attribute.annotation, names)
        elif attribute is not None:
            if not names.spelled(attribute.annotation).startswith("Callable") and not _may_be_callable(attribute):
                yield f"{called} is no method"
        elif not members.is_open and not (name in _GENERATED and members.shape != "plain"):
            what = name if promised.binding == "property" else f"method {name}()"
            yield f"{label} has no {what}"
        return
    if (promised.binding == "property") != (real.binding == "property"):
        is_property = real.binding == "property"
        yield f"{label}.{name} is a {'property' if is_property else 'method'}, the contract has a " + (
            "method" if is_property else "property"
        )
        return
    if promised.binding in ("class", "static") and real.binding == "method":
        yield f"{called} needs an instance, the contract calls it on the class"
        return
    yield from _functions(called, promised, real, names)


def _field(label: str, promised: Field, owner: Class, members: Members, names: _Names) -> Iterator[str]:
    name = promised.name
    real = members.fields.get(name)
    method = members.methods.get(name)
    if real is None and method is not None and method.binding == "property":
        yield from _types(f"{label}.{name}", promised.annotation, method.returns, names)
    elif real is None:
        if method is not None:
            yield f"{label}.{name} is a method, the contract has a field"
        elif not members.is_open:
            yield f"{label} has no {'member' if owner.shape == 'enum' else 'field'} {name}"
    elif owner.shape == "enum":
        said, have = _value(promised), _value(real)
        if said is not None and have is not None and said != have:
            yield f"{label}.{name} is {have}, the contract says {said}"
    else:
        yield from _types(f"{label}.{name}", promised.annotation, real.annotation, names)
        always = owner.shape == members.shape == "typed_dict" and not _is_left_out(promised, owner)
        if always and _marks(real, "NotRequired"):
            yield f"{label} may lack {name}, the contract always has it"


def _value(field: Field) -> str | None:
    return _literal(field.default) if field.default is not None else None


def _construction(
    label: str, promised: Class, real: Class, members: Members, names: _Names, told: Collection[str]
) -> Iterator[str]:
    """Only where the contract says how one is made; what was told of a field is not told again."""
    wanted = _own_constructor(promised)
    if wanted is None or (members.is_open and "__init__" not in members.methods):
        return
    made = _constructor(members, real)
    if made is not None:
        yield from _calls(f"{label}()", _without(wanted, told), _without(made, told), names)


def _without(function: Function, left_out: Collection[str]) -> Function:
    return replace(function, parameters=tuple(one for one in function.parameters if one.name not in left_out))


def _own_constructor(promised: Class) -> Function | None:
    if "__init__" in promised.methods:
        return promised.methods["__init__"]
    if promised.shape in ("plain", "enum"):
        return None
    return _from_fields(promised.fields, promised)


def _constructor(members: Members, real: Class) -> Function | None:
    """How one is made; None when nobody can tell."""
    if "__init__" in members.methods:
        return members.methods["__init__"]
    if members.shape in ("dataclass", "pydantic", "typed_dict", "named_tuple"):
        return _from_fields(members.fields, real, shape=members.shape)
    return None if members.is_open or members.shape == "enum" or "__new__" in members.methods else Function("", ())


def _from_fields(fields: Mapping[str, Field], owner: Class, shape: str = "") -> Function:
    by_keyword = (shape or owner.shape) in ("pydantic", "typed_dict") or owner.keyword_only
    parameters = []
    for field in fields.values():
        if not field.in_constructor or field.name.startswith("__") or field.name == "model_config":
            continue
        default = field.default
        if default is None and _is_left_out(field, owner):
            default = ast.Constant(Ellipsis)
        kind: Kind = "keyword" if by_keyword or field.keyword_only else "positional"
        parameters.append(Parameter(field.name, kind, field.annotation, default))
    return Function("__init__", tuple(parameters))


def _is_left_out(field: Field, owner: Class) -> bool:
    return owner.shape == "typed_dict" and (
        _marks(field, "NotRequired") or (owner.all_optional and not _marks(field, "Required"))
    )


def _marks(field: Field, mark: str) -> bool:
    node = field.annotation
    if not isinstance(node, ast.Subscript):
        return False
    return (node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")) == mark
