"""`equitrcoder cost --html`: one page that needs nothing but itself: no script, no network, charts as inline SVG."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from equitr_coder.domain.money import ZERO
from equitr_coder.domain.queries import CostAnswer, CostRow, RunCost
from equitr_coder.domain.run_view import LedgerRow
from equitr_coder.presentation.cost_data import UNKNOWN, instant
from equitr_coder.presentation.cost_forecast import outcome_of, past_forecasts, rests_on, share_inside
from equitr_coder.presentation.cost_report import GROUPS, group, label, note_lines, total_words
from equitr_coder.presentation.figures import dollars, exact, limit, tokens
from equitr_coder.presentation.markup import escaped
from equitr_coder.presentation.svg import bar_svg, spend_svg
from equitr_coder.presentation.text import plural

_MOST_CALLS = 500
_STYLE = """
:root{color-scheme:light dark;--ink:#1d2430;--dim:#5b6675;--paper:#fbfbf9;--card:#fff;--edge:#d9dde3;--fill:#2f6f9f;
--soft:#2f6f9f26;--track:#e9ecf0;--cap:#b3402a}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--dim:#9aa5b4;--paper:#14181e;--card:#1b2129;--edge:#323b47;
--fill:#6fb1de;--soft:#6fb1de2b;--track:#29313b;--cap:#f08a70}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:64rem;margin:0 auto;padding:2rem 1rem 4rem}
h1{font-size:1.5rem;margin:0 0 .25rem;overflow-wrap:anywhere}h2{font-size:1.05rem;margin:2.25rem 0 .6rem}
p{margin:.25rem 0}.dim,caption{color:var(--dim)}
dl{display:flex;flex-wrap:wrap;gap:.75rem;margin:1.25rem 0}
dl div{flex:1 1 9rem;background:var(--card);border:1px solid var(--edge);border-radius:.5rem;padding:.6rem .9rem}
dt{color:var(--dim);font-size:.85rem}dd{margin:0;font-size:1.25rem;font-variant-numeric:tabular-nums}
dd small{display:block;color:var(--dim);font-size:.8rem}
.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--edge);border-radius:.5rem}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.4rem .75rem;text-align:left;border-top:1px solid var(--edge);vertical-align:middle}
thead th,thead td{border-top:0}thead th{color:var(--dim);font-weight:500;font-size:.85rem;white-space:nowrap}
tbody th{font-weight:500;overflow-wrap:anywhere;min-width:9rem}
td.n,th.n{text-align:right}td.n,th.n,td.t{white-space:nowrap}td.b{width:30%;min-width:6rem}
svg{display:block;max-width:100%}.bar{width:100%;height:.75rem;border-radius:.2rem}.track{fill:var(--track)}
.fill{fill:var(--fill)}
.chart{width:100%;height:auto;background:var(--card);border:1px solid var(--edge);border-radius:.5rem}
.chart text{font-size:11px;fill:var(--dim)}.chart text.cap{fill:var(--cap)}
.line{fill:none;stroke:var(--fill);stroke-width:2}.area{fill:var(--soft)}.axis,.grid{fill:none;stroke:var(--edge)}
.grid{stroke-dasharray:2 4}path.cap{fill:none;stroke:var(--cap);stroke-width:1.5;stroke-dasharray:6 4}
.warn{color:var(--cap)}
""".replace("\n", "")


def cost_page(answer: CostAnswer) -> str:
    """The whole document."""
    name, subject = _subject(answer)
    body = [
        f"<h1>{escaped(name)}</h1><p class='dim'>{escaped(subject)}</p>",
        _tiles(answer),
        *(f"<p class='warn'>{escaped(line)}</p>" for line in note_lines(answer)),
        _spend(answer),
        *(_group(by, group(answer, by), answer.total) for by in GROUPS),
        _runs(answer.runs) if not answer.is_one_run else "",
        _forecasts(answer.runs),
        _calls(answer.calls),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escaped(name)}: cost</title><style>{_STYLE}</style></head>"
        f"<body><main>{''.join(part for part in body if part)}</main></body></html>\n"
    )


def _subject(answer: CostAnswer) -> tuple[str, str]:
    places = sorted({row.workspace for row in answer.calls if row.workspace})
    where = f" in {', '.join(places)}" if places else ""
    if not answer.is_one_run:
        return "What it cost", f"{plural(len(answer.runs), 'run')}{where}"
    [run] = answer.runs
    epic = f"{run.epic}, " if run.epic else ""
    return run.title or run.run, f"{epic}{run.run}, {run.state.value}{where}"


def _tiles(answer: CostAnswer) -> str:
    usages = [row.usage for row in answer.by_model]
    given, cached = sum(usage.total_input for usage in usages), sum(usage.cache_read for usage in usages)
    figures = [("Spent", f"<span title='{exact(answer.total)}'>{total_words(answer)}</span>")]
    if answer.is_one_run:
        share = f"<small>{100 * answer.total / answer.limit:.0f}% used</small>" if answer.limit else ""
        figures.append(("Budget", escaped(limit(answer.limit)) + share))
    if answer.held:
        figures.append(("Reserved by open calls", dollars(answer.held)))
    figures += [
        ("Model calls", f"{len(answer.calls):,}"),
        ("Tokens in", f"{given:,}" + (f"<small>{100 * cached // given}% cached</small>" if cached else "")),
        ("Tokens out", f"{sum(usage.output for usage in usages):,}"),
    ]
    return f"<dl>{''.join(f'<div><dt>{name}</dt><dd>{value}</dd></div>' for name, value in figures)}</dl>"


def _spend(answer: CostAnswer) -> str:
    paid = sorted((row.ended, row.usd) for row in answer.calls if row.ended is not None and not row.is_open)
    points: list[tuple[datetime, Decimal]] = []
    total = ZERO
    for at, usd in paid:
        total += usd
        points.append((at.astimezone(UTC), total))
    return f"<h2>Spent over time</h2>{spend_svg(points, cap=answer.limit)}" if points else ""


def _group(name: str, rows: Sequence[CostRow], total: Decimal) -> str:
    if not rows:
        return ""
    largest = max(row.usd for row in rows)
    cells = [
        f"<th scope='row'>{escaped(label(row))}</th>"
        f"<td class='b'>{bar_svg(row.usd / largest if largest else ZERO)}</td>"
        + _numbers(_money(row), f"{100 * row.usd / total:.1f}%" if total else "", f"{row.calls:,}")
        + f"<td class='t'>{escaped(tokens(row.usage))}</td>"
        for row in rows
    ]
    return _table(
        f"By {name}", ((name, ""), ("", ""), ("cost", "n"), ("share", "n"), ("calls", "n"), ("tokens", "")), cells
    )


def _runs(runs: Sequence[RunCost]) -> str:
    cells = [
        f"<th scope='row'>{escaped(run.epic or run.run)}</th><td>{escaped(run.title)}</td>"
        f"<td>{escaped(run.state.value)}</td><td>{_when(run.started)}</td>"
        + _numbers(UNKNOWN if run.is_unpriced and not run.usd else dollars(run.usd), limit(run.limit), f"{run.calls:,}")
        for run in runs
    ]
    heads = (("run", ""), ("title", ""), ("state", ""), ("started", ""), ("cost", "n"), ("budget", "n"), ("calls", "n"))
    return _table("Runs", heads, cells)


def _forecasts(runs: Sequence[RunCost]) -> str:
    cells = []
    for run in past_forecasts(runs):
        assert run.forecast is not None
        total = run.forecast.total
        cells.append(
            f"<th scope='row'>{escaped(run.epic or run.run)}</th>"
            + _numbers(f"{dollars(total.low)} to {dollars(total.high)}", dollars(total.likely), dollars(run.built_for))
            + f"<td>{escaped(outcome_of(run))}</td><td>{escaped(rests_on(run.forecast))}</td>"
        )
    if not cells:
        return ""
    inside, ended = share_inside(runs)
    note = f"{inside} of {ended} finished ones ended inside the range, which is meant to hold 80%" if ended else ""
    heads = (("epic", ""), ("forecast", "n"), ("likely", "n"), ("spent", "n"), ("outcome", ""), ("basis", ""))
    return _table("Forecasts", heads, cells, note=note)


def _calls(calls: Sequence[LedgerRow]) -> str:
    if not calls:
        return ""
    shown = calls[-_MOST_CALLS:]
    cells = [
        f"<td>{_when(row.at)}</td><td>{escaped(row.model)}</td><td>{escaped(row.agent)}</td>"
        f"<td>{escaped(row.task or '')}</td><td>{row.purpose.value}</td>"
        f"<td class='t'>{escaped(tokens(row.usage)) if not row.is_open else ''}</td>"
        + _numbers(dollars(row.reserved), _settled(row))
        + f"<td>{row.basis}</td>"
        for row in shown
    ]
    heads = (
        *(("reserved at", ""), ("model", ""), ("agent", ""), ("task", ""), ("purpose", ""), ("tokens", "")),
        *(("reserved", "n"), ("cost", "n"), ("rests on", "")),
    )
    note = f"the last {_MOST_CALLS} of {len(calls):,}; `--output csv` has them all" if len(shown) < len(calls) else ""
    return _table("Calls", heads, cells, note=note)


def _table(title: str, heads: Iterable[tuple[str, str]], rows: Iterable[str], *, note: str = "") -> str:
    columns = "".join(
        f"<th scope='col'{f' class={kind}' if kind else ''}>{escaped(name)}</th>" if name else "<td></td>"
        for name, kind in heads
    )
    caption = f"<caption>{escaped(note)}</caption>" if note else ""
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return (
        f"<section><h2>{escaped(title)}</h2><div class='scroll' role='region' tabindex='0' "
        f"aria-label='{escaped(title)}'><table>{caption}<thead><tr>{columns}</tr></thead>"
        f"<tbody>{body}</tbody></table></div></section>"
    )


def _numbers(*texts: str) -> str:
    return "".join(f"<td class='n'>{escaped(text)}</td>" for text in texts)


def _money(row: CostRow) -> str:
    if not row.is_unpriced:
        return dollars(row.usd)
    return f"{dollars(row.usd)} + {UNKNOWN}" if row.usd else UNKNOWN


def _settled(row: LedgerRow) -> str:
    if row.is_open:
        return "open"
    return UNKNOWN if row.is_unpriced else dollars(row.usd)


def _when(at: datetime | None) -> str:
    return f"<time datetime='{instant(at)}'>{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}</time>" if at is not None else ""
