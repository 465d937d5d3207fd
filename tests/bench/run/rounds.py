"""In which order runs are done, and when one is repeated.

Servers are interleaved, and every other round goes backwards, so that a machine that grows slower or faster favors
nobody. A void run is repeated once: noise passes, a server that is too slow for the load stays void and is told so.
"""

from collections.abc import Callable, Iterator

from figures import Run, is_valid

ATTEMPTS = 2


def order(names: list[str], number: int) -> list[str]:
    """Returns in which order round `number`, from 0, takes the servers."""
    return names if number % 2 == 0 else names[::-1]


def plan(cells: list[tuple[str, int]], servers: list[str], rounds: int) -> Iterator[tuple[int, str, str]]:
    """Yields round, cell and server of every run; `cells` are names with the rounds they need at most."""
    for number in range(rounds):
        for cell, most in cells:
            if number < most:
                for server in order(servers, number):
                    yield number, cell, server


def attempts(measure: Callable[[int], Run]) -> list[Run]:
    """Measures until a run is valid, twice at most, and returns all that was measured."""
    done: list[Run] = []
    while len(done) < ATTEMPTS and not (done and is_valid(done[-1])):
        done.append(measure(len(done)))
    return done
