"""What one send() on loopback costs here: the measure that absolute figures are read beside."""

from building import FLOOR
from figures import Spread
from layout import OTHER_CORE, SERVER_CORE
from processes import output_of

SOCKETS = 1000
BYTES = 150
BATCH = 16
# About a second of sending.
SENDS = 100_000


def send_cost(messages: int, sends: int = SENDS) -> float:
    """Returns the sender's CPU of one send of so many messages of 150 bytes, in microseconds."""
    numbers = [SERVER_CORE, OTHER_CORE, str(SOCKETS), str(messages * BYTES), str(sends)]
    return float(output_of([str(FLOOR), *numbers], timeout=120))


def measure(sends: int = SENDS) -> dict:
    """Returns the cost of one send of one message, and of one send of sixteen."""
    return {"send_us": send_cost(1, sends), "send_16_us": send_cost(BATCH, sends)}


def spreads(floors: list[dict]) -> tuple[Spread, Spread]:
    """Returns both over the times that they were measured in a run."""
    return tuple(Spread(tuple(floor[name] for floor in floors)) for name in ("send_us", "send_16_us"))
