"""What an endpoint tells Restate about itself when it is registered.

Source: the endpoint manifest of Restate
(https://github.com/restatedev/service-protocol, ``endpoint_manifest_schema.json``).
"""

from __future__ import annotations

from ...model import JsonObject, canonical_json
from ._options import RestateOptions

PROCESS_SERVICE = "LashProcess"
"""The name of the workflow that every process is one of; its key is the process's id."""

RUN = "run"
SIGNAL = "signal"
CANCEL = "cancel"

_MEDIA_TYPE = "application/vnd.restate.endpointmanifest.v{}+json"
_FIRST_VERSION_WITH_RETRIES = 4
_JSON = "application/json"


def manifest(accept: str, options: RestateOptions) -> tuple[str, bytes] | None:
    """The manifest, in the best version that both sides know.

    Args:
        accept: the request's header.
        options: of the endpoint.

    Returns:
        Its media type and its text; None where there is no common version.
    """
    for version in (4, 3):
        media_type = _MEDIA_TYPE.format(version)
        if media_type in accept:
            with_retries = version >= _FIRST_VERSION_WITH_RETRIES
            return media_type, canonical_json(_manifest(options, with_retries)).encode()
    return None


def _manifest(options: RestateOptions, with_retries: bool) -> JsonObject:
    service: JsonObject = {
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
    if with_retries:
        service["retryPolicyInitialInterval"] = options.first_retry_ms
        service["retryPolicyMaxInterval"] = options.longest_retry_ms
        service["retryPolicyExponentiationFactor"] = 2.0
    return {
        "protocolMode": "BIDI_STREAM",
        "minProtocolVersion": 5,
        "maxProtocolVersion": 7,
        "services": [service],
    }


def _handler(name: str, kind: str, more: JsonObject) -> JsonObject:
    return {
        "name": name,
        "ty": kind,
        "input": {"required": True, "contentType": _JSON},
        "output": {"setContentTypeIfEmpty": False, "contentType": _JSON},
        **more,
    }
