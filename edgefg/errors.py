"""The errors of edgefg: one base, and each also is the builtin that a caller would expect.

    EdgefgError
    ├── MissingFileError (FileNotFoundError)   a path that should exist does not
    ├── DataError (ValueError)                 labelled data that cannot be read or does not fit together
    ├── VideoError (OSError)                   a video or image that cannot be opened, decoded or encoded
    ├── FrameError (ValueError)                an array that is not an image we can segment
    ├── BundleError (ValueError)               a bundle that is incomplete, altered or of another schema
    ├── EngineError (RuntimeError)             an inference engine failed
    ├── EngineUnavailableError (ImportError)   an inference engine, or a package it needs, is not installed
    ├── OptionError (ValueError)               an option or argument that makes no sense
    ├── OutputError (OSError)                  a result that cannot be written
    ├── TrainingError (RuntimeError)           training cannot start or go on
    └── ClosedError (RuntimeError)             use after close()

Every message says what was expected, what came, and, where there is one, the command that fixes it.
"""


class EdgefgError(Exception):
    """Base of all errors that edgefg raises on purpose."""


class MissingFileError(EdgefgError, FileNotFoundError):
    """A path that should exist does not."""


class DataError(EdgefgError, ValueError):
    """Labelled data that cannot be read or does not fit together."""


class VideoError(EdgefgError, OSError):
    """A video or image that cannot be opened, decoded or encoded."""


class FrameError(EdgefgError, ValueError):
    """An array that is not an image we can segment."""


class BundleError(EdgefgError, ValueError):
    """A bundle that is incomplete, altered or of another schema."""


class EngineError(EdgefgError, RuntimeError):
    """An inference engine failed."""


class EngineUnavailableError(EdgefgError, ImportError):
    """An inference engine, or a package that it needs, is not installed."""


class OptionError(EdgefgError, ValueError):
    """An option or argument that makes no sense."""


class OutputError(EdgefgError, OSError):
    """A result that cannot be written."""


class TrainingError(EdgefgError, RuntimeError):
    """Training cannot start or go on."""


class ClosedError(EdgefgError, RuntimeError):
    """Use of an object after its close()."""
