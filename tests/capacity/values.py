"""Values of the chart for a size."""

import math

from examples import Example
from sizing import GIB, MIB, Size

# What is requested beyond what is computed, for what is not: buffers of those who read slowly, a drain, a storm.
RESERVE = 1.25
# The chart gives the data of its Redis half of the memory limit, and the claim must hold four times the data.
REDIS_SHARE = 2
CLAIM_SHARE = 4


def quantity(size: float) -> str:
    """Returns a size for Kubernetes, rounded up to a step that people read."""
    if size <= GIB:
        return f"{math.ceil(size / (128 * MIB)) * 128}Mi"
    return f"{math.ceil(size / GIB)}Gi"


def redis(size: Size) -> str:
    data = sum(size.redis_memory.values()) * RESERVE
    if size.masters > 1:
        return (
            "redis:\n  enabled: false\nexternalRedis:\n"
            f"  # {size.masters} masters with {quantity(data / size.masters)} of data each, and two replicas for each of them.\n"
            "  url: rediss+cluster://redis.example.com\n"
            "  existingSecret: redis\n"
        )
    if data > 2 * GIB:
        return (
            "redis:\n  enabled: false\nexternalRedis:\n"
            f"  # One master with {quantity(data)} of data, and two replicas.\n"
            "  url: rediss+sentinel://s1.example.com,s2.example.com,s3.example.com/mymaster\n"
            "  existingSecret: redis\n"
        )
    limit = quantity(data * REDIS_SHARE)
    return (
        f"redis:\n  resources:\n    requests:\n      cpu: 500m\n      memory: {limit}\n    limits:\n      memory: {limit}\n"
        f"  persistence:\n    size: {quantity(max(data * CLAIM_SHARE * RESERVE, 2 * GIB))}\n"
    )


def values(example: Example, size: Size) -> str:
    """Returns the values as YAML."""
    needed = quantity(sum(size.node_memory.values()) * RESERVE)
    return (
        f"# {example.name} sessions\n"
        f"replicaCount: {size.nodes}\n"
        f"resources:\n  requests:\n    cpu: {math.ceil(example.pods.cores)}\n    memory: {needed}\n  limits:\n    memory: {needed}\n"
        f"settings:\n  history:\n    entries: {example.pods.history_entries}\n" + redis(size)
    )
