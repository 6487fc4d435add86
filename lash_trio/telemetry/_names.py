"""The names that spans and metrics carry; they are stable.

Those of model and tool calls are OpenTelemetry's.  Source: semantic conventions for
generative AI, https://opentelemetry.io/docs/specs/semconv/gen-ai/ (in development).
"""

from __future__ import annotations

OUTCOME = "lash_trio.outcome"
ERROR_TYPE = "error.type"
DURABILITY_TIER = "lash_trio.durability_tier"

SCOPE_TYPE = "lash_trio.scope.type"
SCOPE_ID = "lash_trio.scope.id"
SESSION_ID = "lash_trio.session.id"
TURN_ID = "lash_trio.turn.id"

EFFECT_KIND = "lash_trio.effect.kind"
EFFECT_ID = "lash_trio.effect.id"
REPLAY_KEY = "lash_trio.effect.replay_key"
REPLAYED = "lash_trio.effect.replayed"
STEP_ID = "lash_trio.step.id"
STEP_ERROR_CLASS = "lash_trio.step.error_class"
SLEEP_DURATION = "lash_trio.sleep.duration_ms"
WAIT_KEY = "lash_trio.wait.key"
WAIT_TIMEOUT = "lash_trio.wait.timeout_ms"
WAIT_TYPE = "lash_trio.wait.type"
PROCESS_OP = "lash_trio.process.op"
USAGE_SOURCE = "lash_trio.usage_source"
CHECKPOINT = "lash_trio.checkpoint"

PROCESS_ID = "lash_trio.process.id"
PROCESS_STATE = "lash_trio.process.state"
EVENT_TYPE = "lash_trio.event.type"
EVENT_SEQUENCE = "lash_trio.event.sequence"
EVENT_ORDINAL = "lash_trio.event.ordinal"
EVENT_REPLAYED = "lash_trio.event.replayed"
LEASE_EVENT = "lash_trio.lease.event"
LEASE_OWNER = "lash_trio.lease.owner"
FENCING_TOKEN = "lash_trio.lease.fencing_token"

# Events of spans.
EVENT_APPENDED = "lash_trio.event_appended"
RECOVERY = "lash_trio.recovery"

OPERATION_NAME = "gen_ai.operation.name"
PROVIDER_NAME = "gen_ai.provider.name"
CONVERSATION_ID = "gen_ai.conversation.id"
REQUEST_MODEL = "gen_ai.request.model"
REQUEST_MAX_TOKENS = "gen_ai.request.max_tokens"
OUTPUT_TYPE = "gen_ai.output.type"
FINISH_REASONS = "gen_ai.response.finish_reasons"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHED_INPUT_TOKENS = "gen_ai.usage.cache_read.input_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
TOKEN_TYPE = "gen_ai.token.type"
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
TOOL_NAME = "gen_ai.tool.name"
TOOL_TYPE = "gen_ai.tool.type"
TOOL_CALL_ID = "gen_ai.tool.call.id"
TOOL_ARGUMENTS = "gen_ai.tool.call.arguments"
TOOL_RESULT = "gen_ai.tool.call.result"
