"""The errors of edgefg: one base, and each also is the builtin that a caller would expect.

    EdgefgError
    ├── MissingFileError (FileNotFoundError)   a path that should exist does not
    ├── DataError (ValueError)                 labelled data that cannot be read or does not fit together
    ├── MediaError (OSError)                   a video or image that cannot be opened, decoded or encoded
    ├── CameraError (OSError)                  an address that no camera can have, or a camera that fails
    ├── StreamEndedError (EOFError)            a camera or file that gives no more frames
    ├── FrameError (ValueError)                an array that is not an image we can segment
    ├── StateError (ValueError)                a saved background that is damaged, or another camera's or size's
    ├── BundleError (ValueError)               a bundle that is incomplete, altered or of another schema
    ├── EngineError (RuntimeError)             an inference engine failed
    ├── CompileError (RuntimeError)            a network that a compiler refuses
    ├── GateError (RuntimeError)               a build that is not accurate or not fast enough
    ├── MissingDependencyError (ImportError)   an inference engine, or a package it needs, is not installed
    ├── OptionError (ValueError)               an option or argument that makes no sense
    ├── OutputError (OSError)                  a result that cannot be written
    ├── TrainingError (RuntimeError)           training cannot start or go on
    ├── PipelineTimeoutError (TimeoutError)       no room for a frame, or no result, within the time given
    └── ClosedError (RuntimeError)             use after close()

Every message says what was expected, what came, and, where there is one, the command that fixes it.
"""


class EdgefgError(Exception):
    """Base of all errors that edgefg raises on purpose.

    Attributes:
        camera: Whose frame it belongs to, where a Pipeline raises it for a frame.
        sequence: That frame's number within its camera.
    """

    camera: str | None = None
    sequence: int | None = None


class MissingFileError(EdgefgError, FileNotFoundError):
    """A path that should exist does not."""


class DataError(EdgefgError, ValueError):
    """Labelled data that cannot be read or does not fit together."""


class MediaError(EdgefgError, OSError):
    """A video or image that cannot be opened, decoded or encoded."""


class CameraError(EdgefgError, OSError):
    """An address that no camera can have, or a camera that fails."""


class StreamEndedError(EdgefgError, EOFError):
    """A camera or file that gives no more frames: not a failure of the one who reads."""


class FrameError(EdgefgError, ValueError):
    """An array that is not an image we can segment."""


class StateError(EdgefgError, ValueError):
    """A saved background that is damaged, or of another camera, size or schema."""


class BundleError(EdgefgError, ValueError):
    """A bundle that is incomplete, altered or of another schema."""


class EngineError(EdgefgError, RuntimeError):
    """An inference engine failed."""


class CompileError(EdgefgError, RuntimeError):
    """A network that a compiler refuses."""


class GateError(EdgefgError, RuntimeError):
    """A build that is not accurate or not fast enough: the check worked, and its answer is no."""


class MissingDependencyError(EdgefgError, ImportError):
    """An inference engine, or a package that it needs, is not installed."""


class OptionError(EdgefgError, ValueError):
    """An option or argument that makes no sense."""


class OutputError(EdgefgError, OSError):
    """A result that cannot be written."""


class TrainingError(EdgefgError, RuntimeError):
    """Training cannot start or go on."""


class PipelineTimeoutError(EdgefgError, TimeoutError):
    """No room for a frame, or no result, within the time given."""


class ClosedError(EdgefgError, RuntimeError):
    """Use of an object after its close()."""
