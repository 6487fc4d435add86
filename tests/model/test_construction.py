"""Values that can only be a bug are refused when the object is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lash_trio import model as m
from lash_trio.model import (
    MAX_DURATION_MS,
    EffectCommand,
    InvalidValueError,
    WireError,
    from_json,
    is_durable_media_type,
)


def wrong(value: Any) -> Any:
    """A value of a type that no type checker would let through."""
    return value


REFUSED: list[tuple[str, Callable[[], object]]] = [
    ("duration_ms", lambda: EffectCommand.sleep(-1)),
    ("duration_ms", lambda: EffectCommand.sleep(MAX_DURATION_MS + 1)),
    ("duration_ms", lambda: EffectCommand.sleep(10**5000)),
    ("duration_ms", lambda: EffectCommand.sleep(wrong(1.5))),
    ("duration_ms", lambda: EffectCommand.sleep(wrong(True))),
    ("duration_ms", lambda: EffectCommand.sleep(wrong("5"))),
    ("duration_ms", lambda: EffectCommand.sleep(wrong(None))),
    ("timeout_ms", lambda: EffectCommand.await_event("k", -1)),
    ("timeout_ms", lambda: EffectCommand.await_event("k", wrong(True))),
    ("timeout_ms", lambda: EffectCommand.await_event("k", wrong(0.5))),
    ("ordinal", lambda: m.SignalWait(key="k", name="n", event_type="t", ordinal=0)),
    ("ordinal", lambda: m.EventWait(key="k", process_id="p", event_type="t", ordinal=wrong(True))),
    ("kind", lambda: m.WaitState(kind=wrong({"kind": "sleep"}), since_ms=0)),
    ("blocks", lambda: m.LlmMessage(role=m.LlmRole.USER, blocks=wrong([]))),
    (
        "item 1 of blocks",
        lambda: m.LlmMessage(role=m.LlmRole.USER, blocks=(m.TextBlock(text=""), wrong("hi"))),
    ),
    ("messages", lambda: m.LlmRequestSpec(model="m", messages=wrong("hi"))),
    (
        "attachments",
        lambda: m.LlmRequestSpec(
            model="m", messages=(), attachments=wrong((m.LlmAttachment(media_type="image/png"),))
        ),
    ),
    (
        "process_ids",
        lambda: m.TransferProcesses(
            from_scope=m.SessionScope(session_id="a"),
            to_scope=m.SessionScope(session_id="b"),
            process_ids=wrong("p1"),
        ),
    ),
    ("entries", lambda: m.ProcessesListed(entries=wrong([]))),
    ("registration", lambda: m.StartProcess(registration=wrong("p1"))),
    (
        "request",
        lambda: m.SignalProcess(process_id="p", signal_name="n", signal_id="1", request=wrong({})),
    ),
    ("initial_nodes", lambda: m.SwitchAgentFrame(frame_id="f", initial_nodes=wrong([1]))),
    (
        "started_process_ids",
        lambda: m.ToolHostEvent(
            source_type="t",
            source_key="k",
            occurrence_id="o",
            idempotency_key="i",
            started_process_ids=wrong("p"),
        ),
    ),
    ("byte_len", lambda: m.AttachmentRef(id="a", media_type="image/png", byte_len=-1)),
    ("width", lambda: m.AttachmentRef(id="a", media_type="image/png", byte_len=1, width=-1)),
    ("attachment_idx", lambda: m.ImageBlock(attachment_idx=-1)),
    ("output_token_cap", lambda: m.GenerationOptions(output_token_cap=-1)),
    ("input_tokens", lambda: m.LlmUsage(input_tokens=wrong(1.0))),
    ("input_schema", lambda: m.LlmToolSpec(name="t", description="", input_schema=wrong([]))),
    ("schema", lambda: m.JsonSchemaOutput(name="n", schema=wrong("{}"))),
    ("data", lambda: m.LlmAttachment(media_type="image/png", data=wrong("png"))),
    ("media type", lambda: m.LlmAttachment(media_type=" ")),
    ("payload_schema", lambda: m.ProcessEventType(name="t", payload_schema=wrong(True))),
    ("semantics", lambda: m.ProcessEventType(name="t", semantics=wrong(None))),
    ("name", lambda: m.ProcessEventType(name=wrong(None))),
    ("state", lambda: m.ProcessTerminalSpec(state=wrong("completed"))),
    (
        "await_output",
        lambda: m.ProcessTerminalSpec(
            state=m.ProcessTerminalState.FAILED, await_output=wrong("/a")
        ),
    ),
    ("input", lambda: m.ProcessWakeSpec(input=wrong("payload"))),
    ("when", lambda: m.ProcessWakeSpec(input=m.ProcessValueSelector.payload(), when=wrong(True))),
    (
        "dedupe_key",
        lambda: m.ProcessWakeSpec(input=m.ProcessValueSelector.payload(), dedupe_key=wrong("k")),
    ),
    ("selector", lambda: m.SelectorDedupe(selector=wrong("/a"))),
    ("args", lambda: m.ProcessInput.function("f", wrong([1]))),
    ("name", lambda: m.ProcessInput.function(wrong(5))),
    ("originator", lambda: m.ProcessProvenance(originator=wrong("host"), host_profile_id="h")),
    ("host_profile_id", lambda: m.ProcessProvenance.host(wrong(None))),
    ("scope", lambda: m.SessionOriginator(scope=wrong("s"))),
    (
        "revoked_handle_count",
        lambda: m.ProcessSessionDeleteReport(session_id="s", revoked_handle_count=-1),
    ),
    ("duration_ms", lambda: m.ExecResponse(duration_ms=-1)),
]


@pytest.mark.parametrize(
    ("field", "build"), [pytest.param(*pair, id=f"{n}-{pair[0]}") for n, pair in enumerate(REFUSED)]
)
def test_a_value_that_can_only_be_a_bug(field: str, build: Callable[[], object]) -> None:
    with pytest.raises(InvalidValueError) as caught:
        build()
    assert caught.value.code == "invalid_value"
    assert field in caught.value.message
    assert "got" in caught.value.message


def test_limits_that_are_still_good() -> None:
    assert EffectCommand.sleep(0).duration_ms == 0
    assert EffectCommand.sleep(MAX_DURATION_MS).duration_ms == 2**63 - 1
    assert EffectCommand.await_event("k", 0).timeout_ms == 0
    assert EffectCommand.await_event("k").timeout_ms is None


def test_the_wire_refuses_the_same_values() -> None:
    for wire in ({"type": "sleep", "duration_ms": -1}, {"type": "sleep", "duration_ms": 2**63}):
        with pytest.raises(WireError, match="whole number of milliseconds") as caught:
            from_json(EffectCommand, wire)  # type: ignore[arg-type]
        assert caught.value.code == "invalid_value"


def test_factories_of_commands_and_inputs() -> None:
    request = m.LlmRequestSpec(model="m", messages=())
    call = m.PreparedToolCall(call_id="c", tool_name="t", args=1)
    await_process = m.AwaitProcess(process_id="p")
    commands = {
        m.EffectKind.LLM_CALL: EffectCommand.llm_call(request),
        m.EffectKind.DIRECT: EffectCommand.direct(request, "titles"),
        m.EffectKind.TOOL_CALL: EffectCommand.tool_call(call),
        m.EffectKind.PROCESS: EffectCommand.process(await_process),
        m.EffectKind.EXEC_CODE: EffectCommand.exec_code("1"),
        m.EffectKind.CHECKPOINT: EffectCommand.checkpoint(m.CheckpointKind.AFTER_WORK),
        m.EffectKind.SYNC_EXECUTION_SURFACE: EffectCommand.sync_execution_surface(False),
        m.EffectKind.SLEEP: EffectCommand.sleep(1),
        m.EffectKind.AWAIT_EVENT: EffectCommand.await_event("k"),
        m.EffectKind.DURABLE_STEP: EffectCommand.durable_step("s"),
    }
    assert set(commands) == set(m.EffectKind)
    for kind, command in commands.items():
        assert command.kind is kind
        assert command.tag == kind
    outcomes = {
        cls.kind: cls for cls in m.EffectOutcome.__subclasses__() if hasattr(m, cls.__name__)
    }
    assert set(outcomes) == set(m.EffectKind)
    assert m.ProcessInput.function("f").args == {}
    assert m.ProcessInput.external().metadata is None


def test_bytes_do_not_stand_in_the_text_of_an_attachment() -> None:
    attachment = m.LlmAttachment(media_type="image/png", data=b"secret")
    assert "secret" not in repr(attachment)
    assert "<6 bytes>" in repr(attachment)


@pytest.mark.parametrize(
    ("media_type", "durable"),
    [
        ("image/png", True),
        (" Image/JPEG ", True),
        ("application/pdf", True),
        ("text/plain", True),
        ("image/svg+xml", False),
        ("text/plain; charset=utf-8", False),
        ("", False),
    ],
)
def test_media_types_that_an_envelope_can_refer_to(media_type: str, durable: bool) -> None:
    assert is_durable_media_type(media_type) is durable
    assert m.MEDIA_TYPES == m.IMAGE_MEDIA_TYPES | m.DOCUMENT_MEDIA_TYPES
