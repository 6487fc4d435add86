"""What an endpoint tells Restate about itself when it is registered.

Source: the endpoint manifest of Restate
(https://github.com/restatedev/service-protocol, ``endpoint_manifest_schema.json``).
"""

from __future__ import annotations

from ...model import JsonObject, JsonValue, canonical_json
from ._object import ObjectHandler, Objects
from ._options import RestateOptions

PROCESS_SERVICE = "LashProcess"
"""The name of the workflow that every process is one of; its key is the process's id."""

RUN = "run"
SIGNAL = "signal"
CANCEL = "cancel"

_MEDIA_TYPE = "application/vnd.restate.endpointmanifest.v{}+json"
_FIRST_VERSION_WITH_RETRIES = 4
_JSON = "application/json"

_OBJECT_INACTIVITY_MS = 60_000
_IDEMPOTENCY_MS = 600_000
# Without an end, as far as Restate can count: after its own default it would pause what was
# called while no endpoint was up, and a paused call bars the log that it was for.
_MAX_ATTEMPTS = 2**31 - 1


def manifest(
    accept: str, options: RestateOptions, objects: Objects, *, runs_processes: bool
) -> tuple[str, bytes] | None:
    """The manifest, in the best version that both sides know.

    Args:
        accept: the request's header.
        options: of the endpoint.
        objects: the handlers of the virtual objects that it serves.
        runs_processes: whether it serves the workflow.

    Returns:
        Its media type and its text; None where there is no common version.
    """
    for version in (4, 3):
        media_type = _MEDIA_TYPE.format(version)
        if media_type in accept:
            services = [_object(name, objects, options) for name in objects]
            if runs_processes:
                services.insert(0, _workflow(options))
            if version >= _FIRST_VERSION_WITH_RETRIES:
                services = [{**service, **_retries(options)} for service in services]
            return media_type, canonical_json(_manifest([*services])).encode()
    return None


def _workflow(options: RestateOptions) -> JsonObject:
    return {
        "name": PROCESS_SERVICE,
        "ty": "WORKFLOW",
        "documentation": "Processes of lash_trio; the key is the id of the process.",
        "inactivityTimeout": options.inactivity_timeout_ms,
        "abortTimeout": options.abort_timeout_ms,
        "journalRetention": options.retention_ms,
        "handlers": [
            _handler(RUN, "WORKFLOW", {"workflowCompletionRetention": options.retention_ms}),
            _handler(SIGNAL, "SHARED", {}),
            _handler(CANCEL, "SHARED", {}),
        ],
    }


def _object(name: str, objects: Objects, options: RestateOptions) -> JsonObject:
    return {
        "name": name,
        "ty": "VIRTUAL_OBJECT",
        "documentation": "The registry of processes of lash_trio.",
        # A log may be long, and no call needs more than a few keys of it.
        "enableLazyState": True,
        "inactivityTimeout": _OBJECT_INACTIVITY_MS,
        "abortTimeout": options.abort_timeout_ms,
        "journalRetention": 0,
        "idempotencyRetention": _IDEMPOTENCY_MS,
        "handlers": [
            _object_handler(handler_name, handler)
            for handler_name, handler in objects[name].items()
        ],
    }


def _object_handler(name: str, handler: ObjectHandler) -> JsonObject:
    inactivity: JsonObject = {}
    if handler.inactivity_ms is not None:
        inactivity["inactivityTimeout"] = handler.inactivity_ms
    return _handler(name, "SHARED" if handler.is_shared else "EXCLUSIVE", inactivity)


def _retries(options: RestateOptions) -> JsonObject:
    return {
        "retryPolicyInitialInterval": options.first_retry_ms,
        "retryPolicyMaxInterval": options.longest_retry_ms,
        "retryPolicyExponentiationFactor": 2.0,
        "retryPolicyMaxAttempts": _MAX_ATTEMPTS,
    }


def _manifest(services: list[JsonValue]) -> JsonObject:
    return {
        "protocolMode": "BIDI_STREAM",
        "minProtocolVersion": 5,
        "maxProtocolVersion": 7,
        "services": services,
    }


def _handler(name: str, kind: str, more: JsonObject) -> JsonObject:
    return {
        "name": name,
        "ty": kind,
        "input": {"required": True, "contentType": _JSON},
        "output": {"setContentTypeIfEmpty": False, "contentType": _JSON},
        **more,
    }
