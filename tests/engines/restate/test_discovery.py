"""What an endpoint says of itself."""

from __future__ import annotations

import json

import pytest

from lash_trio import ProcessDefinitions
from lash_trio.engines.restate import RestateOptions
from lash_trio.engines.restate._discovery import manifest
from lash_trio.engines.restate._objects import registry_objects
from tests.engines.restate.test_attempt import HEADERS, serving

MEDIA_TYPE = "application/vnd.restate.endpointmanifest.v{}+json"


def described(
    accept: str, options: RestateOptions, *, runs_processes: bool = True
) -> tuple[str, bytes] | None:
    objects = registry_objects(runs_processes=runs_processes)
    return manifest(accept, options, objects, runs_processes=runs_processes)


def test_the_manifest_has_the_timeouts_and_the_retries() -> None:
    options = RestateOptions(
        inactivity_timeout_ms=1, abort_timeout_ms=2, retention_ms=3, first_retry_ms=4
    )
    found = described(", ".join(MEDIA_TYPE.format(v) for v in (2, 3, 4)), options)
    assert found is not None
    assert found[0] == MEDIA_TYPE.format(4)
    service, *objects = json.loads(found[1])["services"]
    assert (service["name"], service["ty"]) == ("LashProcess", "WORKFLOW")
    assert [(h["name"], h["ty"]) for h in service["handlers"]] == [
        ("run", "WORKFLOW"),
        ("signal", "SHARED"),
        ("cancel", "SHARED"),
    ]
    assert (service["inactivityTimeout"], service["abortTimeout"]) == (1, 2)
    assert service["handlers"][0]["workflowCompletionRetention"] == 3
    for each in (service, *objects):
        assert each["retryPolicyInitialInterval"] == 4


def test_the_objects_of_the_registry_are_told_without_a_program_too() -> None:
    found = described(MEDIA_TYPE.format(4), RestateOptions(), runs_processes=False)
    assert found is not None
    services = {service["name"]: service for service in json.loads(found[1])["services"]}
    assert sorted(services) == ["LashGrants", "LashProcessIndex", "LashProcessLog"]
    for service in services.values():
        assert service["ty"] == "VIRTUAL_OBJECT"
        assert service["enableLazyState"]
        # Each append would leave its journal and its result behind, for a day.
        assert (service["journalRetention"], service["idempotencyRetention"]) == (0, 600_000)
    handlers = services["LashProcessLog"]["handlers"]
    # Who follows a log would otherwise take a place among what runs, for as long.
    impatient = {h["name"]: h["inactivityTimeout"] for h in handlers if "inactivityTimeout" in h}
    assert impatient == {"changed": 1000}
    kinds = {h["name"]: h["ty"] for h in handlers}
    assert kinds["append_event"] == "EXCLUSIVE"
    assert kinds["changed"] == kinds["get_process"] == "SHARED"


def test_an_older_restate_gets_what_it_understands() -> None:
    found = described(MEDIA_TYPE.format(3), RestateOptions())
    assert found is not None
    assert found[0] == MEDIA_TYPE.format(3)
    assert b"retryPolicy" not in found[1]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/health", [], 200),
        ("/discover", [("accept", MEDIA_TYPE.format(4))], 200),
        ("/behind/a/proxy/discover", [("accept", MEDIA_TYPE.format(3))], 200),
        ("/discover", [("accept", MEDIA_TYPE.format(99))], 415),
        ("/invoke/LashProcess/run", [("content-type", "text/plain")], 415),
        ("/invoke/LashProcess/another", HEADERS, 404),
        ("/invoke/Another/run", HEADERS, 404),
        ("/invoke/LashProcessLog/append_event", [("content-type", "text/plain")], 415),
        ("/invoke/LashProcessLog/another", HEADERS, 404),
        ("/invoke/LashProcessIndex/append_event", HEADERS, 404),
        ("/", [], 404),
        ("nonsense", [], 404),
        ("/invoke/LashProcess", HEADERS, 404),
        ("/invoke/LashProcessLog", HEADERS, 404),
    ],
)
async def test_paths(
    autojump_clock: object, path: str, headers: list[tuple[str, str]], status: int
) -> None:
    async with serving(ProcessDefinitions()) as (client, _):
        stream_id = await client.request(path, headers)
        assert (await client.response(stream_id))[0] == status


async def test_an_unsigned_request_is_refused_but_for_the_health(autojump_clock: object) -> None:
    key = "publickeyv1_w7YHemBctH5Ck2nQRQ47iBBqhNHy4FV7t2Usbye2A6f"
    async with serving(ProcessDefinitions(), RestateOptions(identity_keys=(key,))) as (client, _):
        for path, status in (
            ("/health", 200),
            ("/discover", 401),
            ("/invoke/LashProcess/run", 401),
        ):
            stream_id = await client.request(path, HEADERS)
            assert (await client.response(stream_id))[0] == status
