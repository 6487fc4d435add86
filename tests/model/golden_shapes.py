"""How each member of every union looks on the wire.

The shapes are kept by others (stores, journals, hosts in other languages), so a
change here is a change of the format.
"""

from __future__ import annotations

from lash_trio import model as m
from lash_trio.model import EffectKind, JsonValue, SessionScope

SESSION = SessionScope(session_id="s1")
REQUEST = m.LlmRequestSpec(
    model="m", messages=(m.LlmMessage.text(m.LlmRole.USER, "hi"),), session_id="s1"
)
REQUEST_JSON: JsonValue = {
    "model": "m",
    "messages": [{"role": "user", "blocks": [{"type": "text", "text": "hi"}]}],
    "attachments": [],
    "tools": [],
    "tool_choice": "auto",
    "generation": {},
    "session_id": "s1",
}
RESPONSE = m.LlmResponse(full_text="hello", terminal_reason=m.LlmTerminalReason.STOP)
RESPONSE_JSON: JsonValue = {
    "full_text": "hello",
    "parts": [],
    "usage": {
        "input_tokens": 0,
        "output_tokens": 0,
        "cached_input_tokens": 0,
        "reasoning_tokens": 0,
    },
    "terminal_reason": "stop",
}
CALL = m.PreparedToolCall(call_id="c1", tool_name="search", args={"q": 1})
CALL_JSON: JsonValue = {"call_id": "c1", "tool_name": "search", "args": {"q": 1}}
FAILURE = m.ToolFailure(failure_class=m.ToolFailureClass.TIMEOUT, code="late", message="too late")
FAILURE_JSON: JsonValue = {
    "class": "timeout",
    "code": "late",
    "message": "too late",
    "source": "tool",
    "retryable": False,
}
EVENT = m.ProcessEvent(
    process_id="p1", sequence=3, event_type="signal.go", payload=None, occurred_at_ms=7
)
EVENT_JSON: JsonValue = {
    "process_id": "p1",
    "sequence": 3,
    "event_type": "signal.go",
    "payload": None,
    "semantics": {},
    "occurred_at_ms": 7,
}
RECORD = m.ProcessRecord(
    id="p1",
    registration_hash="h",
    input=m.ExternalInput(),
    provenance=m.ProcessProvenance.host("demo"),
)
RECORD_JSON: JsonValue = {
    "id": "p1",
    "registration_hash": "h",
    "input": {"type": "external"},
    "event_types": [],
    "provenance": {"originator": {"type": "host"}, "host_profile_id": "demo"},
    "created_at_ms": 0,
    "updated_at_ms": 0,
    "status": {"state": "running"},
}
GRANT = m.ProcessHandleGrant(session_scope=SESSION, process_id="p1")
GRANT_JSON: JsonValue = {
    "session_scope": {"session_id": "s1"},
    "process_id": "p1",
    "descriptor": {},
}
SUCCESS = m.ProcessAwaitOutput.success([1])
SUCCESS_JSON: JsonValue = {"type": "success", "value": [1]}

GOLDEN: dict[type, list[tuple[object, JsonValue]]] = {
    m.EffectScope: [
        (m.EffectScope.turn("s", "t"), {"type": "turn", "session_id": "s", "turn_id": "t"}),
        (m.EffectScope.process("p"), {"type": "process", "process_id": "p"}),
        (
            m.EffectScope.queue_drain("s", "d"),
            {"type": "queue_drain", "session_id": "s", "drain_id": "d"},
        ),
        (m.EffectScope.session_delete("s"), {"type": "session_delete", "session_id": "s"}),
        (
            m.EffectScope.runtime_operation("o"),
            {"type": "runtime_operation", "operation_id": "o"},
        ),
    ],
    m.Subject: [
        (
            m.EffectSubject(effect_id="e", kind=EffectKind.DURABLE_STEP),
            {"type": "effect", "effect_id": "e", "kind": "durable_step"},
        ),
        (m.ProcessSubject(process_id="p"), {"type": "process", "process_id": "p"}),
        (
            m.ProcessEventSubject(process_id="p", sequence=1, event_type="t"),
            {"type": "process_event", "process_id": "p", "sequence": 1, "event_type": "t"},
        ),
        (m.HostEventSubject(occurrence_id="o"), {"type": "host_event", "occurrence_id": "o"}),
        (m.SessionNodeSubject(node_id="n"), {"type": "session_node", "node_id": "n"}),
    ],
    m.CausalRef: [
        (
            m.TurnCausalRef(session_id="s", turn_id="t"),
            {"type": "turn", "session_id": "s", "turn_id": "t"},
        ),
        (
            m.EffectCausalRef(session_id="s", effect_id="e"),
            {"type": "effect", "session_id": "s", "effect_id": "e"},
        ),
        (
            m.ToolCallCausalRef(session_id="s", call_id="c"),
            {"type": "tool_call", "session_id": "s", "call_id": "c"},
        ),
        (m.ProcessCausalRef(process_id="p"), {"type": "process", "process_id": "p"}),
        (
            m.ProcessEventCausalRef(process_id="p", sequence=2),
            {"type": "process_event", "process_id": "p", "sequence": 2},
        ),
        (m.HostEventCausalRef(occurrence_id="o"), {"type": "host_event", "occurrence_id": "o"}),
        (
            m.SessionNodeCausalRef(session_id="s", node_id="n"),
            {"type": "session_node", "session_id": "s", "node_id": "n"},
        ),
    ],
    m.EffectCommand: [
        (m.EffectCommand.llm_call(REQUEST), {"type": "llm_call", "request": REQUEST_JSON}),
        (
            m.EffectCommand.direct(REQUEST, "titles"),
            {"type": "direct", "request": REQUEST_JSON, "usage_source": "titles"},
        ),
        (m.EffectCommand.tool_call(CALL), {"type": "tool_call", "call": CALL_JSON}),
        (
            m.EffectCommand.process(m.AwaitProcess(process_id="p")),
            {"type": "process", "command": {"op": "await", "process_id": "p"}},
        ),
        (m.EffectCommand.exec_code("1+1"), {"type": "exec_code", "code": "1+1"}),
        (
            m.EffectCommand.checkpoint(m.CheckpointKind.BEFORE_COMPLETION),
            {"type": "checkpoint", "checkpoint": "before_completion"},
        ),
        (
            m.EffectCommand.sync_execution_surface(True),
            {"type": "sync_execution_surface", "update_machine_config": True},
        ),
        (m.EffectCommand.sleep(5), {"type": "sleep", "duration_ms": 5}),
        (m.EffectCommand.await_event("k"), {"type": "await_event", "key": "k"}),
        (
            m.EffectCommand.durable_step("step", [1]),
            {"type": "durable_step", "step_id": "step", "input": [1]},
        ),
    ],
    m.EffectOutcome: [
        (
            m.LlmCallOutcome(result=m.Ok(RESPONSE), text_streamed=True),
            {"type": "llm_call", "result": {"Ok": RESPONSE_JSON}, "text_streamed": True},
        ),
        (
            m.DirectOutcome(result=m.Err(m.LlmCallError(message="no"))),
            {
                "type": "direct",
                "result": {
                    "Err": {"message": "no", "retryable": False, "terminal_reason": "unknown"}
                },
            },
        ),
        (
            m.ToolCallEffectOutcome(
                result=m.CompletedToolCall(
                    call_id="c",
                    tool_name="t",
                    args=None,
                    output=m.ToolCallOutput(outcome=m.ToolSuccess(value=1)),
                )
            ),
            {
                "type": "tool_call",
                "result": {
                    "call_id": "c",
                    "tool_name": "t",
                    "args": None,
                    "output": {"outcome": {"type": "success", "value": 1}},
                    "duration_ms": 0,
                },
                "host_events": [],
            },
        ),
        (
            m.ProcessOutcome(result=m.ProcessesTransferred()),
            {"type": "process", "result": {"op": "transfer"}},
        ),
        (
            m.ExecCodeOutcome(result=m.Err("no such name")),
            {"type": "exec_code", "result": {"Err": "no such name"}},
        ),
        (
            m.CheckpointOutcome(result=m.Err(m.EffectFailure(code="plugin", message="no"))),
            {"type": "checkpoint", "result": {"Err": {"code": "plugin", "message": "no"}}},
        ),
        (
            m.SyncExecutionSurfaceOutcome(result=m.Ok(None)),
            {"type": "sync_execution_surface", "result": {"Ok": None}},
        ),
        (m.SleepOutcome(), {"type": "sleep"}),
        (m.AwaitEventOutcome(payload=None), {"type": "await_event", "payload": None}),
        (m.DurableStepOutcome(value={"a": 1}), {"type": "durable_step", "value": {"a": 1}}),
    ],
    m.ProcessCommand: [
        (
            m.StartProcess(
                registration=m.ProcessRegistration(
                    id="p1",
                    input=m.ProcessInput.function("order", {"sku": "x"}),
                    provenance=m.ProcessProvenance.session(SESSION, "demo"),
                ),
                grant=m.ProcessStartGrant(session_scope=SESSION),
            ),
            {
                "op": "start",
                "registration": {
                    "id": "p1",
                    "input": {"type": "function", "name": "order", "args": {"sku": "x"}},
                    "event_types": [],
                    "provenance": {
                        "originator": {"type": "session", "scope": {"session_id": "s1"}},
                        "host_profile_id": "demo",
                    },
                },
                "grant": {"session_scope": {"session_id": "s1"}, "descriptor": {}},
            },
        ),
        (
            m.ListProcesses(session_scope=SESSION),
            {"op": "list", "session_scope": {"session_id": "s1"}, "mode": "live"},
        ),
        (
            m.TransferProcesses(
                from_scope=SESSION,
                to_scope=SessionScope(session_id="s1", agent_frame_id="f"),
                process_ids=("p1", "p2"),
            ),
            {
                "op": "transfer",
                "from_scope": {"session_id": "s1"},
                "to_scope": {"session_id": "s1", "agent_frame_id": "f"},
                "process_ids": ["p1", "p2"],
            },
        ),
        (m.DeleteSession(session_id="s1"), {"op": "delete_session", "session_id": "s1"}),
        (m.AwaitProcess(process_id="p1"), {"op": "await", "process_id": "p1"}),
        (
            m.CancelProcess(process_id="p1", reason="enough"),
            {"op": "cancel", "process_id": "p1", "reason": "enough"},
        ),
        (
            m.SignalProcess(
                process_id="p1",
                signal_name="go",
                signal_id="1",
                request=m.ProcessEventAppendRequest(
                    event_type="signal.go", payload=1, replay=m.Replay(key="k")
                ),
            ),
            {
                "op": "signal",
                "process_id": "p1",
                "signal_name": "go",
                "signal_id": "1",
                "request": {"event_type": "signal.go", "payload": 1, "replay": {"key": "k"}},
            },
        ),
    ],
    m.ProcessEffectOutcome: [
        (m.ProcessStarted(record=RECORD), {"op": "start", "record": RECORD_JSON}),
        (
            m.ProcessesListed(entries=(m.ProcessGrantEntry(grant=GRANT, record=RECORD),)),
            {"op": "list", "entries": [{"grant": GRANT_JSON, "record": RECORD_JSON}]},
        ),
        (m.ProcessesTransferred(), {"op": "transfer"}),
        (
            m.SessionDeleted(
                report=m.ProcessSessionDeleteReport(
                    session_id="s1", revoked_handle_count=1, revoked_process_ids=("p1",)
                )
            ),
            {
                "op": "delete_session",
                "report": {
                    "session_id": "s1",
                    "revoked_handle_count": 1,
                    "revoked_process_ids": ["p1"],
                    "orphaned_process_ids": [],
                    "preserved_process_ids": [],
                },
            },
        ),
        (m.ProcessAwaited(output=SUCCESS), {"op": "await", "output": SUCCESS_JSON}),
        (m.ProcessCancelRequested(record=RECORD), {"op": "cancel", "record": RECORD_JSON}),
        (m.ProcessSignalled(event=EVENT), {"op": "signal", "event": EVENT_JSON}),
    ],
    m.ProcessInput: [
        (m.ProcessInput.tool_call(CALL), {"type": "tool_call", "call": CALL_JSON}),
        (
            m.ProcessInput.function("order"),
            {"type": "function", "name": "order", "args": {}},
        ),
        (
            m.ProcessInput.session_turn({"a": 1}, None),
            {"type": "session_turn", "create_request": {"a": 1}, "turn_input": None},
        ),
        (m.ProcessInput.external([1]), {"type": "external", "metadata": [1]}),
    ],
    m.ProcessOriginator: [
        (m.HostOriginator(), {"type": "host"}),
        (
            m.SessionOriginator(scope=SESSION),
            {"type": "session", "scope": {"session_id": "s1"}},
        ),
    ],
    m.ProcessStatus: [
        (m.ProcessRunning(), {"state": "running"}),
        (
            m.ProcessCompleted(await_output=SUCCESS),
            {"state": "completed", "await_output": SUCCESS_JSON},
        ),
        (
            m.ProcessFailed(await_output=m.ProcessAwaitOutput.failure("c", "m")),
            {
                "state": "failed",
                "await_output": {
                    "type": "failure",
                    "class": "execution",
                    "code": "c",
                    "message": "m",
                },
            },
        ),
        (
            m.ProcessCancelled(await_output=m.ProcessAwaitOutput.cancelled("m")),
            {"state": "cancelled", "await_output": {"type": "cancelled", "message": "m"}},
        ),
    ],
    m.ProcessAwaitOutput: [
        (
            m.ProcessSuccess(value=None, control=m.FinishTurn(value=1)),
            {"type": "success", "value": None, "control": {"type": "finish", "value": 1}},
        ),
        (
            m.ProcessAwaitOutput.failure("c", "m", m.ToolFailureClass.INTERNAL, {"raw": 1}),
            {
                "type": "failure",
                "class": "internal",
                "code": "c",
                "message": "m",
                "raw": {"raw": 1},
            },
        ),
        (
            m.ProcessAwaitOutput.cancelled("m", [1]),
            {"type": "cancelled", "message": "m", "raw": [1]},
        ),
    ],
    m.WaitKind: [
        (
            m.SignalWait(key="k", name="go", event_type="signal.go", ordinal=2),
            {"kind": "signal", "key": "k", "name": "go", "event_type": "signal.go", "ordinal": 2},
        ),
        (
            m.EventWait(key="k", process_id="p", event_type="t", ordinal=1),
            {"kind": "event", "key": "k", "process_id": "p", "event_type": "t", "ordinal": 1},
        ),
        (m.SleepWait(key="k", due_at_ms=9), {"kind": "sleep", "key": "k", "due_at_ms": 9}),
        (
            m.ProcessEndWait(key="k", process_id="p"),
            {"kind": "process", "key": "k", "process_id": "p"},
        ),
        (
            m.OperatorWait(code="c", message="m"),
            {"kind": "operator", "code": "c", "message": "m"},
        ),
    ],
    m.ToolControl: [
        (
            m.SwitchAgentFrame(frame_id="f", initial_nodes=(1,), task="t"),
            {"type": "switch_agent_frame", "frame_id": "f", "initial_nodes": [1], "task": "t"},
        ),
        (m.FinishTurn(value=None), {"type": "finish", "value": None}),
        (m.FailTurn(failure=FAILURE), {"type": "fail", "failure": FAILURE_JSON}),
    ],
    m.ToolCallOutcome: [
        (m.ToolSuccess(value=0), {"type": "success", "value": 0}),
        (m.ToolFailed(failure=FAILURE), {"type": "failure", "failure": FAILURE_JSON}),
        (m.ToolCancelled(message="m"), {"type": "cancelled", "message": "m"}),
    ],
    m.LlmContentBlock: [
        (m.TextBlock(text="t"), {"type": "text", "text": "t"}),
        (m.ImageBlock(attachment_idx=0), {"type": "image", "attachment_idx": 0}),
        (
            m.ToolCallBlock(call_id="c", tool_name="t", input_json="{}"),
            {"type": "tool_call", "call_id": "c", "tool_name": "t", "input_json": "{}"},
        ),
        (
            m.ToolResultBlock(call_id="c", content="x"),
            {"type": "tool_result", "call_id": "c", "content": "x", "is_error": False},
        ),
        (m.ReasoningBlock(text="hm"), {"type": "reasoning", "text": "hm"}),
    ],
    m.LlmOutputSpec: [
        (m.JsonObjectOutput(), {"type": "json_object"}),
        (
            m.JsonSchemaOutput(name="n", schema={}),
            {"type": "json_schema", "name": "n", "schema": {}, "strict": True},
        ),
    ],
    # Tagged from outside, as the seed has them.
    m.ProcessValueSelector: [
        (m.ProcessValueSelector.payload(), "payload"),
        (m.ProcessValueSelector.pointer("/a"), {"pointer": "/a"}),
        (m.ProcessValueSelector.constant({"a": 1}), {"const": {"a": 1}}),
        (
            m.ProcessValueSelector.template("{n}", {"n": m.ProcessValueSelector.payload()}),
            {"template": {"template": "{n}", "fields": {"n": "payload"}}},
        ),
        (m.ProcessValueSelector.present(""), {"present": ""}),
    ],
    m.ProcessWakeDedupeKey: [
        (m.EventIdentityDedupe(), "event_identity"),
        (
            m.SelectorDedupe(selector=m.ProcessValueSelector.pointer("/id")),
            {"selector": {"pointer": "/id"}},
        ),
        (m.ConstantDedupe(key="once"), {"const": "once"}),
    ],
}
