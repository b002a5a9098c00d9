"""What a user can fix."""


class UserError(Exception):
    """A mistake in a flag, a config, a file or the data; its text is one line.

    A command (`main`, `prepare`) prints it without a traceback and leaves with exit code 2; from
    Python it is an ordinary exception.
    """


def reason(error: Exception) -> str:
    """What another library says of a damaged file, on one printable line that is not too long.

    >>> reason(ValueError("bad\\n  byte \\x1b"))
    'bad byte \ufffd'
    """
    text = " ".join(str(error).split())[:200] or type(error).__name__
    return "".join(mark if mark.isprintable() else "\ufffd" for mark in text)


class SaveError(UserError):
    """A checkpoint could not be written; threads of the writer may be at work for good."""


class Stopped(Exception):
    """A signal stopped training, after saving; the same command continues it (exit code 75)."""
