"""Settings and models: where each value comes from, changed one by one in the person's own file; test calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from equitr_coder.domain.queries import (
    ConfigAnswer,
    ConfigEntry,
    ConfigQuery,
    ConfiguredModel,
    ModelsAnswer,
    ModelsQuery,
    ProbeAnswer,
    ProbeModel,
    SetConfig,
    Written,
)
from equitr_coder.presentation.rows import Row
from equitr_coder.tui.draw.frame import marked, rule
from equitr_coder.tui.draw.settings import (
    TABS,
    entry_detail,
    matching,
    model_detail,
    models_rows,
    probe_words,
    settings_head,
    settings_rows,
    settings_tabs,
)
from equitr_coder.tui.keys import Key
from equitr_coder.tui.two_panes import TwoPanes

if TYPE_CHECKING:
    from collections.abc import Sequence

_FILTER, _VALUE = "filter", "value"


class Settings(TwoPanes):
    NAME: ClassVar[str] = "settings"
    TITLE: ClassVar[str] = "settings"
    LIST_SHARE: ClassVar[float] = 0.62
    KEYS: ClassVar[tuple[Key, ...]] = (
        Key(("slash",), "/", "filter", "filter", "settings", in_footer=True),
        Key(("u",), "u", "change for you", "change", "settings", in_footer=True),
        Key(("x",), "x", "back to default", "reset", "settings"),
        Key(("s",), "s", "use for this session", "use", "settings"),
        Key(("p",), "p", "test call", "probe", "settings", in_footer=True),
        Key(("left_square_bracket",), "[", "settings", "turn(0)", "settings"),
        Key(("right_square_bracket",), "]", "models", "turn(1)", "settings", in_footer=True),
        Key(("i",), "i", "details", "details", "settings"),
    )

    def __init__(self, *arguments: object, **settings: object) -> None:
        super().__init__(*arguments, **settings)  # type: ignore[arg-type] # passed on
        self.tab = 0
        self.filter = ""
        self.config: ConfigAnswer | None = None
        self.models: ModelsAnswer | None = None
        self.probes: dict[str, ProbeAnswer] = {}
        self.written: dict[str, str | None] = {}
        """Changed since the program started."""
        self._is_typing = False
        self._has_asked = False
        self._probing: str | None = None
        self._asked_price_of: str | None = None
        """The model whose test call the first `p` was pressed for."""

    # ------------------------------------------------------------ what is seen

    @property
    def shown(self) -> list[ConfigEntry]:
        return matching(self.config.entries, self.filter) if self.config is not None else []

    @property
    def entry(self) -> ConfigEntry | None:
        shown = self.shown
        return shown[self.at] if self.tab == 0 and self.at < len(shown) else None

    @property
    def model(self) -> ConfiguredModel | None:
        models = self.models.configured if self.models is not None else ()
        return models[self.at] if self.tab == 1 and self.at < len(models) else None

    def reopened(self) -> None:
        self._has_asked = False

    def show(self) -> None:
        if not self._has_asked:
            self._has_asked = True
            self.desk.do(self._ask())
        super().show()

    async def _ask(self) -> None:
        config = await self.desk.api.query(ConfigQuery())
        models = await self.desk.api.query(ModelsQuery())
        assert isinstance(config, ConfigAnswer)
        assert isinstance(models, ModelsAnswer)
        self.config, self.models = config, models

    def head_rows(self, width: int) -> Sequence[Row]:
        known = len(self.config.entries) if self.config is not None else 0
        head = settings_head(self.filter, len(self.shown), known, width, is_typing=self._is_typing)
        return [head, settings_tabs(self.tab, width), rule(width)]

    def list_rows(self, width: int) -> Sequence[Row]:
        if self.config is None or self.models is None:
            return []
        if self.tab == 1:
            rows = models_rows(self.models.configured, width - 3)
        else:
            rows = settings_rows(self.shown, width - 3, written=self.written, typed=self.filter)
            if not self.shown:
                return rows
        return [marked(line, width, selected=number == self.at) for number, line in enumerate(rows)]

    def detail_rows(self, width: int) -> Sequence[Row]:
        if self.tab == 0:
            return entry_detail(self.entry, width, written=self.written)
        model = self.model
        name = model.name if model is not None else None
        probe = self.probes.get(name) if name is not None else None
        return model_detail(model, width, probe=probe, is_probing=name is not None and name == self._probing)

    def cursor_moved(self) -> None:
        self._asked_price_of = None

    # ------------------------------------------------------------ keys

    def action_turn(self, tab: int) -> None:
        self.tab = min(tab, len(TABS) - 1)
        self.shows_detail = False
        self.list_pane.cursor = 0
        self.show()
        self.list_pane.focus()

    def action_filter(self) -> None:
        self.tab = 0
        self._is_typing = True
        self.ask("filter", purpose=_FILTER, text=self.filter)

    def action_details(self) -> None:
        super().chosen()

    def chosen(self) -> None:
        """Enter: change the setting; of a model, its details."""
        if self.tab == 0:
            self.action_change()
        else:
            super().chosen()

    def action_change(self) -> None:
        entry = self.entry
        if entry is None:
            self.desk.say("choose a setting to change", "[ goes to the settings")
            return
        if "***" in entry.value:
            self.desk.say("this value holds a secret, which is not shown here", "change it in your file by hand")
            return
        value = entry.value[1:-1] if entry.value[:1] == '"' == entry.value[-1:] else entry.value
        self.ask(entry.key, purpose=_VALUE, text=self.written.get(entry.key) or value)

    def action_reset(self) -> None:
        if (entry := self.entry) is not None:
            self.desk.do(self._set(entry.key, None))

    async def _set(self, key: str, value: str | None) -> None:
        answer = await self.desk.api.query(SetConfig(key=key, value=value))
        assert isinstance(answer, Written)
        self.written[key] = value
        done = f"{key} is {value}" if value is not None else f"{key} is taken out"
        self.desk.say(f"{done} in {answer.path}", "it counts from the next start")

    def action_use(self) -> None:
        """The model for this session only."""
        model = self.model
        if model is None or model.name is None:
            self.desk.say("choose a model to use for this session", "] goes to the models")
            return
        self.desk.hear(f"/model {model.name}")

    def action_probe(self) -> None:
        """The first time it says what a test call costs, and the second time it makes one."""
        model = self.model
        if model is None or model.name is None:
            self.desk.say("choose a model to test", "] goes to the models")
            return
        if model.price is None:
            self.desk.say(probe_words(None), "give its price in the settings first: llm.prices", is_bad=True)
            return
        if self._asked_price_of != model.name:
            self._asked_price_of = model.name
            self.desk.say(f"p again {probe_words(model.price)}")
            return
        self._asked_price_of = None
        self._probing = model.name
        self.show()
        self.desk.do(self._probe(model.name))

    async def _probe(self, name: str) -> None:
        try:
            answer = await self.desk.api.query(ProbeModel(model=name))
            assert isinstance(answer, ProbeAnswer)
            self.probes[name] = answer
        finally:
            self._probing = None

    def typed(self, purpose: str, text: str) -> None:
        if purpose == _FILTER and text != self.filter:
            self.filter = text
            self.list_pane.cursor = 0

    def answered(self, purpose: str, text: str) -> None:
        self._is_typing = False
        entry = self.entry
        if purpose == _VALUE and entry is not None:
            if not text.strip():
                self.desk.say(
                    f"{entry.key} needs a value", "x takes it out of your file; null is no value", is_bad=True
                )
                return
            self.desk.do(self._set(entry.key, text.strip()))

    def back(self) -> bool:
        was_typing, self._is_typing = self._is_typing, False
        if super().back():
            if was_typing:
                self.filter = ""
            return True
        if self.filter:
            self.filter = ""
            return True
        return False
