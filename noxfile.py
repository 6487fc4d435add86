"""What is checked, and how: `python -m nox` runs what CI runs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
# uv makes the environments faster where it is there; nothing needs it.
nox.options.default_venv_backend = "uv|virtualenv"
# The quick ones first. All of them run, also after a failure.
nox.options.sessions = ["lint", "types", "docs", "browser", "tests"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_external_run = True

PYPROJECT = nox.project.load_toml("pyproject.toml")
EXTRAS = sorted(PYPROJECT["project"]["optional-dependencies"])
# The server that the engine is tested against.
RESTATE_SERVER = "1.7.12"
CODE = ["lash_trio", "tests", "benchmarks", "examples", "docs", "noxfile.py"]


def dependency_groups(*names: str) -> list[str]:
    return list(nox.project.dependency_groups(PYPROJECT, *names))


def build_distributions(session: nox.Session) -> Path:
    """Builds the sdist, and from the sdist the wheel."""
    directory = Path(session.create_tmp()).resolve() / "dist"
    shutil.rmtree(directory, ignore_errors=True)
    session.install(*dependency_groups("build"))
    session.run("python", "-m", "build", "--outdir", str(directory), silent=True)
    return directory


def install_wheel(session: nox.Session, *requirements: str) -> None:
    """Installs the package as a user gets it, with all extras."""
    (wheel,) = build_distributions(session).glob("*.whl")
    # Twice: a wheel of the same version would otherwise not replace the last one.
    session.install(f"{wheel}[{','.join(EXTRAS)}]", *requirements)
    session.install("--force-reinstall", "--no-deps", str(wheel))


@nox.session
def lint(session: nox.Session) -> None:
    """Style, layers of imports, and the changelog's fragments."""
    session.install(*dependency_groups("lint"))
    session.run("ruff", "check", *existing(CODE))
    session.run("ruff", "format", "--check", *existing(CODE))
    # The layers are read from the installed package, so that is the checkout here.
    session.install("--editable", ".")
    session.run("lint-imports", "--no-cache")
    session.run("towncrier", "build", "--draft", "--version", "next", silent=True)


@nox.session
def types(session: nox.Session) -> None:
    """Mypy and pyright, both strict, and how complete the public types are."""
    install_wheel(session, *dependency_groups("types"))
    checked = ["lash_trio", "tests/typing", "tests/docs", "tests/test_package.py"]
    session.run("mypy", "--strict", *checked, "--exclude", "tests/typing/bad_")
    session.run("pytest", "--installed-package", "tests/typing")
    python = str(Path(session.bin) / "python")
    session.run("pyright", "--pythonpath", python)
    # From elsewhere, as pyright would look at the checkout first. It takes the
    # session's python from PATH: `--verifytypes` does not heed `--pythonpath`.
    with session.chdir(session.create_tmp()):
        session.run("pyright", "--verifytypes", "lash_trio", "--ignoreexternal")


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, warnings being errors; then every code block in it."""
    install_wheel(session, *dependency_groups("docs"))
    output = "docs/_build/html"
    session.run("sphinx-build", "-n", "-W", "--keep-going", "-E", "-b", "html", "docs", output)
    session.run("pytest", "--installed-package", "tests/docs")


@nox.session
def tests(session: nox.Session) -> None:
    """The test suite, on the built wheel; arguments go to pytest."""
    install_wheel(session, *dependency_groups("test"))
    distributions = Path(session.create_tmp()).resolve() / "dist"
    session.run("python", "tests/check_distributions.py", str(distributions))
    run_suite(session, *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """What a real browser shows of the pages that the command writes; needs chromium."""
    install_wheel(session, *dependency_groups("test"))
    session.run("pytest", "--installed-package", "tests/browser", *session.posargs)


@nox.session
def restate(session: nox.Session) -> None:
    """The Restate engine against a real server; needs npm, and Linux."""
    require_npm(session)
    install_wheel(session, *dependency_groups("test"))
    program = install_restate_server(session)
    tests = ["--installed-package", "tests/engines/restate_server", *session.posargs]
    run_isolated(session, program, str(Path(session.bin) / "pytest"), *tests)


@nox.session
def lowest(session: nox.Session) -> None:
    """The test suite with the oldest versions that pyproject.toml allows."""
    project = PYPROJECT["project"]
    requirements = [*project["dependencies"], *dependency_groups("test")]
    for extra in EXTRAS:
        requirements += project["optional-dependencies"][extra]
    install_wheel(session, *(pin_lowest(requirements)))
    run_suite(session, *session.posargs)


@nox.session(name="property")
def property_(session: nox.Session) -> None:
    """Tests marked `property`, with many more examples of hypothesis; takes long."""
    install_wheel(session, *dependency_groups("test"))
    run_suite(session, "--hypothesis-profile=property", "-m", "property", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Which lines and branches the suite reaches."""
    install_wheel(session, *dependency_groups("coverage"))
    pytest = str(Path(session.bin) / "pytest")
    session.run("coverage", "erase")
    session.run("coverage", "run", pytest, "--ignore=tests/typing", *session.posargs)
    session.run("coverage", "combine")
    session.run("coverage", "report")


@nox.session
def bench(session: nox.Session) -> None:
    """The benchmarks; arguments go to `python -m benchmarks`."""
    install_wheel(session, *dependency_groups("bench"))
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def peers(session: nox.Session) -> None:
    """The same work on other libraries; arguments go to `python -m benchmarks.peers`."""
    install_wheel(session, *dependency_groups("peers"))
    session.run("python", "-m", "benchmarks.peers", *session.posargs)


@nox.session
def bench_restate(session: nox.Session) -> None:
    """The Restate engine beside the stock SDK; arguments go to `python -m benchmarks.restate`."""
    require_npm(session)
    install_wheel(session, *dependency_groups("restate-peer"))
    program = install_restate_server(session)
    measure = ["-m", "benchmarks.restate", *session.posargs]
    run_isolated(session, program, str(Path(session.bin) / "python"), *measure)


@nox.session
def mutants(session: nox.Session) -> None:
    """Plants faults one at a time; each must turn a test red."""
    # The checkout itself: `python -m` would find it before a wheel.
    session.install("--editable", f".[{','.join(EXTRAS)}]", *dependency_groups("test"))
    session.run("python", "-m", "tests.mutants", *session.posargs)


def run_suite(session: nox.Session, *arguments: str) -> None:
    # Not `python -m pytest`: that would put the checkout on sys.path, and it is
    # the installed wheel that is tested. Other sessions run these two directories.
    elsewhere = ["--ignore=tests/typing", "--ignore=tests/docs"]
    # A process a core; the tests of one file stay together.
    at_once = ["-n", "auto", "--dist", "loadfile"]
    session.run("pytest", "--installed-package", *elsewhere, *at_once, *arguments)


def require_npm(session: nox.Session) -> None:
    if shutil.which("npm") is None:
        session.error(
            "a Restate server comes from 'npm', which comes with Node.js (`apt-get install npm`)"
        )


def install_restate_server(session: nox.Session) -> Path:
    directory = Path(session.create_tmp()).resolve() / "server"
    directory.mkdir(exist_ok=True)
    package = f"@restatedev/restate-server@{RESTATE_SERVER}"
    # No scripts: one of its dependencies would tell of the installation to others.
    install = ["install", "--no-save", "--ignore-scripts", "--prefix", str(directory), package]
    session.run("npm", *install, external=True, silent=True)
    (program,) = directory.glob("node_modules/@restatedev/restate-server-*/bin/restate-server")
    return program


def run_isolated(session: nox.Session, program: Path, *command: str) -> None:
    """Runs something with a server that cannot look for new releases."""
    # A network with nothing but a loopback.
    namespace = ["unshare", "--map-root-user", "--net"]
    environment = {"RESTATE_SERVER": str(program)}
    if (
        shutil.which("unshare")
        and subprocess.run([*namespace, "true"], check=False).returncode == 0
    ):
        session.log("the server runs in a network namespace with nothing but a loopback")
    else:
        # Some containers do not permit it. The server itself is then kept from looking up names.
        session.log("no network namespace here: the server runs under a filter of system calls")
        namespace = []
        environment["RESTATE_CONFINED"] = "1"
    session.run(*namespace, *command, env=environment, external=True)


def existing(paths: Iterable[str]) -> list[str]:
    return [path for path in paths if Path(path).exists()]


def pin_lowest(requirements: Iterable[str]) -> list[str]:
    return [requirement.replace(">=", "==") for requirement in requirements]
