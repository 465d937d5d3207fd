"""Where things are, and which core does what."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PEERS = ROOT / "tests/bench/peers"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
BUILT = TARGET / "bench"
DOCUMENT = ROOT / "docs/performance.md"
IMAGES = ROOT / "docs/images"

# One core of server is the unit that everything is told in; Redis and the generator share the other one.
SERVER_CORE = "0"
OTHER_CORE = "1"
