"""The base class of objects that a ``with`` block closes."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import TypeVar

_Self = TypeVar("_Self", bound="Closeable")


class Closeable(ABC):
    """An object that holds resources until ``close``, which a ``with`` block calls at its end."""

    @abstractmethod
    def close(self) -> None:
        """Frees everything. Closing twice is fine."""

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
