"""Errors that a person is meant to read: one line that says what, where, why, and how to mend it.

What belongs here: the two kinds that the command line tells apart by exit code. What does not: errors of a programmer, which stay
the built-in ones and keep their traceback.
"""


class MechExoError(Exception):
    """Something a person can mend; its message is one complete line. The command line exits with 1."""


class InputError(MechExoError):
    """The user's data, settings or arguments are wrong, and nothing was changed. The command line exits with 2."""


class MissingLibraryError(MechExoError):
    """A library of the system that just one feature needs is not installed."""
