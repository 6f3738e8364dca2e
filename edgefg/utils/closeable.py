"""The base class of objects that a ``with`` block closes."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import NoReturn, TypeVar

from ..errors import OtherProcessError

_Self = TypeVar("_Self", bound="Closeable")


class Closeable(ABC):
    """An object that holds resources until ``close``, which a ``with`` block calls at its end."""

    @abstractmethod
    def close(self) -> None:
        """Frees everything. Closing twice is fine."""

    def __reduce__(self) -> NoReturn:
        raise OtherProcessError(
            f"a {type(self).__name__} cannot be pickled or copied, as it has threads and open resources; pass on what "
            "it is made from, and make one in each process"
        )

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
