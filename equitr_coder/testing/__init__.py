"""The scripted model, in process and as an HTTP server, and what tests of the product share. Shipped with it."""

from equitr_coder.testing.backend import Recorded
from equitr_coder.testing.clock import ManualClock
from equitr_coder.testing.events import assert_well_formed
from equitr_coder.testing.script import (
    Script,
    ScriptedCall,
    ScriptedReply,
    always,
    call,
    calls,
    fails,
    load_script,
    rule,
    says,
)
from equitr_coder.testing.scripted_model import ScriptedModel

__all__ = [
    "ManualClock",
    "Recorded",
    "Script",
    "ScriptedCall",
    "ScriptedModel",
    "ScriptedReply",
    "always",
    "assert_well_formed",
    "call",
    "calls",
    "fails",
    "load_script",
    "rule",
    "says",
]
