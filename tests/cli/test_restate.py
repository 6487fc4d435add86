"""``lash-trio restate`` where there is no server; `tests/engines/restate_server` has one."""

from __future__ import annotations

import platform
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from lash_trio.cli._file import MissingExtraError
from lash_trio.cli._restate_confined import can_confine, confined
from lash_trio.cli._restate_server import SERVER_VARIABLE, ServerError, find_server, free_ports
from tests.cli.support import Invoke, WriteFile

NATIVE = "restate-server-linux-x64/bin/restate-server"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory, and a machine whose package is known."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    return tmp_path


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\nexit 3\n")
    path.chmod(0o755)
    return path


def find(here: Path, **more: str) -> Path:
    variables: Mapping[str, str] = {"PATH": str(here / "bin"), **more}
    return find_server(variables)


def test_the_server_is_looked_for_where_the_error_says(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MissingExtraError, match="npm install @restatedev/restate-server") as raised:
        find(here)
    assert raised.value.exit_code == 2
    assert all(place in str(raised.value) for place in (SERVER_VARIABLE, "PATH", "node_modules"))
    in_modules = program(here / "node_modules" / "@restatedev" / NATIVE)
    deeper = here / "deeper" / "still"
    deeper.mkdir(parents=True)
    monkeypatch.chdir(deeper)
    assert find(here) == in_modules
    on_path = program(here / "bin" / "restate-server")
    assert find(here) == on_path
    named = program(here / "named")
    assert find(here, **{SERVER_VARIABLE: str(named)}) == named
    with pytest.raises(MissingExtraError, match="which is no program"):
        find(here, **{SERVER_VARIABLE: str(here / "nothing")})


@pytest.mark.parametrize("place", ["", "restate-server/node_modules/@restatedev"])
def test_behind_the_script_of_npm_is_the_program(here: Path, place: str) -> None:
    packages = here / "node_modules" / "@restatedev"
    script = program(packages / "restate-server" / "lib" / "index.js")
    native = program(packages / place / NATIVE)
    (here / "bin").mkdir()
    (here / "bin" / "restate-server").symlink_to(script)
    assert find(here) == native


def test_free_ports_differ_and_a_taken_one_is_told() -> None:
    ports = free_ports(0, 0, 0)
    assert len({ports.ingress, ports.admin, ports.node, 0}) == 4
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        with pytest.raises(ServerError, match=f"port {port} of 127.0.0.1 cannot be used"):
            free_ports(0, port, 0)


PROBE = """
import os, socket

def kind(family, what):
    try:
        socket.socket(family, what).close()
    except OSError as error:
        return type(error).__name__
    return "given"

for family in (socket.AF_INET, socket.AF_INET6):
    print(kind(family, socket.SOCK_STREAM), kind(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
    print(kind(family, socket.SOCK_DGRAM), kind(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
print(kind(socket.AF_UNIX, socket.SOCK_DGRAM))
"""


def test_a_confined_program_has_sockets_for_streams_only() -> None:
    assert can_confine()
    command = [sys.executable, "-c", PROBE]
    free = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert free == "given given\n" * 4 + "given\n"
    held = subprocess.run(confined(command), capture_output=True, check=True, text=True).stdout
    assert held == "given given\nOSError OSError\n" * 2 + "given\n"


def test_a_confined_program_ends_with_who_started_it() -> None:
    starts = (
        "import subprocess, sys, time\n"
        "from lash_trio.cli._restate_confined import confined\n"
        "held = 'print(1, flush=True); import time; time.sleep(600)'\n"
        "subprocess.Popen(confined([sys.executable, '-c', held]))\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", starts], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"1\n"
        parent.kill()
        # The pipe ends when the last who has it has ended.
        assert parent.stdout.read() == b""


def test_a_program_that_cannot_be_started_is_told() -> None:
    ended = subprocess.run(
        confined(["/no/such/program"]), capture_output=True, check=False, text=True
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("lash-trio: /no/such/program could not be started")


def test_what_ends_before_it_is_up_is_told_with_its_last_words(
    here: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = here / "server"
    server.write_text("#!/bin/sh\necho only this, in $RESTATE_BASE_DIR; exit 3\n")
    server.chmod(0o755)
    monkeypatch.setenv(SERVER_VARIABLE, str(server))
    data = here / "data"
    ports = ("--ingress-port", "0", "--admin-port", "0", "--node-port", "0")
    for _ in range(2):
        result = invoke("restate", "dev", "--data", data, *ports)
        assert result.exit_code == 1
        assert "the server has ended with status 3" in result.stderr
        assert result.stderr.count(f"only this, in {data}") == 1
    assert (data / "server.log").read_text().count("only this") == 2


def test_dev_without_a_server_says_what_to_install(
    here: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(here))
    monkeypatch.delenv(SERVER_VARIABLE, raising=False)
    result = invoke("restate", "dev")
    assert result.exit_code == 2
    assert "npm install @restatedev/restate-server" in result.stderr


def test_where_releases_can_be_looked_for_the_user_has_to_allow_it(
    here: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SERVER_VARIABLE, str(program(here / "server")))
    monkeypatch.setattr("lash_trio.cli._restate_server.can_confine", lambda: False)
    ports = ("--ingress-port", "0", "--admin-port", "0", "--node-port", "0")
    refused = invoke("restate", "dev", "--temporary", *ports)
    assert refused.exit_code == 1
    assert "--allow-release-check" in refused.stderr
    started = invoke("restate", "dev", "--temporary", "--allow-release-check", *ports)
    assert "the server has ended with status 3" in started.stderr


@pytest.mark.parametrize(
    ("args", "status", "words"),
    [
        (("register", "http://127.0.0.1:1", "--admin", "http://127.0.0.1:1"), 4, "no Restate"),
        (("register", "http://127.0.0.1:1", "--admin", "nonsense"), 4, "no Restate server at"),
        (("serve", "missing.py"), 2, "missing.py cannot be read"),
        (("serve", "{file}", "--identity-key", "nonsense"), 1, "nonsense"),
        (("serve", "{file}", "--ingress", "nonsense"), 1, "nonsense"),
        (("serve", "{file}", "--namespace", "My Shop"), 1, "small letters"),
        (("serve", "{file}", "--port", "70000"), 2, "--port"),
        (("serve", "{file}", "--port", "{taken}"), 1, "cannot listen on port {taken}"),
    ],
)
def test_what_cannot_be_done_is_told(
    args: tuple[str, ...], status: int, words: str, invoke: Invoke, write_file: WriteFile
) -> None:
    file = write_file("from lash_trio import ProcessDefinitions\nmine = ProcessDefinitions()\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        names = {"file": str(file), "taken": taken.getsockname()[1]}
        result = invoke("restate", *(arg.format(**names) for arg in args))
    assert result.exit_code == status, result.stderr
    assert words.format(**names) in result.stderr
    assert "Traceback" not in result.stderr


def test_the_extra_is_named_where_it_is_missing(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lash_trio.cli._restate_admin.find_spec", lambda name: None)
    for command in (("dev",), ("register", "http://127.0.0.1:1"), ("serve", "some.py")):
        result = invoke("restate", *command)
        assert result.exit_code == 2
        assert "pip install 'lash-trio[cli,restate]'" in result.stderr


def test_proxies_of_the_environment_are_not_the_server_s(
    here: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = here / "server"
    server.write_text("#!/bin/sh\nenv\nexit 3\n")
    server.chmod(0o755)
    monkeypatch.setenv(SERVER_VARIABLE, str(server))
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example")
    monkeypatch.setenv("https_proxy", "http://proxy.example")
    ports = ("--ingress-port", "0", "--admin-port", "0", "--node-port", "0")
    invoke("restate", "dev", "--data", here / "data", *ports)
    said = (here / "data" / "server.log").read_text()
    assert "proxy.example" not in said
    assert "RESTATE_DISABLE_TELEMETRY=true" in said
