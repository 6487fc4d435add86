"""Asking a Restate server to take an endpoint."""

from __future__ import annotations

from http import HTTPStatus
from importlib.util import find_spec
from typing import TYPE_CHECKING

import attrs

from .. import JsonObject, JsonValue
from ._file import CommandError, FileError, MissingExtraError, RefusedError

if TYPE_CHECKING:
    import httpx2

_HEALTH_SECONDS = 2
# The server asks the endpoint meanwhile, and asks again where it does not answer.
_REGISTER_SECONDS = 60


@attrs.frozen(kw_only=True)
class Registration:
    """What to register.

    Args:
        url: the endpoint, as the server reaches it.
        admin_url: the server.
        force: whether to replace what is registered under this URL.
        services: what the endpoint must have, each of them by its name.
    """

    url: str
    admin_url: str
    force: bool
    services: tuple[str, ...]


def require_extra() -> None:
    """Check that what these commands need is installed.

    Raises:
        MissingExtraError: it is not.
    """
    needed = ("httpx2", "restate", "h2")
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"Restate needs {' and '.join(missing)}, which cannot be found; "
            "python -m pip install 'lash-trio[cli,restate]' installs what it needs"
        )


async def is_healthy(url: str) -> bool:
    """Whether there is a positive answer."""
    import httpx2

    async with _client(_HEALTH_SECONDS) as client:
        try:
            return (await client.get(url)).status_code == HTTPStatus.OK
        except httpx2.TransportError:
            return False


async def register(registration: Registration) -> JsonObject:
    """Register an endpoint, after a look at what it has.

    Returns:
        ``deployment``, the id that the server gives it, ``url``, and ``services``: the
        ``name`` and ``revision`` of each.

    Raises:
        FileError: the server cannot be reached.
        RefusedError: the server refuses, or the endpoint is none of ours.
    """
    async with _client(_REGISTER_SECONDS) as client:
        # First without effect: what is registered by mistake is called from then on.
        seen = await _post(client, registration, is_dry_run=True)
        names = [service["name"] for service in _services(seen)]
        missing = [name for name in registration.services if name not in names]
        if missing:
            raise RefusedError(
                f"{registration.url} is no endpoint of lash_trio: expected the service "
                f"{missing[0]!r}, got {', '.join(map(str, names)) or 'none'}; 'lash-trio restate "
                "serve MODULE' serves one"
            )
        done = await _post(client, registration, is_dry_run=False)
    return {"deployment": done["id"], "url": registration.url, "services": [*_services(done)]}


async def _post(
    client: httpx2.AsyncClient, registration: Registration, *, is_dry_run: bool
) -> JsonObject:
    import httpx2

    asked = {"uri": registration.url, "force": registration.force, "dry_run": is_dry_run}
    try:
        url = f"{registration.admin_url.rstrip('/')}/deployments"
        answer = await client.post(url, json=asked)
    except httpx2.InvalidURL as error:
        raise CommandError(f"{registration.admin_url!r} is no URL: {error}") from error
    except (httpx2.TransportError, httpx2.UnsupportedProtocol) as error:
        raise FileError(
            f"there is no Restate server at {registration.admin_url} "
            f"({type(error).__name__}: {error}); 'lash-trio restate dev' starts one, and --admin "
            "names another"
        ) from error
    try:
        told: JsonValue = answer.json()
    except ValueError:
        told = None
    if answer.is_success and isinstance(told, dict) and isinstance(told.get("id"), str):
        return told
    text = told.get("message") if isinstance(told, dict) else answer.text[:500]
    if answer.status_code == HTTPStatus.CONFLICT:
        text = f"{text} (--force replaces what is registered under this URL)"
    raise RefusedError(
        f"the server at {registration.admin_url} refused {registration.url} "
        f"with status {answer.status_code}: {text}"
    )


def _services(answer: JsonObject) -> list[JsonObject]:
    services = answer.get("services")
    if not isinstance(services, list):
        return []
    return [
        {"name": each.get("name"), "revision": each.get("revision")}
        for each in services
        if isinstance(each, dict)
    ]


def _client(seconds: float) -> httpx2.AsyncClient:
    import httpx2

    # Neither a proxy nor a name of the environment: what is asked for is what is asked.
    return httpx2.AsyncClient(timeout=seconds, trust_env=False)
