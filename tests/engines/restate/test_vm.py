"""The state machine of the SDK has the shape that this engine was written for."""

from __future__ import annotations

import inspect
from importlib import metadata

import pytest
import restate.vm as core

from lash_trio.engines.restate import _vm
from lash_trio.engines.restate._vm import (
    IdentityRefused,
    IdentityVerifier,
    Progress,
    RunNeeded,
    Vm,
    VmFault,
)
from tests.engines.restate import protocol

#: What is used of ``VMWrapper``; an upgrade of the SDK that changes one of these has to
#: be looked at before the pinned version is raised.
SHAPE = {
    "get_response_head": ["self"],
    "notify_input": ["self", "input_buf"],
    "notify_input_closed": ["self"],
    "notify_error": ["self", "error", "stacktrace", "delay_override"],
    "take_output": ["self"],
    "is_ready_to_execute": ["self"],
    "is_completed": ["self", "handle"],
    "do_progress": ["self", "unresolved_future"],
    "take_notification": ["self", "handle"],
    "sys_input": ["self"],
    "sys_run": ["self", "name"],
    "sys_sleep": ["self", "millis", "name"],
    "sys_get_promise": ["self", "name"],
    "sys_peek_promise": ["self", "name"],
    "sys_complete_promise_success": ["self", "name", "value"],
    "sys_get_state": ["self", "name", "entry_name"],
    "sys_get_state_keys": ["self", "entry_name"],
    "sys_set_state": ["self", "name", "value", "entry_name"],
    "sys_clear_state": ["self", "name", "entry_name"],
    "sys_call": [
        *["self", "service", "handler", "parameter", "key", "idempotency_key", "headers"],
        *["scope", "limit_key"],
    ],
    "sys_send": [
        *["self", "service", "handler", "parameter", "key", "delay", "idempotency_key"],
        *["headers", "scope", "limit_key"],
    ],
    "sys_awakeable": ["self"],
    "sys_resolve_awakeable": ["self", "name", "value"],
    "propose_run_completion_success": ["self", "handle", "output"],
    "sys_write_output_success": ["self", "output"],
    "sys_write_output_failure": ["self", "output"],
    "sys_end": ["self"],
}


def opened(*entries: bytes) -> Vm:
    vm = Vm([("content-type", protocol.VERSION)])
    vm.feed(protocol.start(len(entries)) + b"".join(entries))
    assert vm.is_ready
    return vm


def test_the_sdk_is_the_pinned_one() -> None:
    assert metadata.version("restate-sdk") == "1.3.0"


def test_the_sdk_has_the_shape_that_is_used() -> None:
    found = {
        name: list(inspect.signature(getattr(core.VMWrapper, name)).parameters) for name in SHAPE
    }
    assert found == SHAPE
    used = {name for name in vars(_vm._Core) if not name.startswith("_")}
    assert used == set(SHAPE)


def test_headers_that_are_none_of_an_invocation_are_refused() -> None:
    with pytest.raises(VmFault, match="unrecognized content-type"):
        Vm([("content-type", "text/plain")])


def test_an_invocation_has_its_input() -> None:
    vm = opened(protocol.input_command(b"hello"))
    assert vm.response_head()[0] == 200
    found = vm.read_input()
    assert (found.invocation_id, found.key, found.body) == ("inv_1", "process-1", b"hello")


def test_a_run_is_proposed_and_acknowledged() -> None:
    vm = opened(protocol.input_command(b""))
    vm.read_input()
    handle = vm.run("step")
    vm.propose(handle, b"value")
    kinds = [kind for kind, _ in protocol.FrameReader().feed(vm.take_output())]
    assert kinds == [protocol.RUN, protocol.PROPOSE]
    assert vm.progress([handle]) is Progress.NEEDS_INPUT
    vm.feed(protocol.run_done(1, b"value"))
    assert vm.progress([handle]) is Progress.COMPLETED
    assert vm.is_completed(handle)
    assert vm.take(handle) == b"value"


def test_a_recorded_run_without_a_result_has_to_be_done() -> None:
    vm = opened(protocol.input_command(b""), protocol.run_command("step", 1))
    vm.read_input()
    handle = vm.run("step")
    assert vm.progress([handle]) == RunNeeded(handle)


def test_it_suspends_when_nothing_more_will_come() -> None:
    vm = opened(protocol.input_command(b""))
    vm.read_input()
    handle = vm.sleep(1000, "sleep")
    vm.feed_end()
    assert vm.progress([handle]) is Progress.SUSPENDED
    kinds = [kind for kind, _ in protocol.FrameReader().feed(vm.take_output())]
    assert kinds == [protocol.SLEEP, protocol.SUSPENSION]


def test_another_command_than_the_recorded_one_is_refused() -> None:
    vm = opened(protocol.input_command(b""), protocol.run_command("step", 1))
    vm.read_input()
    with pytest.raises(VmFault, match="mismatch"):
        vm.run("another")


def test_keys_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="publickeyv1_"):
        IdentityVerifier(["no key"])


def test_an_unsigned_request_is_refused_where_there_is_a_key() -> None:
    key = "publickeyv1_w7YHemBctH5Ck2nQRQ47iBBqhNHy4FV7t2Usbye2A6f"
    with pytest.raises(IdentityRefused):
        IdentityVerifier([key]).verify([("content-type", "x")], "/discover")
    IdentityVerifier([]).verify([("content-type", "x")], "/discover")
