"""The rows that models are trained on: read once from the lake, kept on disk as float32, handed out a piece at a time.

What belongs here: which rows of a dataset are taken, their order, and reading them again. What does not: bins of the values, which each
library makes of them (`learners`).

A training reads the same rows many times: for bin edges, bins, folds, predictions. They are written once to an unnamed file in the
machine's temporary folder, so that memory holds a piece of them, and labels, and not the matrix.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mech_exo_assets.quant.models.fitted import Features, Model, Rows32
from mech_exo_assets.quant.models.session_ic import mean_ic
from mech_exo_assets.quant.panel import Dates, Index, unique_dates

_PIECE = 1 << 15
"""Rows that are handed out at once; a session is never cut."""


class TrainingRows:
    """Rows with a label, in order of session and symbol; a context manager, whose end frees the disk.

    Attributes
    ----------
    features : Features
    sessions : ndarray of shape (n_sessions,), datetime64[D]
        Sampled sessions that have two labelled names at least.
    starts : ndarray of shape (n_sessions + 1,), int64
        Position of the first row of each session, and behind them the number of rows.
    label : ndarray of shape (n_rows,), float32
    digests : list of bytes
        Of each session's rows.
    """

    def __init__(self, features: Features) -> None:
        self.features = features
        self.sessions: Dates = np.array([], "datetime64[D]")
        self.starts: Index = np.zeros(1, np.int64)
        self.label: NDArray[np.float32] = np.array([], np.float32)
        self.digests: list[bytes] = []
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="mech-exo-rows-")  # noqa: SIM115 (closed by __exit__)

    @classmethod
    def of(cls, frames: Iterable[pl.DataFrame], features: Features, *, sampled: Dates) -> Self:
        """Write the rows of some frames.

        Parameters
        ----------
        frames : iterable of DataFrame
            In `schemas.DATASET`, in order of time; no session is in two of them. One is held at a time.
        features : Features
        sampled : ndarray of datetime64[D]
            Sessions that are taken.
        """
        rows = cls(features)
        labels, sizes, sessions = [], [], []
        for frame in frames:
            known = frame.filter(pl.col("label").is_not_null() & pl.col("date").is_in(pl.Series(sampled).cast(pl.Date).implode()))
            known = known.filter(pl.len().over("date") > 1).sort("date", "symbol")
            for piece in _pieces(known):
                matrix, label = features.matrix(piece), piece["label"].cast(pl.Float32).to_numpy()
                counts = piece["date"].rle().struct.field("len").cast(pl.Int64).to_numpy()
                days = unique_dates(piece["date"])
                matrix.tofile(rows._file)
                at = np.concatenate([[0], np.cumsum(counts)])
                rows.digests += [
                    hashlib.blake2b(matrix[a:b].tobytes() + label[a:b].tobytes() + str(day).encode(), digest_size=16).digest()
                    for a, b, day in zip(at[:-1], at[1:], days, strict=True)
                ]
                labels.append(label)
                sizes.append(counts)
                sessions.append(days)
        if labels:
            rows.label, rows.sessions = np.concatenate(labels), np.concatenate(sessions)
            rows.starts = np.concatenate([[0], np.cumsum(np.concatenate(sizes))]).astype(np.int64)
        rows._file.flush()
        return rows

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self.label)

    def between(self, first: np.datetime64, last: np.datetime64) -> slice:
        """Positions of the sessions from `first` to `last`, both included."""
        return slice(int(np.searchsorted(self.sessions, first)), int(np.searchsorted(self.sessions, last, side="right")))

    def of_sessions(self, sessions: slice) -> slice:
        """Positions of the rows of some sessions."""
        return slice(int(self.starts[sessions.start]), int(self.starts[max(sessions.stop, sessions.start)]))

    def read(self, rows: slice) -> Rows32:
        """Some rows, as a matrix of its own."""
        width = len(self.features.names)
        size = np.dtype(np.float32).itemsize * width
        # pread has no position of its own, so that nothing has to be put back.
        content = os.pread(self._file.fileno(), (rows.stop - rows.start) * size, rows.start * size)
        return np.frombuffer(content, np.float32).reshape(-1, width)

    def pieces(self, sessions: slice) -> Iterator[tuple[slice, Rows32]]:
        """The rows of some sessions, in pieces of whole sessions: their positions and features."""
        at = sessions.start
        while at < sessions.stop:
            end = int(np.searchsorted(self.starts, self.starts[at] + _PIECE, side="right")) - 1
            end = min(max(end, at + 1), sessions.stop)
            rows = self.of_sessions(slice(at, end))
            yield rows, self.read(rows)
            at = end

    def labels(self, sessions: slice) -> tuple[NDArray[np.float32], Index]:
        """Labels of some sessions, and where each of them starts, as `session_ics` takes them."""
        rows = self.of_sessions(sessions)
        return self.label[rows], self.starts[sessions.start : sessions.stop + 1] - rows.start

    def mean_ic(self, sessions: slice, predicted: NDArray[np.float64]) -> float:
        """Mean information coefficient of predictions for the rows of some sessions; see `session_ic.mean_ic`."""
        return mean_ic(predicted, *self.labels(sessions))

    def predicted(self, sessions: slice, model: Model) -> NDArray[np.float64]:
        """What a model predicts for the rows of some sessions."""
        return np.concatenate([np.zeros(0), *(model.predict(piece) for _, piece in self.pieces(sessions))])


def _pieces(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The frame in pieces of whole sessions."""
    counts = frame["date"].rle().struct.field("len").cast(pl.Int64).to_numpy() if frame.height else np.array([], np.int64)
    ends = np.cumsum(counts)
    start = 0
    while start < frame.height:
        end = int(ends[min(np.searchsorted(ends, start + _PIECE), len(ends) - 1)])
        yield frame.slice(start, end - start)
        start = end
