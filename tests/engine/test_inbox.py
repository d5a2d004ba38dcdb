from equitr_coder.domain.events import MessageSent
from equitr_coder.domain.ids import AgentName, RequestId, SessionId, TaskId
from equitr_coder.domain.models import Purpose, UserMessage
from equitr_coder.engine.inbox import Inbox
from equitr_coder.engine.model_call import Caller
from tests.orchestration.test_sync_points import Log

T1 = TaskId("T1")


async def test_a_long_message_does_not_fill_the_context_of_who_gets_it() -> None:
    log = Log()
    await log.record(MessageSent(id=RequestId("m1"), sender="T2", to=T1, kind="finding", content="x" * 300_000))

    await Inbox(log, Caller(SessionId("T1.1"), AgentName("worker"), T1, Purpose.WORK)).deliver()

    [message] = log.view.sessions[SessionId("T1.1")].messages
    assert isinstance(message, UserMessage)
    assert len(message.text) < 7_000
    assert message.text.endswith("[the rest is left out]")
