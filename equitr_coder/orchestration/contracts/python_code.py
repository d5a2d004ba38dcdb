"""A Python module as others see it: functions with parameters, classes with methods and fields, names, imports."""

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Literal

from equitr_coder.domain.frozen import frozen
from equitr_coder.orchestration.contracts.parsing import parsed

Kind = Literal["positional_only", "positional", "variable", "keyword", "keywords"]
Shape = Literal["plain", "dataclass", "pydantic", "typed_dict", "named_tuple", "enum"]

_ENUMS = frozenset({"Enum", "IntEnum", "StrEnum", "Flag", "IntFlag", "ReprEnum"})
KNOWN_BASES = frozenset(
    {"object", "BaseModel", "TypedDict", "NamedTuple", "Protocol", "ABC", "Generic", "Exception", "ValueError"}
    | {"RuntimeError", "LookupError", "KeyError", "TypeError", "SQLModel", "Struct"}
    | _ENUMS
)
"""Bases that add nothing a contract would name."""
_DATACLASSES = frozenset({"dataclass", "frozen", "define", "mutable", "attrs"})
_FIELD_CALLS = frozenset({"field", "Field", "attrib", "ib"})
_TRANSPARENT = frozenset({"staticmethod", "classmethod", "property", "overload", "abstractmethod", "override", "final"})


@frozen
class Parameter:
    name: str
    kind: Kind
    annotation: ast.expr | None = None
    default: ast.expr | None = None

    @property
    def is_optional(self) -> bool:
        return self.default is not None or self.kind in ("variable", "keywords")


@frozen
class Function:
    name: str
    parameters: tuple[Parameter, ...]
    """Without `self` and `cls`."""
    is_async: bool = False
    yields: bool = False
    returns: ast.expr | None = None
    binding: Literal["function", "method", "class", "static", "property"] = "function"
    decorators: tuple[str, ...] = ()
    """Those that may change what a call means."""
    overloads: tuple["Function", ...] = ()


@frozen
class Field:
    name: str
    annotation: ast.expr | None = None
    default: ast.expr | None = None
    in_constructor: bool = True
    keyword_only: bool = False


@frozen
class Class:
    name: str
    bases: tuple[str, ...] = ()
    shape: Shape = "plain"
    methods: Mapping[str, Function] = field(default_factory=dict)
    fields: Mapping[str, Field] = field(default_factory=dict)
    inner: Mapping[str, "Class"] = field(default_factory=dict)
    all_optional: bool = False
    """`TypedDict` with `total=False`."""
    keyword_only: bool = False

    @property
    def is_dynamic(self) -> bool:
        return bool({"__getattr__", "__getattribute__"} & set(self.methods))


@frozen
class Module:
    functions: Mapping[str, Function]
    classes: Mapping[str, Class]
    names: Mapping[str, Field]
    """Variables and constants."""
    imports: Mapping[str, tuple[str, str, int]]
    """Local name -> module, name there, level of a relative import."""
    aliases: Mapping[str, ast.expr]
    """Names that stand for a type."""

    @property
    def defined(self) -> frozenset[str]:
        return frozenset((*self.functions, *self.classes, *self.names))


def read_module(code: str) -> Module | None:
    """None when it is no Python."""
    tree = parsed(code)
    return _module(tree) if tree is not None else None


def _module(tree: ast.Module) -> Module:
    functions: dict[str, list[Function]] = {}
    classes: dict[str, Class] = {}
    names: dict[str, Field] = {}
    imports: dict[str, tuple[str, str, int]] = {}
    aliases: dict[str, ast.expr] = {}
    for node in _statements(tree.body):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                functions.setdefault(node.name, []).append(_function(node, in_class=False))
            case ast.ClassDef():
                classes[node.name] = _class(node)
            case ast.AnnAssign(target=ast.Name(id=name)):
                names[name] = Field(name, node.annotation, node.value)
                if _last(node.annotation) == "TypeAlias" and node.value is not None:
                    aliases[name] = node.value
            case ast.Assign():
                found = [Field(name, None, node.value) for name in _targets(node)]
                names.update({one.name: one for one in found})
                if _is_type(node.value):
                    aliases.update(dict.fromkeys(_targets(node), node.value))
            case ast.ImportFrom() | ast.Import():
                imports.update(_imported(node))
            case _:
                pass
    return Module({name: joined(group) for name, group in functions.items()}, classes, names, imports, aliases)


def _targets(node: ast.Assign) -> list[str]:
    flat = [one for target in node.targets for one in (target.elts if isinstance(target, ast.Tuple) else [target])]
    return [one.id for one in flat if isinstance(one, ast.Name)]


def _imported(node: ast.Import | ast.ImportFrom) -> dict[str, tuple[str, str, int]]:
    if isinstance(node, ast.Import):
        return {item.asname or item.name.partition(".")[0]: (item.name, "", 0) for item in node.names}
    return {item.asname or item.name: (node.module or "", item.name, node.level) for item in node.names}


def joined(group: Sequence[Function]) -> Function:
    """The last definition holds; overloads before it are its other faces."""
    last = group[-1]
    faces = tuple(one for one in group if "overload" in one.decorators)
    if not faces:
        return last
    return Function(
        last.name,
        last.parameters,
        last.is_async,
        last.yields,
        last.returns,
        last.binding,
        tuple(name for name in last.decorators if name != "overload"),
        faces,
    )


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Those of the module, conditional ones included."""
    for node in body:
        yield node
        match node:
            case ast.If():
                yield from _statements((*node.body, *node.orelse))
            case ast.Try():
                rest = [statement for handler in node.handlers for statement in handler.body]
                yield from _statements((*node.body, *rest, *node.orelse))
            case ast.With():
                yield from _statements(node.body)
            case _:
                pass


def _is_type(node: ast.expr) -> bool:
    """Whether an assigned value reads as a type: `list[Order]`, `int | None`, `NewType("UserId", int)` does not."""
    if isinstance(node, ast.Subscript):
        return isinstance(node.value, ast.Name | ast.Attribute)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.BitOr) and _is_type_name(node.left) and _is_type_name(node.right)
    return isinstance(node, ast.Name) and node.id in {"int", "str", "float", "bool", "bytes", "dict", "list", "object"}


def _is_type_name(node: ast.expr) -> bool:
    return _is_type(node) or isinstance(node, ast.Name | ast.Attribute | ast.Constant)


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, *, in_class: bool) -> Function:
    decorators = [_last(decorator) for decorator in node.decorator_list]
    binding: Literal["function", "method", "class", "static", "property"] = "method" if in_class else "function"
    if in_class and "staticmethod" in decorators:
        binding = "static"
    elif in_class and ("classmethod" in decorators or node.name in ("__new__", "__init_subclass__")):
        binding = "class"
    elif in_class and ({"property", "cached_property", "setter"} & set(decorators)):
        binding = "property"
    parameters = _parameters(node.args)
    if binding in ("method", "class", "property") and parameters and parameters[0].kind.startswith("positional"):
        parameters = parameters[1:]
    return Function(
        node.name,
        parameters,
        isinstance(node, ast.AsyncFunctionDef),
        any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in _own_nodes(node)),
        node.returns,
        binding,
        tuple(name for name in decorators if name not in _TRANSPARENT or name == "overload"),
    )


def _own_nodes(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    """Without functions inside it."""
    stack: list[ast.AST] = list(node.body)
    while stack:
        current = stack.pop()
        yield current
        if not isinstance(current, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            stack.extend(ast.iter_child_nodes(current))


def _parameters(given: ast.arguments) -> tuple[Parameter, ...]:
    found: list[Parameter] = []
    plain = [*given.posonlyargs, *given.args]
    padding: list[ast.expr | None] = [None] * (len(plain) - len(given.defaults))
    for index, (one, default) in enumerate(zip(plain, [*padding, *given.defaults], strict=True)):
        kind: Kind = "positional_only" if index < len(given.posonlyargs) else "positional"
        found.append(Parameter(one.arg, kind, one.annotation, default))
    if given.vararg is not None:
        found.append(Parameter(given.vararg.arg, "variable", given.vararg.annotation))
    for one, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        found.append(Parameter(one.arg, "keyword", one.annotation, default))
    if given.kwarg is not None:
        found.append(Parameter(given.kwarg.arg, "keywords", given.kwarg.annotation))
    return tuple(found)


def _class(node: ast.ClassDef) -> Class:
    methods: dict[str, list[Function]] = {}
    fields: dict[str, Field] = {}
    inner: dict[str, Class] = {}
    bases = tuple(_last(base) for base in node.bases)
    decorators = [_last(decorator) for decorator in node.decorator_list]
    shape = _shape(bases, decorators)
    keyword_only = any(
        isinstance(decorator, ast.Call) and _flag(decorator.keywords, "kw_only", wanted=True)
        for decorator in node.decorator_list
    )
    after_mark = False
    for statement in _statements(node.body):
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                made = _function(statement, in_class=True)
                if "setter" in made.decorators or "deleter" in made.decorators:
                    continue
                methods.setdefault(statement.name, []).append(made)
                if statement.name == "__init__":
                    for assigned in _assigned_to_self(statement):
                        fields.setdefault(assigned.name, assigned)
            case ast.ClassDef():
                inner[statement.name] = _class(statement)
            case ast.AnnAssign(target=ast.Name(id=name)):
                if _last(statement.annotation) == "KW_ONLY":
                    after_mark = True
                    continue
                fields[name] = _annotated(name, statement, keyword_only=after_mark)
            case ast.Assign():
                for target in statement.targets:
                    if isinstance(target, ast.Name):
                        fields[target.id] = Field(target.id, None, statement.value, in_constructor=False)
            case _:
                pass
    return Class(
        node.name,
        bases,
        shape,
        {name: joined(group) for name, group in methods.items()},
        fields,
        inner,
        all_optional=_flag(node.keywords, "total", wanted=False),
        keyword_only=keyword_only,
    )


def _shape(bases: Sequence[str], decorators: Sequence[str]) -> Shape:
    if set(decorators) & _DATACLASSES:
        return "dataclass"
    if {"BaseModel", "SQLModel", "Struct", "BaseSettings"} & set(bases):
        return "pydantic"
    if "TypedDict" in bases:
        return "typed_dict"
    if "NamedTuple" in bases:
        return "named_tuple"
    return "enum" if set(bases) & _ENUMS else "plain"


def _annotated(name: str, node: ast.AnnAssign, *, keyword_only: bool) -> Field:
    """A field; `field(default=...)` and `Field(...)` say themselves whether there is a default."""
    default, in_constructor = node.value, _last(node.annotation) != "ClassVar"
    if isinstance(default, ast.Call) and _last(default) in _FIELD_CALLS:
        in_constructor = in_constructor and not _flag(default.keywords, "init", wanted=False)
        keyword_only = keyword_only or _flag(default.keywords, "kw_only", wanted=True)
        default = _field_default(default)
    return Field(name, node.annotation, default, in_constructor, keyword_only)


def _field_default(call: ast.Call) -> ast.expr | None:
    """What a factory makes is not known: some default, written as `...`."""
    given = {word.arg: word.value for word in call.keywords}
    if "default_factory" in given or "factory" in given:
        return ast.Constant(Ellipsis)
    first = given.get("default", call.args[0] if call.args else None)
    return None if isinstance(first, ast.Constant) and first.value is Ellipsis else first


def _assigned_to_self(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Field]:
    annotations = {one.arg: one.annotation for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}
    own = node.args.args[0].arg if node.args.args else "self"
    for inner in _own_nodes(node):
        targets: list[ast.expr] = []
        annotation: ast.expr | None = None
        if isinstance(inner, ast.Assign):
            targets = list(inner.targets)
            annotation = annotations.get(inner.value.id) if isinstance(inner.value, ast.Name) else None
        elif isinstance(inner, ast.AnnAssign):
            targets, annotation = [inner.target], inner.annotation
        for target in targets:
            for one in target.elts if isinstance(target, ast.Tuple) else [target]:
                if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name) and one.value.id == own:
                    yield Field(one.attr, annotation, None, in_constructor=False)


def _flag(keywords: Iterable[ast.keyword], name: str, *, wanted: bool) -> bool:
    return any(
        word.arg == name and isinstance(word.value, ast.Constant) and word.value.value is wanted for word in keywords
    )


def _last(node: ast.expr) -> str:
    match node:
        case ast.Call():
            return _last(node.func)
        case ast.Subscript():
            return _last(node.value)
        case ast.Attribute():
            return node.attr
        case ast.Name():
            return node.id
        case _:
            return ast.unparse(node)
