"""Grants and the list of processes, against the registry in memory."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from hypothesis import given, settings, strategies as st

from lash_trio import MemoryProcessRegistry, PluginError, SessionScope
from lash_trio.model import ProcessHandleDescriptor, to_json
from lash_trio.testing._conformance._registry_bench import named
from lash_trio.testing.conformance import ManualClock
from tests.engines.restate.fake_restate import FakeRestate

IDS = ("p1", "p2", "p3")
SCOPES = (
    SessionScope(session_id="s1"),
    SessionScope(session_id="s1", agent_frame_id="f"),
    SessionScope(session_id="s2"),
)
ids = st.sampled_from(IDS)
scopes = st.sampled_from(SCOPES)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("grant"), scopes, ids, st.sampled_from(["x", "y"])),
        st.tuples(st.just("revoke"), scopes, ids),
        st.tuples(st.just("transfer"), scopes, scopes, st.lists(ids, max_size=3)),
        st.tuples(st.just("delete"), st.sampled_from(["s1", "s2"])),
    ),
    max_size=12,
)


class Both:
    """The objects, and the registry in memory that they must agree with."""

    def __init__(self) -> None:
        self.restate = FakeRestate(ManualClock())
        self.memory = MemoryProcessRegistry(ManualClock())

    async def open(self) -> None:
        for process_id in IDS:
            await self.memory.register_process(named(process_id))
            await self.restate.value(
                "LashProcessLog",
                f"~ns~{process_id}",
                "register_process",
                registration=to_json(named(process_id)),
            )

    async def grants(self, handler: str, **body: Any) -> Any:
        return await self.restate.value("LashGrants", "ns", handler, **body)

    async def take(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("grant", scope, process_id, label):
                descriptor = ProcessHandleDescriptor(label=label)
                await self.memory.grant_handle(scope, process_id, descriptor)
                await self.grants(
                    "grant_handle",
                    session_scope=to_json(scope),
                    process_id=process_id,
                    descriptor=to_json(descriptor),
                )
            case ("revoke", scope, process_id):
                await self.memory.revoke_handle(scope, process_id)
                await self.grants(
                    "revoke_handle", session_scope=to_json(scope), process_id=process_id
                )
            case ("transfer", source, target, process_ids):
                await self.transfer(source, target, process_ids)
            case ("delete", session_id):
                report = await self.memory.delete_session_process_state(session_id)
                found = await self.grants("delete_session_process_state", session_id=session_id)
                assert found == to_json(report)
            case _:
                raise AssertionError(step)

    async def transfer(
        self, source: SessionScope, target: SessionScope, process_ids: list[str]
    ) -> None:
        refusals: list[str | None] = []
        asked = {"from_scope": to_json(source), "to_scope": to_json(target)}
        for move in (
            self.memory.transfer_handle_grants(source, target, process_ids),
            self.grants("transfer_handle_grants", **asked, process_ids=process_ids),
        ):
            try:
                await move
                refusals.append(None)
            except PluginError as error:
                refusals.append(error.message)
        assert refusals[0] == refusals[1]

    async def check(self) -> None:
        for scope in SCOPES:
            entries = await self.memory.list_handle_grants(scope)
            found = await self.grants("list_handle_grants", session_scope=to_json(scope))
            assert found == [to_json(entry.grant) for entry in entries]
        for process_id in IDS:
            held = await self.memory.handle_grants_for_process(process_id)
            found = await self.grants("handle_grants_for_process", process_id=process_id)
            assert found == [to_json(grant) for grant in held]


@settings(max_examples=60)
@given(STEPS)
def test_grants_are_those_of_the_registry_in_memory(steps: list[tuple[Any, ...]]) -> None:
    async def main() -> None:
        both = Both()
        await both.open()
        for step in steps:
            await both.take(step)
            await both.check()
        for scope in SCOPES:
            await both.grants("delete_session_process_state", session_id=scope.session_id)
        assert both.restate.state["LashGrants", "ns"] == {}

    trio.run(main)


async def test_grants_of_processes_that_nobody_registered_are_refused() -> None:
    both = Both()
    scope = to_json(SCOPES[0])
    for handler, body in (
        ("grant_handle", {"session_scope": scope, "descriptor": {}}),
        ("revoke_handle", {"session_scope": scope}),
        ("has_handle_grant", {"session_scope": scope}),
        ("handle_grants_for_process", {}),
    ):
        with pytest.raises(PluginError, match="no process 'nobody'"):
            await both.grants(handler, process_id="nobody", **body)


async def index(restate: FakeRestate, handler: str, **body: Any) -> Any:
    return await restate.value("LashProcessIndex", "all", handler, **body)


async def test_ids_are_listed_in_pages_in_their_order() -> None:
    restate = FakeRestate(ManualClock())
    # By code point: the capital first, the Greek letter last.
    ids = ["B", "a", "b", "b/1", "running/x", "ω"]
    for process_id in reversed(ids):
        for _ in range(2):
            await index(restate, "add", process_id=process_id)
    found: list[str] = []
    after: str | None = None
    while True:
        page = await index(restate, "list", status="running", after=after, limit=2)
        found += page["ids"]
        after = page["next_after"]
        if after is None:
            break
        assert len(page["ids"]) == 2
    assert found == ids


async def test_who_has_ended_is_listed_so_and_stays() -> None:
    restate = FakeRestate(ManualClock())
    for process_id in ("a", "b", "c"):
        await index(restate, "add", process_id=process_id)
    await index(restate, "end", process_id="b")
    # A registration that is repeated brings nobody back.
    await index(restate, "add", process_id="b")
    listed = {
        status: (await index(restate, "list", status=status, limit=9))["ids"]
        for status in ("running", "any", "completed", "failed")
    }
    assert listed == {
        "running": ["a", "c"],
        "any": ["a", "b", "c"],
        "completed": ["b"],
        "failed": ["b"],
    }
    assert await index(restate, "running", process_ids=["c", "b", "nobody"]) == ["c"]
