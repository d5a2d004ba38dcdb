"""Answers what concerns keys: which there are, whether a provider takes them, and the changes to the store."""

import difflib
from typing import Literal, assert_never

from equitr_coder.adapters.keys.document import NAME
from equitr_coder.adapters.keys.sealing import NEW_MASTER_KEY
from equitr_coder.adapters.models.providers import KEY_VARIABLES, PROVIDERS, providers_of, variables_of
from equitr_coder.adapters.models.router import ModelRouter
from equitr_coder.app.workshop import Workshop
from equitr_coder.domain import queries as q
from equitr_coder.domain.errors import ModelError, ModelErrorKind, UserError
from equitr_coder.domain.models import ModelSpec, Tier
from equitr_coder.domain.redaction import without_shapes
from equitr_coder.ports import KeySource

KeyQuery = q.KeysQuery | q.KeyNameQuery | q.UnlockKeys | q.SetKey | q.RemoveKey | q.RotateMaster | q.TestKey

_REFUSED = frozenset({ModelErrorKind.AUTH, ModelErrorKind.QUOTA})
_TEST_SECONDS = 15.0
_LONGEST_KEY = 8_192


class KeyEnquiries:
    def __init__(self, workshop: Workshop) -> None:
        self._shop = workshop

    async def answer(self, query: KeyQuery) -> q.Answer:
        match query:
            case q.KeysQuery():
                return self._keys()
            case q.KeyNameQuery():
                name = variable_named(query.name)
                return q.KeyNamed(name=name, is_stored=self._is_stored(name))
            case q.UnlockKeys():
                return self._unlock()
            case q.SetKey():
                return await self._set(query)
            case q.RemoveKey():
                return self._remove(variable_named(query.name))
            case q.RotateMaster():
                self._shop.vault.rotate_master()
                is_by_variable = NEW_MASTER_KEY in self._shop.environ
                return q.KeyChanged(name="", place=self._shop.vault.place, is_by_variable=is_by_variable)
            case q.TestKey():
                return await self._test_stored(variable_named(query.name))
            case _ as unreachable:
                assert_never(unreachable)

    # ---------------------------------------------------------------- which there are

    def _keys(self) -> q.KeysAnswer:
        stored = {key.name: key for key in self._shop.vault.names()}
        needed = self._needed()
        names = {name for name in KEY_VARIABLES | needed.keys() if self._shop.keys.source(name) is not None}
        rows = []
        for name in sorted({*stored, *names}):
            source = self._shop.keys.source(name)
            assert source is not None
            kept = stored.get(name)
            is_hidden = kept is not None and source.kind == "environment"
            rows.append(
                q.KeyRow(
                    name=name,
                    source=source.kind,
                    place=source.place,
                    providers=providers_of(name),
                    models=needed.get(name, ()),
                    changed=kept.changed if kept is not None else None,
                    is_hidden=is_hidden,
                )
            )
        missing = tuple(name for name in needed if self._shop.keys.source(name) is None)
        return q.KeysAnswer(keys=tuple(rows), place=self._shop.vault.place, missing=missing)

    def entries(self) -> tuple[q.ConfigEntry, ...]:
        """Of the keys that configured models need: where each comes from, in the form of the configuration's keys."""
        return tuple(
            q.ConfigEntry(
                key=f"key {name}",
                value="(hidden)" if source is not None else "null",
                source=source.place if source is not None else "nowhere",
                note="" if source is not None else f"export {name}=..., or: equitrcoder keys set {name}",
            )
            for name in self._needed()
            for source in (self._shop.keys.source(name),)
        )

    def findings(self) -> list[q.Finding]:
        """Of the doctor; nothing as long as no key is stored."""
        try:
            stored = [key.name for key in self._shop.vault.names()]
        except UserError as error:
            return [q.Finding(name="keys", state="bad", detail=str(error), fix=error.hint)]
        if not stored:
            return []
        return [q.Finding(name="keys", state="ok", detail=f"{', '.join(stored)} in {self._shop.vault.place}")]

    def _needed(self) -> dict[str, tuple[str, ...]]:
        """Variable -> the configured models that are called with it."""
        needed: dict[str, tuple[str, ...]] = {}
        for spec in self._shop.models():
            try:
                variable = self._shop.router.key_variable(spec)
            except UserError:
                continue  # a model that leads nowhere: `models` and `doctor` say so
            if variable is not None:
                needed[variable] = tuple(dict.fromkeys((*needed.get(variable, ()), spec.name)))
        return needed

    def _unlock(self) -> q.KeysAnswer:
        stored = [key.name for key in self._shop.vault.names()]
        needed = self._needed() if self._shop.models() else stored
        for name in needed:
            if name in stored:
                self._shop.keys.get(name)
        return self._keys()

    # ---------------------------------------------------------------- changes

    async def _set(self, query: q.SetKey) -> q.KeyChanged:
        name, value = variable_named(query.name), _usable(query.value.get_secret_value())
        tested = None
        if query.replaces:
            if not self._is_stored(name):
                raise UserError(f"{name} is not stored", hint=f"store it with: equitrcoder keys set {name}")
            tested = await self._test(name, value)
            if tested.outcome == "refused":
                raise UserError(
                    f"the new key was not taken, the old one stays: {tested.text}",
                    hint="check the key and do it again; `equitrcoder keys set` stores one untested",
                )
        self._shop.vault.put(name, value)
        return self._changed(name, tested)

    def _is_stored(self, name: str) -> bool:
        return any(key.name == name for key in self._shop.vault.names())

    def _remove(self, name: str) -> q.KeyChanged:
        place = self._shop.vault.place
        if not self._shop.vault.remove(name):
            is_set = self._shop.keys.source(name) is not None
            where = "; it is in the environment, where only you can unset it" if is_set else ""
            raise UserError(f"{name} is not stored{where}", hint="equitrcoder keys list shows what is")
        return self._changed(name, None).model_copy(update={"place": place})

    def _changed(self, name: str, tested: q.KeyTested | None) -> q.KeyChanged:
        source = self._shop.keys.source(name)
        is_hidden = source is not None and source.kind == "environment"
        return q.KeyChanged(name=name, place=self._shop.vault.place, tested=tested, is_hidden=is_hidden)

    # ---------------------------------------------------------------- tests

    async def _test_stored(self, name: str) -> q.KeyTested:
        value = self._shop.keys.get(name)
        if value is None:
            raise UserError(
                f"there is no key {name}: it is neither in the environment nor stored",
                hint=f"export {name}=..., or: equitrcoder keys set {name}",
            )
        return await self._test(name, value)

    async def _test(self, name: str, value: str) -> q.KeyTested:
        """One request for what the provider answers for nothing."""
        spec = self._spec_of(name)
        if spec is None:
            text = f"nothing that is configured uses {name}, so there is nobody to ask"
            return q.KeyTested(name=name, outcome="untestable", text=text)
        self._shop.held.hold(name, value)
        router = ModelRouter(keys=_OneKey(name, value), timeout=min(_TEST_SECONDS, self._shop.settings.llm.timeout))
        endpoint = router.endpoint(spec)
        try:
            await router.health(spec)
        except ModelError as error:
            outcome = _outcome(error)
            if outcome is not None:
                return q.KeyTested(name=name, outcome=outcome, text=str(error), hint=error.hint, endpoint=endpoint)
            said = f"{endpoint} answers, but has nothing to ask a key with: {error}"
            return q.KeyTested(name=name, outcome="untestable", text=said, endpoint=endpoint)
        except UserError as error:
            return q.KeyTested(name=name, outcome="untestable", text=str(error), hint=error.hint, endpoint=endpoint)
        finally:
            await router.close()
        provider = router.provider(spec)
        return q.KeyTested(name=name, outcome="ok", text=f"{provider} takes it at {endpoint}", endpoint=endpoint)

    def _spec_of(self, name: str) -> ModelSpec | None:
        """A configured model that is called with it, at its own endpoint; else the provider's."""
        needed = self._needed().get(name, ())
        for spec in self._shop.models():
            if spec.name in needed and spec.adapter != "scripted" and self._shop.router.key_variable(spec) == name:
                return spec
        providers = providers_of(name)
        if not providers:
            return None
        return ModelSpec(name=f"{providers[0]}/any", tier=Tier.STRONG, api_key_env=name)


class _OneKey:
    """A `ports.KeyStore` of one key, which may not be stored yet."""

    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value

    def get(self, variable: str) -> str | None:
        return self._value if variable == self._name else None

    def source(self, variable: str) -> KeySource | None:
        return KeySource("environment", "your input") if variable == self._name else None


def said_of(source: KeySource | None) -> str:
    """`set`, `stored in ...` or `not set`."""
    if source is None:
        return "not set"
    return "set" if source.kind == "environment" else f"stored in {source.place}"


def variable_named(name: str) -> str:
    """The variable that a person means by its name or by that of a provider.

    Raises:
        UserError: there is no such provider and no variable can be called so. What looks like a key is not repeated.
    """
    if without_shapes(name) != name or "=" in name:
        raise UserError(
            "a key does not belong on the command line: shells keep a history of it, and `ps` shows it",
            hint="replace it at its provider; then `equitrcoder keys set NAME` asks for the new one without showing it",
        )
    if name in PROVIDERS:
        if variables := variables_of(name):
            return variables[0]
        raise UserError(f"{name} has no one key", hint="set what its own login wants in the environment")
    if NAME.fullmatch(name) and name.upper() == name:
        return name
    near = difflib.get_close_matches(name.lower(), [one for one in PROVIDERS if variables_of(one)], n=1)
    guess = f"did you mean {near[0]}? " if near else ""
    raise UserError(
        f"`{name}` is neither a provider that we know nor a variable's name",
        hint=f"{guess}name a provider, such as openai, or a variable, such as OPENAI_API_KEY",
    )


def _usable(value: str) -> str:
    key = value.strip()
    if not key:
        raise UserError("there is no key in that", hint="paste the key as the provider shows it")
    if not key.isascii() or not key.isprintable() or " " in key or len(key) > _LONGEST_KEY:
        raise UserError(
            "that is no key: it holds characters that no key has", hint="paste the key alone, without quotes"
        )
    return key


def _outcome(error: ModelError) -> Literal["refused", "unreachable"] | None:
    if error.kind in _REFUSED:
        return "refused"
    if error.kind is ModelErrorKind.NOT_FOUND:
        return None
    return "unreachable"
