"""Model turns: the tool loop, its tools, and providers.

The tool loop checks arguments with pydantic: ``pip install 'lash-trio[turns]'``.
"""

from __future__ import annotations

from ._conversation import Conversation as Conversation
from ._driver import (
    CodeRunner as CodeRunner,
    ToolLoopDriver as ToolLoopDriver,
    TurnDeadline as TurnDeadline,
)
from ._loop import CODE_TOOL as CODE_TOOL, ToolLoop as ToolLoop
from ._progress import (
    RetryPolicy as RetryPolicy,
    TurnLimits as TurnLimits,
    TurnResult as TurnResult,
    TurnStatus as TurnStatus,
)
from ._scripted import ScriptedProvider as ScriptedProvider, ScriptedReply as ScriptedReply
from ._sessions import (
    TURN_ENDED as TURN_ENDED,
    TURN_INPUT as TURN_INPUT,
    EndedTurn as EndedTurn,
    QueuedTurn as QueuedTurn,
    TurnQueue as TurnQueue,
    delete_session as delete_session,
)
from ._tools import Tool as Tool, ToolContext as ToolContext, Tools as Tools
