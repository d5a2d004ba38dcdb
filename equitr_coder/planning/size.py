"""Two judgements from words alone, free of charge: is a request large enough to be planned, is a task critical.

A request is large when it is long (over 80 words), lists three or more points, or its signals add up to `LARGE_FROM`.
Signals of smallness are looked for at the head of the request only: "Create a REST API and a README" is no small
matter, "Fix the README of the REST API" is. Unknown words and other languages weigh nothing, so a short request
without any signal is small; `--plan always` overrides.
"""

import re
from functools import cached_property
from typing import Literal

from equitr_coder.domain.epic import Task
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.runs import PlanMode, RunKind

LARGE_FROM = 3
_MANY_WORDS = 80
_MANY_POINTS = 3
_HEAD_WORDS = 8


@frozen
class Signal:
    words: str
    """A regular expression for whole words; compiled when a request is judged, which most starts never do."""
    weight: int
    meaning: str

    def stands_in(self, text: str) -> bool:
        return self._pattern.search(text) is not None

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(rf"(?<!\w)(?:{self.words})(?!\w)", re.IGNORECASE)


LARGE_SIGNALS = (
    Signal(r"build|create|design|develop|implement|architect|make|plan|set up", 1, "asks for something new"),
    Signal(r"architectures?|micro-?services?|distributed systems?", 3, "architecture"),
    Signal(r"rest(?:ful)?(?: web)? apis?|graphql|grpc|web api|openapi|api design|json api", 2, "an API"),
    Signal(r"platforms?|e-?commerce|marketplace|saas|multi-tenant", 2, "a platform"),
    Signal(
        r"authentication|authori[sz]ation|oauth2?|single sign-on|sso|login system|user accounts", 2, "user accounts"
    ),
    Signal(r"(?:database|db|data) (?:schemas?|models?)|schemas?", 1, "a data model"),
    Signal(r"scalable|high[- ]availability|high[- ]traffic|production[- ]ready|real[- ]time", 1, "scale"),
    Signal(r"full[- ]?stack|end[- ]to[- ]end|from scratch|complete|whole|entire|all services", 1, "a whole"),
    Signal(
        r"(?:the )?(?:whole|entire|complete|full) (?:codebase|code base|project|app|application|system|repo(?:sitory)?)"
        r"|codebase|across (?:all|the)",
        2,
        "everything at once",
    ),
    Signal(r"app|application|web ?site|web ?app|dashboard|game|clone|compiler|framework", 2, "an application"),
    Signal(
        r"system|server|backend|front-?end|cli|library|service|bot|pipeline|engine|cach(?:e|ing) layer", 1, "a part"
    ),
    Signal(r"migrat(?:e|es|ion|ions)|rewrite|redesign|overhaul|port", 2, "a migration"),
    Signal(r"refactor|restructure|moderni[sz]e", 1, "restructuring"),
    Signal(r"security (?:review|audit)|performance (?:review|audit)", 3, "a review of the whole"),
    Signal(r"kubernetes|helm|terraform|ci/cd|docker-compose|deployment", 1, "deployment"),
    Signal(r"rate limiting|payments?|inventory|orders|notifications?|search|roles?|role-based", 1, "a business part"),
)
SMALL_SIGNALS = (
    Signal(r"typos?|spelling|whitespace|indentation|formatting", -4, "a slip of the pen"),
    Signal(r"rename|bump|reword|reorder|remove unused|delete", -3, "a mechanical change"),
    Signal(r"docstrings?|comments?|readme|changelog|docs?|documentation|licen[cs]e", -3, "words only"),
    Signal(r"fix|bug|crash|error in|traceback|failing test|correct", -3, "a repair"),
    Signal(r"what|why|how|where|which|who|when|explain|show|list|describe|tell|is|are|does|do|can", -4, "a question"),
    Signal(
        r"function|method|variable|constant|line|import|button|label|message|field|column|option|flag", -2, "one spot"
    ),
    Signal(r"small|simple|tiny|quick|minor|just|only|one", -1, "said to be small"),
)
_FILE = re.compile(
    r"(?<![\w/])[\w./-]*\w\.(?:py|js|jsx|ts|tsx|go|rs|java|c|h|cpp|rb|php|sh|md|txt|toml|ya?ml|json|css|html)\b"
)
_FLAG = re.compile(r"(?<!\S)--?[a-z][\w-]*", re.IGNORECASE)
_POINT = re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s+\S", re.MULTILINE)
_LISTED = re.compile(r"\w,\s+(?:\w+\s+){0,3}\w+,\s+(?:and\s+|or\s+)?\w", re.IGNORECASE)


def judge(request: str) -> Literal["small", "large"]:
    """Whether `--plan auto` sends the request straight to one worker, or has it planned."""
    return "large" if weigh(request)[0] >= LARGE_FROM else "small"


def starts_with_plan(kind: RunKind, mode: PlanMode, request: str) -> bool:
    """Whether a run in worktrees begins with the planner, or hands its request straight to one worker."""
    if kind is RunKind.LOOP:
        return False
    return mode is PlanMode.ALWAYS or (mode is PlanMode.AUTO and judge(request) == "large")


def is_complex(task: Task, *, is_planned: bool) -> bool:
    """Whether the supervisor is asked before a worker starts. A planned task has the supervisor's design already, so
    only one that the planner also marked critical is.
    """
    if is_planned and not task.critical:
        return False
    said = f"{task.title}\n{task.description}" if is_planned else task.description or task.title
    return judge(said) == "large"


def weigh(request: str) -> tuple[int, tuple[str, ...]]:
    """The sum of the signals, and what they were, for explanations."""
    words = request.split()
    if len(words) > _MANY_WORDS:
        return LARGE_FROM, (f"{len(words)} words",)
    points = len(_POINT.findall(request))
    if points >= _MANY_POINTS:
        return LARGE_FROM, (f"{points} points",)
    head = " ".join(words[:_HEAD_WORDS])
    found = [(signal.weight, signal.meaning) for signal in LARGE_SIGNALS if signal.stands_in(request)]
    found += [(signal.weight, signal.meaning) for signal in SMALL_SIGNALS if signal.stands_in(head)]
    if _LISTED.search(request):
        found.append((1, "an enumeration"))
    if _FILE.search(request):
        found.append((-2, "names a file"))
    if _FLAG.search(request):
        found.append((-2, "names a flag"))
    return sum(weight for weight, _ in found), tuple(meaning for _, meaning in found)


_CRITICAL = re.compile(
    r"(?<![a-z])(?:"
    r"auth|authn|authz|authenticat\w*|authori[sz]\w*|oauth2?|oidc|saml|sso|login|passwords?|passphrases?|credentials?"
    r"|secrets?|jwts?|(?:access|api|auth|bearer|refresh|session|csrf) tokens?|api keys?|private keys?"
    r"|encrypt\w*|decrypt\w*"
    r"|crypto\w*|hmac|tls|ssl|certificates?|permissions?|privileges?|access control|rbac|roles?-based|sandbox\w*"
    r"|sanitiz\w*|saniti[sz]ation|injection|xss|csrf|ssrf|cors|vulnerabilit\w*|security|payments?|pci"
    r"|contracts?|schemas?|interfaces?|public api|openapi|swagger|protobuf|graphql|wire format|migrations?"
    r")(?![a-z])",
    re.IGNORECASE,
)
_NOT_CONTRACTS = re.compile(r"(?:user|graphical|command[- ]line|web) interfaces?|no login|login not", re.IGNORECASE)
_CRITICAL_TYPES = frozenset(
    {"security", "contract", "contracts", "schema", "schemas", "types", "interface", "interfaces"}
)


def is_critical(task: Task | str) -> bool:
    """Whether the supervisor reviews it under `review: critical`: security, contract work, or the planner's mark."""
    if isinstance(task, str):
        return _CRITICAL.search(_NOT_CONTRACTS.sub(" ", task)) is not None
    if task.critical or {task.type.lower(), task.specialization.lower()} & _CRITICAL_TYPES:
        return True
    words = "\n".join((task.title, task.description, task.type, task.specialization, *task.todos))
    return is_critical(words.replace("_", " "))
