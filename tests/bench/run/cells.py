"""What is measured: the cells of both matrices."""

from dataclasses import dataclass, field

# Text of a message, unless a cell is about that.
PAYLOAD = 128
# A frame must hold the longest text however it is escaped.
LONG_TEXTS = {"MADANG_LIMITS__TEXT": "10000", "MADANG_LIMITS__FRAME_BYTES": "128KiB"}


@dataclass(frozen=True)
class Cell:
    """One workload, for `madang bench`."""

    name: str
    title: str
    rooms: int
    members: int
    # Messages per second over all rooms; 0 is silence.
    rate: int
    payload: int = PAYLOAD
    nodes: int = 1
    # Sessions opened per second.
    ramp: int = 1000
    # Further options of `madang bench`.
    options: tuple[str, ...] = ()
    # Phases, in seconds; no `measured` means what the run was told.
    settle: float = 0.5
    warmup: float = 3
    measured: float | None = None
    # Seconds that the phases named in `options` take on top.
    more: float = 0
    # Settings of madang that the cell needs.
    settings: dict[str, str] = field(default_factory=dict)
    # Rounds at most: memory needs fewer than CPU.
    rounds: int = 1000
    # The ratio to the reference that madang aims at.
    aim: float | None = None

    @property
    def sessions(self) -> int:
        return self.rooms * self.members

    @property
    def deliveries(self) -> int:
        """Deliveries per second."""
        return self.rate * self.members

    def seconds(self, measured: float) -> float:
        """Returns how long one run takes when all is well, about."""
        return self.sessions / self.ramp + self.settle + self.warmup + (self.measured or measured) + self.more

    def arguments(self, measured: float) -> list[str]:
        """Returns the options of `madang bench`, but for the target."""
        arguments = ["--rooms", str(self.rooms), "--members", str(self.members), "--payload", str(self.payload)]
        arguments += ["--ramp", str(self.ramp), "--settle", f"{self.settle}s", "--warmup", f"{self.warmup}s"]
        arguments += ["--for", f"{self.measured or measured}s"]
        if self.rate:
            arguments += ["--rate", str(self.rate)]
        return [*arguments, *self.options]


def _idle(ramp: int, *options: str, rate: int = 0, **more: object) -> Cell:
    return Cell("idle", "8,000 sessions at rest", 800, 10, rate, ramp=ramp, options=("--hold", "6s", *options), **more)


# The same for all servers. The ramps are what the slowest of them takes.
PEER_CELLS = [
    _idle(1250, warmup=0, measured=2, more=6, rounds=3),
    Cell("rooms", "100 rooms × 10, 2,000 messages/s", 100, 10, 2000, aim=0.33),
    Cell("room", "1 room × 1,000, 20 messages/s", 1, 1000, 20, aim=0.40),
    Cell("dense", "10 rooms × 10, 8,000 messages/s", 10, 10, 8000, ramp=200, aim=0.33),
]

OWN_CELLS = [
    # A burst of ten thousand deliveries per second, and what is left of it after ten seconds of silence.
    _idle(2000, "--cool", "10s", rate=1000, measured=5, more=16),
    Cell("small-rooms", "1,000 rooms × 10, 1,000 messages/s", 1000, 10, 1000, ramp=2000),
    Cell("rooms", "100 rooms × 10, 2,000 messages/s", 100, 10, 2000),
    Cell("room", "1 room × 1,000, 20 messages/s", 1, 1000, 20),
    Cell("big-room", "1 room × 5,000, 4 messages/s", 1, 5000, 4, ramp=2000),
    Cell("dense", "10 rooms × 10, 8,000 messages/s", 10, 10, 8000, ramp=200),
    *(
        Cell(
            f"payload-{payload}",
            f"100 rooms × 10, 1,000 messages/s of {title}",
            100,
            10,
            1000,
            payload=payload,
            settings=LONG_TEXTS,
        )
        # The stamp of the generator needs more than 16 bytes.
        for payload, title in [(48, "48 B"), (128, "128 B"), (1024, "1 KiB"), (8192, "8 KiB")]
    ),
    Cell("one-node", "100 rooms × 10 on one node, 1,000 messages/s", 100, 10, 1000),
    Cell("two-nodes", "the same, members alternating over two nodes", 100, 10, 1000, nodes=2),
    Cell(
        "storm",
        "10,000 sessions cut and back within 10 s, 200 messages/s",
        1000,
        10,
        200,
        ramp=2000,
        measured=5,
        options=("--storm", "10s"),
        more=15,
    ),
    Cell(
        "slow",
        "1,000 rooms × 10, 1,000 messages/s, 1 % do not read",
        1000,
        10,
        1000,
        ramp=2000,
        options=("--slow", "1"),
        more=3,
    ),
]

# Seconds instead of minutes, of every kind: proves that the machinery works, and no more.
_BRIEF = {"ramp": 500, "settle": 0.3, "warmup": 0.5, "measured": 1.5}
SMOKE_PEER_CELL = Cell("rooms", "4 rooms × 5, 100 messages/s", 4, 5, 100, **_BRIEF)
SMOKE_OWN_CELLS = [
    Cell("idle", "20 sessions at rest", 4, 5, 50, options=("--hold", "1s", "--cool", "1s"), more=2, **_BRIEF),
    Cell("two-nodes", "4 rooms × 4 over two nodes", 4, 4, 100, nodes=2, **_BRIEF),
    Cell("storm", "20 sessions cut and back within 1 s", 4, 5, 50, options=("--storm", "1s"), more=2, **_BRIEF),
    Cell("slow", "20 sessions, 10 % do not read", 4, 5, 50, options=("--slow", "10"), more=1, **_BRIEF),
]
