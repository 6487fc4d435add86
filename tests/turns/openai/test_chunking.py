"""How the bytes of a stream are cut is of no importance."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from itertools import pairwise

import httpx2
import trio
from hypothesis import given, strategies as st

from lash_trio import LlmResponse, ProviderError, TurnStreamEvent
from lash_trio.turns.openai import OpenAIProvider

from .server import STREAM, delta, events, finish, usage
from .support import HELLO, Watch

TEXT = "grüße \U0001f600 \u2028 \x85\x0b\x1c end"
ANSWER = events(
    delta(role="assistant", content=TEXT, reasoning="hm\r\n"),
    delta(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x":'}}]),
    delta(tool_calls=[{"index": 0, "function": {"arguments": json.dumps(TEXT) + "}"}}]),
    finish("tool_calls"),
    usage(prompt_tokens=3),
)
# As servers write it that do not escape.
PLAIN = (
    f'data: {{"choices": [{{"delta": {{"content": "{TEXT[:6]}\U0001f600\u2028"}}}}]}}\n\n'.encode()
)


class Pieces(httpx2.AsyncByteStream):
    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            await trio.lowlevel.checkpoint()
            yield piece


Outcome = tuple[LlmResponse | str, list[TurnStreamEvent]]


def outcome_of(pieces: list[bytes]) -> Outcome:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": STREAM}, stream=Pieces(pieces))

    async def main() -> Outcome:
        watch = Watch()
        transport = httpx2.MockTransport(answer)
        async with OpenAIProvider("http://model.test", "k", transport=transport) as provider:
            try:
                return await provider.complete(HELLO, watch), watch.events
            except ProviderError as error:
                return error.code, watch.events

    return trio.run(main)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[begin:end] for begin, end in pairwise(ends)]


PLACES = st.lists(st.integers(min_value=0), max_size=30)
LINE_ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(places=PLACES, line_end=LINE_ENDS)
def test_an_answer_is_the_same_however_it_is_cut(places: list[int], line_end: bytes) -> None:
    whole = PLAIN + ANSWER
    expected, told = outcome_of([whole])
    assert isinstance(expected, LlmResponse)
    assert expected.full_text.endswith(TEXT)
    data = whole.replace(b"\n", line_end)
    assert outcome_of(cut(data, places)) == (expected, told)


def test_an_answer_is_the_same_byte_by_byte() -> None:
    whole = PLAIN + ANSWER
    assert outcome_of([bytes([byte]) for byte in whole]) == outcome_of([whole])


@given(places=PLACES, end=st.integers(0, len(ANSWER)), noise=st.binary(max_size=20))
def test_a_damaged_answer_is_a_typed_outcome(places: list[int], end: int, noise: bytes) -> None:
    outcome, _ = outcome_of(cut(ANSWER[:end] + noise + ANSWER[end:], places))
    assert isinstance(outcome, LlmResponse) or outcome in {
        "malformed_response",
        "stream_incomplete",
    }


@given(places=PLACES, end=st.integers(0, len(ANSWER)))
def test_an_answer_that_is_cut_off_is_whole_or_incomplete(places: list[int], end: int) -> None:
    outcome, told = outcome_of(cut(ANSWER[:end], places))
    whole, all_told = outcome_of([ANSWER])
    assert isinstance(whole, LlmResponse)
    assert told == all_told[: len(told)]
    if isinstance(outcome, LlmResponse):
        assert outcome.parts == whole.parts
    else:
        assert outcome == "stream_incomplete"
