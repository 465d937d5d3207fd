"""The four sizes that the page works out.

A pod has one core, since that is what was measured; more of them in one pod would be a guess.
"""

from dataclasses import dataclass

from figures import Figures
from rooms import People
from sizing import Pods, Size, smallest


@dataclass(frozen=True)
class Example:
    """A number of sessions with what is decided for it."""

    name: str
    people: People
    pods: Pods

    def size(self, figures: Figures) -> Size:
        return smallest(figures, self.people, self.pods)


def people(sessions: int, largest: int) -> People:
    return People(sessions, rooms_per_session=3, messages_per_minute=0.2, burst=3, largest=largest)


LARGE = Pods(cores=1, most_sessions=50_000, history_entries=100)

EXAMPLES = [
    Example("10 k", people(10_000, 1_000), Pods(cores=1, most_sessions=10_000, history_entries=200)),
    Example("100 k", people(100_000, 10_000), Pods(cores=1, most_sessions=25_000, history_entries=200)),
    Example("1 M", people(1_000_000, 10_000), LARGE),
    Example("10 M", people(10_000_000, 10_000), LARGE),
]
