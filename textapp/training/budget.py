"""A time budget: when to look at the validation texts, when to stop, and the learning rate until then."""

from __future__ import annotations

import dataclasses
import math

RATES = 200  # the learning rate changes at most so often: on JAX each change copies the network's state
CHECKS = 10  # beside those at the end of each epoch, at most so many looks at the validation texts
CHECKING = 0.1  # the most of the time that those looks may take


@dataclasses.dataclass(frozen=True, kw_only=True)
class Budget:
    """How long to train.

    Attributes:
        seconds: from the beginning of a fit to the end of its last look at the validation texts.
        learning_rate: the highest; brought to zero, as a cosine, when the time is over.
        warm_up: share of the time in which the rate rises to it.
        first_round: None to bring the rate to zero once. Else steps after which it is zero for the first time; where
            there is time left it starts high again, for a round that is twice as long (SGDR, Loshchilov and Hutter
            2017). So much time, on few texts, trains long, and no model is worse for having been given more of it.
    """

    seconds: float
    learning_rate: float
    warm_up: float = 0.0
    first_round: int | None = None


class Clock:
    """A budget as it is spent. All times are seconds since the beginning of the fit.

    Args:
        budget: how long to train.
        now: when the first step begins. Neither what comes before nor the compiling in it must leave nothing to
            train in: half of the budget is for further steps in any case.
        steps: how many are wanted, in one round; None for as many as the budget allows.
        validation_steps: batches of a look at the validation texts, which costs less than as many training steps.
    """

    def __init__(self, budget: Budget, *, now: float, steps: int | None, validation_steps: int):
        self.end = max(budget.seconds, now + budget.seconds / 2)
        self._budget, self._validation_steps = budget, validation_steps
        self._goes_on = steps is None and budget.first_round is not None
        self._round = budget.first_round if steps is None else steps
        self._round_began, self._steps_before = now, 0
        self._first = self._checked = now
        self._check_seconds: float | None = None
        self._reserve = 0.0

    def state(self) -> dict[str, float | bool | None]:
        """Return what it has counted."""
        return {name: value for name, value in vars(self).items() if name not in ("_budget", "_validation_steps")}

    def take(self, state: dict[str, float | bool | None]) -> None:
        """Go on from what another clock of the same budget had counted.

        Raises:
            KeyError: it is no such state.
        """
        for name in self.state():
            setattr(self, name, state[name])

    def stepped(self, now: float, done: int) -> None:
        """Take in that `done` steps are finished."""
        if done == 1:
            self._first = self._checked = self._round_began = now  # the schedule begins after compiling
            self.end = max(self.end, now + self._budget.seconds / 2)
        elif self._check_seconds is None:
            self._set_reserve(self._validation_steps * (now - self._first) / (done - 1))

    def checked(self, began: float, now: float) -> None:
        """Take in that a look at the validation texts is over."""
        self._checked, self._check_seconds = now, now - began
        self._set_reserve(self._check_seconds)

    def wants_check(self, now: float) -> bool:
        """Tell whether it is time for a look at the validation texts that is not the last."""
        spent = self._reserve if self._check_seconds is None else self._check_seconds
        pause = max(self._budget.seconds / CHECKS, spent / CHECKING)
        return now - self._checked >= pause and now + 2 * spent + pause / 2 < self.end

    def is_over(self, now: float) -> bool:
        """Tell whether there is only time for the last look at the validation texts."""
        return now + self._reserve >= self.end

    def spent(self, now: float, done: int) -> float:
        """Return the share of the round that is over, 0 to 1: of its steps or of the time left, what is more."""
        left = self.end - self._reserve - self._round_began
        of_time = (now - self._round_began) / left if left > 0 else 1.0
        return min(1.0, max(of_time, (done - self._steps_before) / self._round if self._round else 0.0))

    def goes_round(self, now: float, done: int) -> bool:
        """Tell whether a round has just ended that another one follows, and begin that."""
        if self._round is None or not self._goes_on or self.spent(now, done) < 1 or self.is_over(now):
            return False
        self._round_began, self._steps_before, self._round = now, done, 2 * self._round
        return True

    def learning_rate(self, spent: float) -> float:
        """Return the rate when this share of the round is over."""
        # The first step warms up, too: with a short budget it may be the only one.
        risen = min(1.0, (spent + 1 / RATES) / self._budget.warm_up) if self._budget.warm_up else 1.0
        return self._budget.learning_rate * risen * (1 + math.cos(math.pi * spent)) / 2

    def _set_reserve(self, seconds: float) -> None:
        self._reserve = min(seconds, self._budget.seconds / 2)
