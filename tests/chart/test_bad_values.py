"""What values that cannot work get: a sentence that says what to set."""

import pytest

import chart

# Values as arguments of --set, by semicolons, and a part of what Helm must say.
WRONG = [
    ("replicaCount=two", "at '/replicaCount': got string, want integer"),
    ("replicaCount=0", "at '/replicaCount': minimum: got 0, want 1"),
    ("replicas=3", "additional properties 'replicas' not allowed"),
    ("image.tagg=1.2.3", "at '/image': additional properties 'tagg' not allowed"),
    ("image.digest=sha256:1", "at '/image/digest': 'sha256:1' does not match pattern"),
    ("redis.enabled=perhaps", "at '/redis/enabled': got string, want boolean"),
    ("redis.config.appendfsync=sometimes", "at '/redis/config/appendfsync': value must be one of 'always', 'everysec'"),
    ("redis.persistence.size=big", "at '/redis/persistence/size': 'big' does not match pattern"),
    ("redis.prefix=a b", "at '/redis/prefix': 'a b' does not match pattern"),
    ("externalRedis.url=redis-sentinel://redis", "at '/externalRedis/url': 'redis-sentinel://redis' does not match pattern"),
    ("externalRedis.ports[0]=0", "at '/externalRedis/ports/0': minimum: got 0, want 1"),
    ("externalRedis.url=http://redis", "at '/externalRedis/url': 'http://redis' does not match pattern"),
    ("service.type=Cluster", "at '/service/type': value must be one of"),
    ("service.port=70000", "at '/service/port': maximum: got 70,000, want 65,535"),
    ("podSecurityContext.runAsUser=0", "at '/podSecurityContext/runAsUser'"),
    ("rollout.maxSurge=much", "at '/rollout/maxSurge'"),
    ("settings.limits.text=lots", "at '/settings/limits/text': 'lots' does not match pattern '^[0-9]*$'"),
    ("settings.limits.rooms=0", "at '/settings/limits/rooms': minimum: got 0, want 1"),
    ("settings.limits.frame_bytes=1kB", "at '/settings/limits/frame_bytes': '1kB' does not match pattern"),
    ("settings.history.keep=1y", "at '/settings/history/keep': '1y' does not match pattern"),
    ("settings.history.keep=60", "at '/settings/history/keep': got number, want null or string"),
    ("settings.log.format=xml", "at '/settings/log/format': value must be one of 'auto', 'text', 'json'"),
    ("bench.duration=60", "at '/bench/duration': got number, want string"),
    ("bench.targets[0]=https://chat", "at '/bench/targets/0': 'https://chat' does not match pattern"),
    ("settings.chat.rooms=1", "at '/settings': additional properties 'chat' not allowed"),
]

MEMORY = "redis.enabled=false"
EXTERNAL = f"{MEMORY};externalRedis.url=redis://redis:6379"
SENTINEL = f"{MEMORY};externalRedis.url=redis+sentinel://redis/mymaster"

CONTRADICTORY = [
    (MEMORY, "several pods need a Redis between them; set redis.enabled=true, or externalRedis.url, or replicaCount=1"),
    (f"{MEMORY};replicaCount=1;autoscaling.enabled=true", "without Redis there can be one pod only"),
    (
        f"{MEMORY};replicaCount=1;keda.enabled=true;keda.serverAddress=http://prometheus:9090",
        "without Redis there can be one pod only",
    ),
    ("externalRedis.url=redis://redis:6379", "both the Redis of the chart and an external one are chosen; set redis.enabled=false"),
    (f"{MEMORY};externalRedis.url=redis://madang:secret@redis:6379", "set externalRedis.password or externalRedis.existingSecret"),
    (f"{EXTERNAL};externalRedis.password=a;externalRedis.existingSecret=b", "the external Redis has two passwords"),
    (f"{EXTERNAL};externalRedis.existingSecret=b;externalRedis.existingSecretUrlKey=url", "the external Redis has two URLs"),
    (f"{MEMORY};externalRedis.existingSecretUrlKey=url", "set externalRedis.existingSecret"),
    (f"{EXTERNAL};externalRedis.sentinel.password=a", "there are no sentinels; set an externalRedis.url that begins with redis+sentinel://"),
    (f"{SENTINEL};externalRedis.sentinel.username=a", "externalRedis.sentinel.username needs a password"),
    (f"{SENTINEL};externalRedis.sentinel.password=a;externalRedis.sentinel.existingSecret=b", "the sentinels have two passwords"),
    ("externalRedis.sentinel.password=a", "has a user, a password or a CA, but no address"),
    (f"{EXTERNAL};externalRedis.tls.caSecret=ca", "set an externalRedis.url that begins with rediss://"),
    ("externalRedis.password=a", "has a user, a password or a CA, but no address"),
    ("terminationGracePeriodSeconds=34", "is 34, but leaving takes drain.delay + drain.window + 10 = 35"),
    ("terminationGracePeriodSeconds=60;settings.drain.window=1m", "leaving takes drain.delay + drain.window + 10 = 75"),
    ("settings.drain.window=long", 'settings.drain.window is "long", which is no duration'),
    (
        "autoscaling.enabled=true;keda.enabled=true;keda.serverAddress=http://prometheus:9090",
        "set autoscaling.enabled=false or keda.enabled=false",
    ),
    ("autoscaling.enabled=true;autoscaling.maxReplicas=1", "set a larger autoscaling.maxReplicas"),
    ("autoscaling.enabled=true;autoscaling.sessionsPerPod=0;autoscaling.cpuUtilization=0", "autoscaling has nothing to go by"),
    ("keda.enabled=true", "set keda.serverAddress to the address of Prometheus"),
    ("ingress.enabled=true", "the Ingress has no host; set ingress.hosts"),
    ("httpRoute.enabled=true", "the HTTPRoute belongs to no Gateway; set httpRoute.parentRefs"),
    ("gitops.enabled=true", "allows no generated password, which would be another one at each rendering; set redis.auth.existingSecret"),
    ("service.nodePort=30080", "set service.type=NodePort or leave service.nodePort null"),
    ("rollout.maxSurge=0%", "a rollout could never begin"),
    ("image.tag=latest", "image.tag is latest, which names another program every day; set a version"),
    ("redis.image.tag=latest", "redis.image.tag is latest"),
    ("metrics.podMonitor.enabled=true;metrics.scrapeAnnotations=true", "the pods would be scraped twice"),
    ("redis.auth.existingSecret=a;redis.auth.password=b", "Redis has two sources of its password"),
    ("bench.enabled=true;bench.rate=10001", "bench.rate is 10001, but its sessions may send 10000 together; set a smaller bench.rate"),
    ("bench.enabled=true;bench.threads=101", "bench.threads is 101, but there are 100 rooms"),
    ("redis.resources.limits=null", "set redis.resources.limits.memory"),
    ("redis.config.maxmemory=400Mi", "redis.config.maxmemory is above 60 % of the memory limit"),
    ("redis.persistence.size=1Gi;redis.resources.limits.memory=1Gi", "need four times maxmemory"),
]


def ids(table: list[tuple[str, str]]) -> list[str]:
    return [values for values, _ in table]


@pytest.mark.parametrize(("bad", "sentence"), WRONG, ids=ids(WRONG))
def test_values_of_the_wrong_kind_are_refused(bad: str, sentence: str) -> None:
    assert sentence in one_line(chart.refusal("default", *bad.split(";")))


@pytest.mark.parametrize(("bad", "sentence"), CONTRADICTORY, ids=ids(CONTRADICTORY))
def test_values_that_contradict_each_other_are_refused(bad: str, sentence: str) -> None:
    said = one_line(chart.refusal("default", *bad.split(";")))
    assert sentence in said
    assert "ERROR: " in said and " set " in said, "it names no remedy"


def one_line(text: str) -> str:
    return " ".join(text.split())


def test_what_is_just_enough_is_rendered() -> None:
    for values in (
        f"{MEMORY};replicaCount=1",
        EXTERNAL,
        "terminationGracePeriodSeconds=35",
        "redis.config.maxmemory=307Mi",
        "redis.persistence.size=1Gi",
        "rollout.maxSurge=1",
        "bench.enabled=true;bench.rate=10000",
        "bench.enabled=true;bench.rate=10001;settings.limits.sends_per_second=0",
        "bench.enabled=true;bench.rate=10001;bench.targets[0]=http://elsewhere",
    ):
        assert chart.render("default", *values.split(";")).objects
