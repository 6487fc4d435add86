"""What all tests share: hypothesis profiles, and which package is under test."""

import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import lash_trio

CHECKOUT = Path(__file__).resolve().parent.parent

# The same examples on every machine and every run: a red run can be repeated.
settings.register_profile(
    "ci",
    max_examples=60,
    stateful_step_count=30,
    derandomize=True,
    deadline=None,
    print_blob=True,
)
# Much longer, and other examples every time. What it finds is kept in
# `.hypothesis/` and tried first the next time.
settings.register_profile(
    "property",
    max_examples=5_000,
    stateful_step_count=100,
    derandomize=False,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
# `--hypothesis-profile` of hypothesis' own plugin comes after this line and wins.
settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--installed-package",
        action="store_true",
        help="refuse to run if `lash_trio` is imported from the checkout",
    )


def pytest_configure(config: pytest.Config) -> None:
    # A shell starts what runs in the background with interrupts ignored, and programs
    # inherit that. Some tests are about interrupts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # A wheel that lacks a file must make the run red. It cannot when Python
    # finds the checkout first, so this is checked before any test runs.
    if config.getoption("--installed-package") and package_is_the_checkout():
        raise pytest.UsageError(
            "--installed-package: expected lash_trio from site-packages, "
            f"got {package_directory()}; install the wheel and run `pytest` "
            "(not `python -m pytest`, which puts the checkout on sys.path)"
        )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(CHECKOUT / "tests" / "property"):
            item.add_marker(pytest.mark.property)


def pytest_report_header() -> str:
    return f"lash_trio: {package_directory()}"


def package_directory() -> Path:
    assert lash_trio.__file__ is not None
    return Path(lash_trio.__file__).resolve().parent


def package_is_the_checkout() -> bool:
    return package_directory() == CHECKOUT / "lash_trio"


@pytest.fixture
def checkout() -> Path:
    """The directory that holds pyproject.toml."""
    return CHECKOUT
