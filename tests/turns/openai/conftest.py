"""A clock that jumps only when nothing has moved for a while: sockets need real time."""

import pytest
from trio.testing import MockClock

JUMP_AFTER_SECONDS = 0.05


@pytest.fixture
def patient_clock() -> MockClock:
    """Virtual time for tests that also wait for loopback sockets.

    With a threshold of zero the clock could jump while bytes are still in the kernel.
    """
    return MockClock(autojump_threshold=JUMP_AFTER_SECONDS)


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
