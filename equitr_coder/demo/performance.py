"""Plays the story from request to landing: the user's part through the one door, and everything that happens as lines."""

from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal

from equitr_coder.app import Overrides, open_api
from equitr_coder.demo.claims import Seen, claim_lines, claims
from equitr_coder.demo.screen import Screen
from equitr_coder.demo.stage import Stage
from equitr_coder.demo.story import Story
from equitr_coder.demo.timeline import Timeline
from equitr_coder.domain.approvals import ApprovalAnswer, Scope
from equitr_coder.domain.commands import AnswerQuestion, ApprovePlan, ResolveApproval, StartRun
from equitr_coder.domain.errors import RunStopped, StopReason
from equitr_coder.domain.events import ApprovalRequested, Event, PlanSubmitted, QuestionAsked
from equitr_coder.domain.run_view import RunView, fold
from equitr_coder.domain.runs import PlanMode, RunKind, RunState
from equitr_coder.ports import CommandResult, Executor, Place, RunApi, ShownDelta
