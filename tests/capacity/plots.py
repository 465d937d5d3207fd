"""The plots of the page."""

from examples import LARGE, people
from figures import Figures
from plot import Line, Plot
from rooms import nodes_hit
from simulate import nodes_of_rooms
from sizing import REDIS_LOAD, smallest

NODES = [2, 5, 10, 20, 50, 100, 200, 500]
ROOMS = [10, 100, 1_000]
DRAWN = 400
SESSIONS = [10_000 * 10 ** (step / 8) for step in range(25)]


def fan_out(seed: int) -> str:
    """Nodes that a message reaches, by the number of nodes: formula as lines, dice as dots."""
    fine = [2 * 250 ** (step / 60) for step in range(61)]

    def line(members: int) -> Line:
        drawn = [(nodes, sum(nodes_of_rooms(nodes, members, DRAWN, seed)) / DRAWN) for nodes in NODES]
        return Line(f"room of {members:,}", [(nodes, nodes_hit(nodes, members)) for nodes in fine], drawn)

    return Plot(
        "Nodes that a message reaches, by the size of its room",
        "nodes of the fleet",
        "nodes reached",
        NODES,
        [1, 2, 5, 10, 20, 50, 100, 200, 500],
        [line(members) for members in ROOMS],
    ).svg()


def redis(figures: Figures) -> str:
    """Cores of Redis by the number of sessions."""
    sizes = [(sessions, smallest(figures, people(round(sessions), 10_000), LARGE)) for sessions in SESSIONS]

    def line(name: str) -> Line:
        return Line(name, [(sessions, size.redis_cores[name]) for sessions, size in sizes])

    limit = Line("what one Redis carries", [(SESSIONS[0], REDIS_LOAD), (SESSIONS[-1], REDIS_LOAD)], dashed=True)
    total = [(sessions, sum(size.redis_cores.values())) for sessions, size in sizes]
    return Plot(
        "Redis in the busiest minute: its CPU by the number of sessions",
        "sessions",
        "cores",
        [10_000, 100_000, 1_000_000, 10_000_000],
        [0.0001, 0.001, 0.01, 0.1, 1, 10],
        [Line("all", total), line("messages"), line("pushes"), line("probes"), limit],
    ).svg()
