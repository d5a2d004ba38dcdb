from collections.abc import Sequence

from equitr_coder.domain.ids import AgentName, RunId, SessionId
from equitr_coder.domain.image_tokens import typical_tokens
from equitr_coder.domain.images import Image
from equitr_coder.domain.models import AssistantMessage, Message, ModelRequest, ModelSpec, Tier, UserMessage
from equitr_coder.domain.run_view import RunView, SessionView
from equitr_coder.engine import context
from equitr_coder.engine.images import able, as_seen_by
from equitr_coder.engine.records import records

SHOT = Image(digest="a" * 64, media_type="image/png", width=800, height=600, bytes=9000, path="ui/shot.png")
SHOWN = UserMessage(text="Look.", images=(SHOT,))
SEES, BLIND, SILENT = (
    ModelSpec(name=name, tier=Tier.WEAK, images=images)
    for name, images in (("m/sees", "yes"), ("m/blind", "no"), ("m/silent", "auto"))
)


def takes(spec: ModelSpec) -> bool | None:
    return {"yes": True, "no": False}.get(spec.images)


def request(model: ModelSpec, *messages: Message) -> ModelRequest:
    return ModelRequest(model=model, system="s", messages=messages, max_tokens=10)


def names(candidates: Sequence[ModelSpec], asked: ModelRequest) -> list[str]:
    return [one.name for one in able(candidates, asked, takes)]


def test_who_takes_no_images_is_left_out_only_where_there_are_any() -> None:
    chain = (BLIND, SILENT, SEES)

    assert names(chain, request(BLIND, SHOWN)) == ["m/sees"]
    assert names(chain, request(BLIND, UserMessage(text="Look."))) == ["m/blind", "m/silent", "m/sees"]
    assert names((BLIND, SILENT), request(SEES, SHOWN)) == ["m/sees"]


def test_to_a_model_that_takes_none_each_image_is_named_in_a_line() -> None:
    seen = as_seen_by(request(BLIND, SHOWN, AssistantMessage(text="ok"), UserMessage(text="Well?")), takes)

    assert [message.text for message in seen.messages] == [
        "Look.\n[ui/shot.png (800x600 pixels) is left out here: you take no images.]",
        "ok",
        "Well?",
    ]
    assert not any(message.images for message in seen.messages if isinstance(message, UserMessage))
    assert as_seen_by(request(SEES, SHOWN), takes) == request(SEES, SHOWN)


def test_an_image_has_the_size_of_a_text_of_as_many_tokens() -> None:
    text = context.size_of(UserMessage(text="Look."))

    assert context.tokens_in(context.size_of(SHOWN) - text, 3.0) >= typical_tokens(SHOT.size)


def test_an_image_that_a_compaction_drops_is_named_in_the_records() -> None:
    session = SessionView(SessionId("chat"), AgentName("a"), None, messages=[UserMessage(text="go"), SHOWN])

    kept = records(session, RunView(RunId("r")), 2, room=5_000)

    assert (
        "## Images you were shown, left out now\n- ui/shot.png (800x600 pixels): the user can attach it again" in kept
    )


def test_the_opening_message_keeps_its_images_through_a_compaction() -> None:
    from equitr_coder.domain.events import ContextCompacted

    session = SessionView(SessionId("chat"), AgentName("a"), None, messages=[SHOWN, UserMessage(text="old"), SHOWN])
    done = ContextCompacted(
        session=session.id,
        agent=session.agent,
        upto=2,
        text="records",
        summary="",
        why="window",
        limit=1,
        tokens_before=2,
        tokens_after=1,
        detail="",
    )
    session.compacted.append(done)

    assert context.sent_messages(session) == (SHOWN, UserMessage(text="records"), SHOWN)
