import re
from datetime import timedelta
from decimal import Decimal
from html.parser import HTMLParser

from equitr_coder.domain.ids import AgentName
from equitr_coder.domain.queries import CostAnswer
from equitr_coder.presentation.cost_page import cost_page
from equitr_coder.presentation.svg import spend_svg
from tests.presentation.cost_samples import BEGIN, answer, forecast, open_row, row, run_cost

EMPTY_TAGS = {"meta", "br"}


class Page(HTMLParser):
    """Holds the page to being well formed, and collects what it says and where it leads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.leads: list[str] = []
        self.words: list[str] = []
        self.labels: list[str] = []
        self.bare: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.leads += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action", "data")]
        self.labels += [value or "" for name, value in attrs if name == "aria-label"]
        if tag not in EMPTY_TAGS and not self.get_starttag_text_ends_itself():
            self.open.append(tag)

    def get_starttag_text_ends_itself(self) -> bool:
        return (self.get_starttag_text() or "").endswith("/>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)


def a_page(whole: CostAnswer) -> Page:
    return Page(cost_page(whole))


def test_the_page_is_well_formed_and_needs_nothing_from_outside() -> None:
    text = cost_page(answer([row(1, "0.03"), row(2), open_row(3)]))

    page = Page(text)
    assert page.leads == []
    assert not {"script", "link", "img", "iframe", "object", "use", "image"} & set(page.tags)
    assert not re.search(r"https?://|url\(|@import|//[a-z]", text)
    assert "default-src 'none'" in text
    assert "prefers-color-scheme:dark" in text


def test_it_shows_totals_every_group_and_the_calls() -> None:
    page = a_page(answer([row(1, "0.03", model="stub/strong", task=None), row(2), open_row(3)]))

    words = " ".join(page.words)
    for heading in ("By model", "By agent", "By task", "By purpose", "By day", "Spent over time", "Calls"):
        assert heading in page.words
    assert "$0.0400" in words
    assert "$10.00" in words
    assert "(no task)" in words
    assert "Open: 1 call with $0.0500 reserved" in words
    assert page.tags.count("tbody") == 6


def test_tables_have_headers_and_charts_have_words() -> None:
    text = cost_page(answer([row(1, "0.03"), row(2)]))

    page = Page(text)
    assert text.count("scope='col'") >= 5 * 5
    assert text.count("scope='row'") == 5
    assert "$0.0400 spent from 2026-01-02 03:05:07 UTC to 2026-01-02 03:06:07 UTC, of a budget of $10.00" in page.labels
    assert "aria-hidden" in text


def test_what_a_name_says_is_text_and_nothing_else() -> None:
    evil = "</table><script>alert('x')</script>\x1b[2J\u202e&amp;"

    whole = answer([row(1, model=evil, agent=AgentName(evil), workspace=evil)], runs=(run_cost(title=evil, calls=1),))
    page = a_page(whole)

    assert not {"\x1b", "\u202e"} & set(cost_page(whole))
    assert "script" not in page.tags
    assert any("<script>alert('x')</script>\\x1b[2J\\u202e&amp;" in words for words in page.words)


def test_several_runs_and_their_forecasts_have_tables() -> None:
    inside = run_cost(forecast=forecast("0.5", "1", "2"), built_for=Decimal(1))

    page = a_page(answer([row(1)], is_one_run=False, runs=(inside, run_cost())))

    assert {"Runs", "Forecasts", "inside"} <= set(page.words)


def test_nothing_spent_is_still_a_page() -> None:
    assert "What it cost" in a_page(answer([], is_one_run=False, runs=())).words


def test_the_budget_is_drawn_when_it_is_near_and_named_when_it_is_far() -> None:
    points = [(BEGIN + timedelta(hours=hour), Decimal(hour)) for hour in range(1, 5)]

    near, far = spend_svg(points, cap=Decimal(5)), spend_svg(points, cap=Decimal(500))

    assert '<path class="cap"' in near
    assert '<path class="cap"' not in far
    assert "budget $500.00, far above" in far
    assert "budget" not in spend_svg(points, cap=None)


def test_the_curve_rises_from_nothing_to_the_total_and_long_ones_are_thinned() -> None:
    points = [(BEGIN + timedelta(seconds=second), Decimal(second)) for second in range(1, 9001)]

    drawn = re.findall(r'class="line" d="([^"]+)"', spend_svg(points, cap=None))[0]

    heights = [float(height) for height in re.findall(r"V([\d.]+)", drawn)]
    assert len(heights) <= 1001
    assert heights == sorted(heights, reverse=True)
    [top] = re.findall(r'class="line" d="[^"]+V([\d.]+)H704"', spend_svg(points, cap=None))
    assert float(top) == heights[-1]


def test_many_calls_are_cut_with_a_word_on_where_the_rest_is() -> None:
    page = a_page(answer([row(number) for number in range(700)]))

    assert "the last 500 of 700; `--output csv` has them all" in page.words
