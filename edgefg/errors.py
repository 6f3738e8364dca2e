"""Exceptions of edgefg: one base class, and each is also the builtin that a caller would expect.

    EdgefgError
    ├── MissingFileError (FileNotFoundError)   a path that should exist does not
    ├── DataError (ValueError)                 labelled data that cannot be read or is inconsistent
    ├── MediaError (OSError)                   a video or image that cannot be opened, decoded or encoded
    ├── CameraError (OSError)                  an address that no camera can have, or a camera that fails
    ├── StreamEndedError (EOFError)            a camera or file that has no more frames
    ├── FrameError (ValueError)                an array that is not an image edgefg can segment
    ├── StateError (ValueError)                a saved background that is damaged, or from another camera or size
    ├── BundleError (ValueError)               a bundle that is incomplete, altered or of another schema
    ├── EngineError (RuntimeError)             an inference engine that failed
    ├── CompileError (RuntimeError)            a network that a compiler rejects
    ├── GateError (RuntimeError)               a build that is not accurate or not fast enough
    ├── MissingDependencyError (ImportError)   an inference engine, or a package it needs, that is not installed
    ├── OptionError (ValueError)               an invalid option or argument
    ├── OutputError (OSError)                  a result that cannot be written
    ├── TrainingError (RuntimeError)           training that cannot start or continue
    ├── PipelineTimeoutError (TimeoutError)    no room for a frame, or no result, in time
    ├── ClosedError (RuntimeError)             an object that was used after close()
    └── OtherProcessError (RuntimeError)       an object that belongs to another process, or was to be sent to one

Every message states what was expected, what was found and, where there is one, the command that fixes it. It names an
option as Python has it, as in ``threads=0``; on the command line `edgefg.cli.errors` makes ``--threads 0`` of that.
"""


class EdgefgError(Exception):
    """Base class of all errors that edgefg raises on purpose.

    Attributes:
        camera: Name of the camera whose frame caused the error; set by `edgefg.Pipeline`, else None.
        sequence: Number of that frame within its camera.
    """

    camera: str | None = None
    sequence: int | None = None


class MissingFileError(EdgefgError, FileNotFoundError):
    """A path that should exist does not."""


class DataError(EdgefgError, ValueError):
    """Labelled data that cannot be read or is inconsistent."""


class MediaError(EdgefgError, OSError):
    """A video or image that cannot be opened, decoded or encoded."""


class CameraError(EdgefgError, OSError):
    """An address that no camera can have, or a camera that fails."""


class StreamEndedError(EdgefgError, EOFError):
    """A camera or file that has no more frames. This is not a failure of your code."""


class FrameError(EdgefgError, ValueError):
    """An array that is not an image edgefg can segment."""


class StateError(EdgefgError, ValueError):
    """A saved background that is damaged, or from another camera, size or schema."""


class BundleError(EdgefgError, ValueError):
    """A bundle that is incomplete, altered or of another schema."""


class EngineError(EdgefgError, RuntimeError):
    """An inference engine that failed."""


class CompileError(EdgefgError, RuntimeError):
    """A network that a compiler rejects."""


class GateError(EdgefgError, RuntimeError):
    """A build that is not accurate or not fast enough. The check itself worked; its answer is no."""


class MissingDependencyError(EdgefgError, ImportError):
    """An inference engine, or a package it needs, that is not installed."""


class OptionError(EdgefgError, ValueError):
    """An invalid option or argument."""


class OutputError(EdgefgError, OSError):
    """A result that cannot be written."""


class TrainingError(EdgefgError, RuntimeError):
    """Training that cannot start or continue."""


class PipelineTimeoutError(EdgefgError, TimeoutError):
    """No room for a frame, or no result, in time."""


class ClosedError(EdgefgError, RuntimeError):
    """An object that was used after its close()."""


class OtherProcessError(EdgefgError, RuntimeError):
    """An object that was made before a fork and is used after it, or that cannot be pickled for another process."""
