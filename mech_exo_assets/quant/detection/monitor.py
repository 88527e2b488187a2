"""One factor watched observation by observation: its status, its alarms, and what they rest on.

What belongs here: the sequence of monitoring, alarm, recovery and monitoring again. What does not: run lengths and thresholds
(`run_length`), dates and tables (`watch`), and the words in which a change is told (`words`).

The cycle. While a factor counts as working, each new IC is ranked among those of its working time (`normal_scores`), and the detector adds
up how much worse it has become. At an alarm the change point is estimated; what came after it is no working time, unless the recovery
comes soon. Then the detector looks
the other way, for a mean above zero, until the alarm of a recovery, and the cycle begins again.

Why the false-alarm rate is kept although the shift watched for is estimated anew all the time. The CUSUM's reference value and threshold
change only where the statistic is zero, from the past alone. Each excursion from zero has, in control, a probability of alarm that is its
mean length over the wanted run length; by the renewal-reward theorem any predictable choice of them keeps the rate. Of Shiryaev-Roberts,
R_t − t is a martingale in control whatever predictable shift is used, so that the run length is at least the threshold; ours is the exact
one for a constant shift.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from mech_exo_assets.quant.detection.change_point import ChangePoint, change_point
from mech_exo_assets.quant.detection.normal_scores import lasting_spread, sequential_scores, signed_scores, slopes, whitened, whitened_by
from mech_exo_assets.quant.detection.run_length import Detector, on_grid, threshold
from mech_exo_assets.quant.hac import t_of_mean
from mech_exo_assets.quant.panel import Vector

REVIEW = 21
"""Observations from one review of a factor's t to the next."""

SHORT = 0.1
"""Share of the working time up to which a dead time goes back into it. A false alarm is a stretch of bad luck: without it the rest looks
better than the factor is, and the next false alarm comes sooner. A true death of that length moves the reference by a tenth at most."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the monitor of one factor goes by, in observations.

    Attributes
    ----------
    detector : {"cusum", "shiryaev_roberts"}
    least : int
        Observations before it is judged.
    hurdle : float
        t from which on it is proven.
    lags : int
        Autoregression that is taken out.
    probation : int
        From a recovery to healthy.
    hazard : float
        Probability of dying, or of coming back, at each observation.
    """

    detector: Detector
    least: int
    hurdle: float
    lags: int
    probation: int
    hazard: float


@dataclass(frozen=True, slots=True)
class Alarm:
    """A change of regime that the detector told of; positions are of observations.

    Attributes
    ----------
    kind : {"decay", "recovery"}
    at : int
        Observation that raised it.
    change : ChangePoint
        In positions of the series.
    ic_before, ic_after : float
        Mean IC of the regime before the change, and from the change to the alarm.
    delta, threshold : float
        What was watched for, and where the statistic raised the alarm.
    spread : float
        What the scores were divided by (`lasting_spread`).
    """

    kind: str
    at: int
    change: ChangePoint
    ic_before: float
    ic_after: float
    delta: float
    threshold: float
    spread: float


@dataclass(frozen=True, slots=True)
class Change:
    """A new status, from one observation on, and what it rests on in numbers."""

    at: int
    status: str
    cause: str
    figures: dict[str, float]


@dataclass(slots=True)
class Track:
    """The path of one factor; vectors have one value for each observation, NaN where there is none."""

    z: Vector
    delta: Vector
    statistic: Vector
    threshold: Vector
    watch_threshold: Vector
    t: Vector
    alive: Vector
    status: list[str]
    changes: list[Change] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)

    @classmethod
    def of_length(cls, n: int) -> Track:
        """Nothing known yet."""
        return cls(*(np.full(n, np.nan) for _ in range(7)), status=[])


def follow(values: Vector, rules: Rules, run_length: Callable[[int], tuple[float, float]]) -> Track:
    """Watch one series of information coefficients from its first to its last observation.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Known information coefficients in order; positive is good.
    rules : Rules
    run_length : callable
        From an observation's position to the mean observations between false alarms, and between false watches.

    Returns
    -------
    Track
        What is at position t depends on values up to t only.
    """
    track = Track.of_length(len(values))
    track.status = ["unproven"] * len(values)
    if len(values):
        track.changes.append(Change(0, "unproven", "new", {}))
    reference, start, status = values[:0], 0, "unproven"
    while start < len(values):
        since = start
        start, fallen = _working(values, start, reference, status, rules, run_length, track)
        if fallen is None:
            break
        # What proved the factor stays its working time, wherever the change is thought to be.
        end = max(fallen.change.at, since + max(rules.least - len(reference), 0))
        reference = np.concatenate([reference, values[since:end]])
        start, risen = _dead(values, start, reference, fallen, rules, run_length, track)
        if risen is None:
            break
        short = risen.change.at - end <= SHORT * len(reference)
        reference = np.concatenate([reference, values[end if short else risen.change.at : start]])
        status = "recovered"
    return track


class _Statistic:
    """CUSUM or Shiryaev-Roberts, with parameters that change only where its false-alarm rate allows it."""

    def __init__(self, detector: Detector) -> None:
        self.detector: Detector = detector
        self.value, self.delta, self.level, self.watch = 0.0, math.nan, math.nan, math.nan
        self.spread, self.began = 1.0, 0

    def free(self, position: int) -> bool:
        """Whether parameters may change before this observation."""
        return math.isnan(self.delta) or (self.value == 0.0 if self.detector == "cusum" else position % REVIEW == 0)

    def tune(self, delta: float, lengths: tuple[float, float], spread: float) -> None:
        self.delta, self.spread = on_grid(delta / spread), spread
        levels = [threshold(self.delta, length, self.detector) for length in lengths]
        self.level, self.watch = levels if self.detector == "cusum" else [math.exp(level) for level in levels]

    def add(self, score: float, position: int) -> float:
        """Take one more score, towards the alarm; the score as it counted."""
        if self.at_rest:
            self.began = position
        loss = score / self.spread
        if self.detector == "cusum":
            self.value = max(0.0, self.value + loss - self.delta / 2)
        else:
            self.value = (1 + self.value) * math.exp(min(self.delta * loss - self.delta**2 / 2, 700.0))
        return loss

    @property
    def at_rest(self) -> bool:
        """Whether nothing speaks for a change: the CUSUM at zero, Shiryaev-Roberts below 1."""
        return self.value == 0.0 if self.detector == "cusum" else self.value < 1.0


def _working(
    values: Vector, start: int, reference: Vector, status: str, rules: Rules, run_length: Callable[[int], tuple[float, float]], track: Track
) -> tuple[int, Alarm | None]:
    """From `start` until the alarm of a decay; the next position, and the alarm."""
    series = np.concatenate([reference, values[start:]])
    known = len(reference)
    least = max(rules.least, 2)
    residuals, passes = whitened(series, lags=rules.lags, least=least)
    scores = sequential_scores(residuals)
    statistic, base, since, alive = _Statistic(rules.detector), status, start, 1.0
    count = np.arange(1, len(series) + 1)
    mean = np.cumsum(residuals) / count
    deviation = np.sqrt(np.maximum(np.cumsum(residuals**2) / count - mean**2, 0.0))
    t, spread = math.nan, 1.0
    losses = np.zeros(len(series))
    for i in range(start, len(values)):
        seen = known + i - start
        if seen < least:
            continue
        if math.isnan(t) or (seen - rules.least) % REVIEW == 0:
            # What is known now, this observation with it.
            t, spread = t_of_mean(series[: seen + 1]), lasting_spread(scores[least:seen])
            if status == "unproven" and t >= rules.hurdle:
                status = base = "healthy"
                statistic = _Statistic(rules.detector)
                track.changes.append(Change(i, status, "proven", {"t": t, "ic": float(series[: seen + 1].mean()), "n": seen + 1}))
        if statistic.free(seen):
            shift = passes[seen] * mean[seen - 1] / deviation[seen - 1] if deviation[seen - 1] > 0 else 0.0
            statistic.tune(shift, run_length(i), spread)
        losses[seen] = statistic.add(-scores[seen], i)
        proven = status != "unproven"
        if proven:
            alive = _filtered(alive, statistic.delta * losses[seen], statistic.delta, rules.hazard)
        track.z[i], track.t[i], track.delta[i] = -losses[seen], t, statistic.delta
        track.statistic[i], track.threshold[i], track.watch_threshold[i] = statistic.value, statistic.level, statistic.watch
        track.alive[i] = alive if proven else math.nan
        if statistic.value >= statistic.level:
            if proven:
                alarm = _alarm("decay", values, start, i, losses[known : seen + 1], reference, statistic)
                track.alarms.append(alarm)
                track.changes.append(Change(i, "decayed", "alarm", {}))
                track.status[i] = "decayed"
                return i + 1, alarm
            statistic = _Statistic(rules.detector)
        if proven:
            on_probation = base == "recovered" and i - since < rules.probation
            base = "recovered" if on_probation else "healthy"
            new = _next_status(status, base, statistic)
            if new != status:
                track.changes.append(_told(new, status, i, values, statistic, rules))
                status = new
        track.status[i] = status
    return len(values), None


def _next_status(status: str, base: str, statistic: _Statistic) -> str:
    """Watch begins at its threshold, and ends only when nothing speaks for a change any more."""
    if status == "watch":
        return base if statistic.at_rest else status
    return "watch" if statistic.value >= statistic.watch else base


def _told(new: str, old: str, i: int, values: Vector, statistic: _Statistic, rules: Rules) -> Change:
    if new == "watch":
        recent = values[statistic.began : i + 1]
        figures = {"statistic": statistic.value, "watch": statistic.watch, "threshold": statistic.level}
        return Change(i, new, "watch", figures | {"n": len(recent), "ic": float(recent.mean())})
    if old == "watch":
        return Change(i, new, "rest", {})
    return Change(i, new, "probation", {"n": rules.probation})


def _dead(
    values: Vector,
    start: int,
    reference: Vector,
    fallen: Alarm,
    rules: Rules,
    run_length: Callable[[int], tuple[float, float]],
    track: Track,
) -> tuple[int, Alarm | None]:
    """From the alarm of a decay until that of a recovery: the next position, and the alarm."""
    fitted = slopes(reference, lags=rules.lags)
    working = whitened_by(reference, fitted)
    residuals = whitened_by(values, fitted)[start:]
    scores = signed_scores(residuals, working - working.mean())
    gains = np.zeros(len(scores))
    statistic = _Statistic(rules.detector)
    # What the filter knew at the alarm goes on; the two regimes only change their zero.
    alive = track.alive[start - 1]
    for i in range(start, len(values)):
        if statistic.free(i - start):
            statistic.tune(fallen.delta * fallen.spread, run_length(i), fallen.spread)
        score = gains[i - start] = statistic.add(scores[i - start], i)
        alive = 1.0 - _filtered(1.0 - alive, statistic.delta * score, statistic.delta, rules.hazard)
        track.z[i], track.t[i], track.delta[i], track.alive[i] = score, track.t[i - 1], statistic.delta, alive
        track.statistic[i], track.threshold[i], track.status[i] = statistic.value, statistic.level, "decayed"
        if statistic.value >= statistic.level:
            alarm = _alarm("recovery", values, start, i, gains[: i - start + 1], values[fallen.change.at : start], statistic)
            track.alarms.append(alarm)
            track.changes.append(Change(i, "recovered", "alarm", {}))
            track.status[i] = "recovered"
            return i + 1, alarm
    return len(values), None


def _alarm(kind: str, values: Vector, start: int, at: int, losses: Vector, before: Vector, statistic: _Statistic) -> Alarm:
    found = change_point(losses, delta=statistic.delta)
    change = ChangePoint(found.at + start, found.low + start, found.high + start)
    earlier = np.concatenate([before, values[start : change.at]])
    return Alarm(
        kind=kind,
        at=at,
        change=change,
        ic_before=float(earlier.mean()) if len(earlier) else math.nan,
        ic_after=float(values[change.at : at + 1].mean()),
        delta=statistic.delta,
        threshold=statistic.level,
        spread=statistic.spread,
    )


def _filtered(stays: float, evidence: float, delta: float, hazard: float) -> float:
    """Probability of the present regime after one more observation; `evidence` is delta · z towards the other one."""
    stays = stays * (1 - hazard) + (1 - stays) * hazard
    other = (1 - stays) * math.exp(min(evidence - delta * delta / 2, 700.0))
    return stays / (stays + other)
