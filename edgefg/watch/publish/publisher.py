"""The interface of an output for events."""

from typing import Protocol

from ..events import Event


class EventPublisher(Protocol):
    """An output for events. None of its methods waits.

    Attributes:
        name: For metrics and messages.
    """

    name: str

    @property
    def dropped(self) -> int:
        """Events that were lost."""

    @property
    def problem(self) -> str:
        """The current problem in one line without credentials; empty if there is none."""

    def publish(self, event: Event) -> None:
        """Adds an event."""

    def close(self) -> None:
        """Delivers what can be delivered at once, and ends."""
