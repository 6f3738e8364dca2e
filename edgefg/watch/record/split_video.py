"""A video in one or several files."""

from collections.abc import Callable
from pathlib import Path

from ...errors import OutputError
from ...imaging.convert import size_of
from ...imaging.io import Image
from ...media.writers import VideoWriter
from .naming import piece_name

# Players want a constant rate; frames lie on this grid where their times put them.
_GRID_FPS = 30


class SplitVideo:
    """A video that continues in another file when the frames' size changes, or when a file is long enough."""

    def __init__(
        self, folder: Path, name: str, max_file_s: float, completed: Callable[[Path], None] | None = None
    ) -> None:
        """Writes nothing yet.

        Args:
            folder: Where the files go.
            name: Name of the first file without its suffix; the names of further ones end in ``-2`` and so on.
            max_file_s: How long a file may be.
            completed: Called with each file that is complete.
        """
        self._folder = folder
        self._name = name
        self._max_file_s = max_file_s
        self._completed = completed
        self._video: VideoWriter | None = None
        self._size = (0, 0)
        self._from_s = 0.0
        self._pieces = 0

    def write(self, image: Image, at_s: float) -> None:
        """Adds a frame, taken at that time by ``time.monotonic()``.

        Raises:
            OutputError: The disk is full, or the folder gone. The file is discarded; the next frame begins another.
        """
        over = self._video is not None and (size_of(image) != self._size or at_s - self._from_s >= self._max_file_s)
        if over:
            self.close()
        if self._video is None:
            self._size, self._from_s = size_of(image), at_s
            self._video = VideoWriter(self._next_path(), fps=_GRID_FPS, size=self._size)
        try:
            self._video.write(image, at_s - self._from_s)
        except OutputError:
            self._video.discard()
            self._video = None
            raise

    def close(self) -> None:
        """Completes the file."""
        if self._video is not None:
            video, self._video = self._video, None
            try:
                video.close()
            except OutputError:
                video.discard()
                raise
            if self._completed is not None:
                self._completed(video.path)

    def _next_path(self) -> Path:
        """Returns the next free name: after the clock was set back, another run may have had this one."""
        while True:
            self._pieces += 1
            path = self._folder / piece_name(self._name, self._pieces)
            if not path.exists():
                return path
