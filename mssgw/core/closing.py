"""Exchanges that close by themselves (FIN-4): after a silence, or with every letter of an APP mailbox.

Both close as a FIN does: the letters so far belong to closed threads (SD-3), and a new letter of the professional
opens anew (FIN-5).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from mssgw.core.addresses import Address
from mssgw.core.conversation import Conversation, State

# In the journal: nobody closed, and why it closed all the same.
ON_SEND = "closed-automatically on-send"


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Open exchanges of ``bal`` close when neither side wrote since ``before``; ``lasted`` is how long ago that is."""

    bal: Address
    before: datetime
    lasted: timedelta

    @property
    def detail(self) -> str:
        """For the journal: ``closed-automatically silent-30d``."""
        return f"closed-automatically silent-{_span(self.lasted)}"


def is_silent(conversation: Conversation, last_letter: datetime | None, silence: Silence) -> bool:  # req: FIN-4
    """Whether to close: it is open, and neither its last change nor a letter on the pair came after the silence began.

    ``last_letter``: as far as remembered. Any letter counts, a robot's too: to stay open for longer harms nobody.
    """
    if conversation.state is not State.OPEN or conversation.since is None or conversation.since >= silence.before:
        return False
    return last_letter is None or last_letter < silence.before


def _span(length: timedelta) -> str:
    """In days where it is whole days, else in seconds."""
    days, rest = divmod(length, timedelta(days=1))
    return f"{int(length.total_seconds())}s" if rest else f"{days}d"
