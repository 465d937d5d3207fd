"""The rendered Redis, started with a real redis-server: who may do what, and what it keeps."""

import hashlib
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import chart
from chart import ROOT, render
from redis_process import Denied, RedisProcess, Wire

BINARY = os.environ.get("MADANG_BINARY", str(ROOT / "target/debug/madang"))
PREFIX = f"{chart.NAMESPACE}:{chart.RELEASE}"

# What Redis 7.0 and later answer to a command and, in a script, to a call that a user has no right to.
REFUSED = "NOPERM|can't run this command"

# What the exporter of Debian asks for at every scrape of a single Redis.
EXPORTER = [
    ("PING",), ("INFO", "all"), ("CONFIG", "GET", "*"), ("SLOWLOG", "LEN"), ("SLOWLOG", "GET", "1"),
    ("LATENCY", "LATEST"), ("CLIENT", "SETNAME", "redis_exporter"),
]  # fmt: skip

DANGEROUS = [
    ("FLUSHALL",), ("FLUSHDB",), ("KEYS", "*"), ("SCAN", "0"), ("CONFIG", "GET", "*"), ("CONFIG", "SET", "appendonly", "no"),
    ("ACL", "LIST"), ("ACL", "WHOAMI"), ("CLIENT", "LIST"), ("CLIENT", "KILL", "TYPE", "normal"),
    ("SHUTDOWN", "NOSAVE"), ("REPLICAOF", "127.0.0.1", "1"), ("MONITOR",), ("SCRIPT", "FLUSH"), ("FUNCTION", "LIST"),
    ("MODULE", "LIST"), ("SAVE",), ("BGREWRITEAOF",), ("SWAPDB", "0", "1"), ("PSUBSCRIBE", "*"),
    ("EVAL", "return redis.call('flushall')", "0"),
]  # fmt: skip


def code_rights() -> set[str]:
    """The commands that the program sends, as its own list says."""
    text = (ROOT / "src/broker/redis/rights.rs").read_text()
    (block,) = re.findall(r"const RIGHTS: &\[&str\] = &\[(.*?)\];", text, re.DOTALL)
    return set(re.findall(r'"([^"]+)"', block))


def chat_user() -> str:
    rendered = chart.render()
    return rendered.variables(rendered.chat_container)["MADANG_REDIS__USERNAME"]


@pytest.fixture
def chat(redis: RedisProcess) -> Iterator[Wire]:
    with redis.wire(chat_user(), redis.secret("redis-password")) as wire:
        yield wire


@pytest.fixture
def exporter(redis: RedisProcess) -> Iterator[Wire]:
    with redis.wire("exporter", redis.exporter_password()) as wire:
        yield wire


def rules(redis: RedisProcess, user: str) -> list[str]:
    """The words of a user's line in the file that the start script has written."""
    lines = [line.split() for line in redis.place("/run/redis/users.acl").read_text().splitlines()]
    (words,) = [it[2:] for it in lines if it[:2] == ["user", user]]
    return words


def test_without_a_name_nothing_is_allowed(redis: RedisProcess) -> None:
    with redis.wire() as wire, pytest.raises(Denied, match="NOAUTH|NOPERM"):
        wire.call("PING")


def test_the_user_default_is_off(redis: RedisProcess) -> None:
    assert "off" in rules(redis, "default")


def test_a_wrong_password_is_refused(redis: RedisProcess) -> None:
    with pytest.raises(Denied, match="WRONGPASS"):
        redis.wire(chat_user(), "wrong")


def test_the_password_of_the_chat_is_written_nowhere(redis: RedisProcess) -> None:
    password = redis.secret("redis-password")
    assert redis.written()
    for file in redis.written():
        assert password not in file.read_text(errors="replace"), file.name
    assert password not in redis.log


def test_no_password_lies_on_a_disk(redis: RedisProcess) -> None:
    mounts = {it["mountPath"]: it["name"] for it in redis.container["volumeMounts"]}
    (volume,) = [it for it in redis.pod["volumes"] if it["name"] == mounts["/run/redis"]]
    assert volume["emptyDir"]["medium"] == "Memory"
    for file in redis.place("/data").rglob("*"):
        assert not file.is_file() or redis.exporter_password() not in file.read_text(errors="replace"), file.name


def test_the_chat_may_send_what_the_program_sends_and_nothing_else(redis: RedisProcess) -> None:
    words = [it for it in rules(redis, chat_user()) if it[0] in "+-"]
    assert words[0] == "-@all"
    assert {it[1:] for it in words[1:]} == code_rights()
    assert not [it for it in words[1:] if it[0] == "-"]


def test_the_chat_reaches_its_own_keys(chat: Wire) -> None:
    assert chat.call("SET", f"{PREFIX}:a", "1") == "OK"
    assert chat.call("XADD", f"{PREFIX}:{{room}}:log", "1-0", "m", "{}") == "1-0"
    assert chat.call("EVAL", "return redis.call('get', KEYS[1])", "1", f"{PREFIX}:a") == "1"
    assert chat.call("PUBLISH", f"{PREFIX}:{{room}}", "x") == 0
    assert chat.call("DEL", f"{PREFIX}:a", f"{PREFIX}:{{room}}:log") == 2


@pytest.mark.parametrize(
    "words",
    [
        ("GET", "other:a"),
        ("SET", "other:a", "1"),
        ("GET", PREFIX),
        ("GET", f"{PREFIX}2:a"),
        ("DEL", f"{PREFIX}:a", "other:a"),
        ("XADD", "other:log", "1-0", "m", "{}"),
        ("EVAL", "return redis.call('get', KEYS[1])", "1", "other:a"),
        ("PUBLISH", "other", "x"),
        ("SUBSCRIBE", "other"),
        ("SUBSCRIBE", f"{PREFIX}2:a"),
    ],
    ids=" ".join,
)
def test_the_chat_reaches_no_foreign_key_or_channel(chat: Wire, words: tuple[str, ...]) -> None:
    with pytest.raises(Denied, match=REFUSED):
        chat.call(*words)


@pytest.mark.parametrize("words", DANGEROUS, ids=" ".join)
def test_the_chat_cannot_harm_redis(chat: Wire, words: tuple[str, ...]) -> None:
    with pytest.raises(Denied, match=REFUSED):
        chat.call(*words)


@pytest.mark.parametrize("words", EXPORTER, ids=" ".join)
def test_the_exporter_may_read_what_it_measures(exporter: Wire, words: tuple[str, ...]) -> None:
    exporter.call(*words)


@pytest.mark.parametrize(
    "words",
    [
        ("GET", f"{PREFIX}:a"), ("SET", "a", "1"), ("KEYS", "*"), ("SCAN", "0"), ("FLUSHALL",), ("PUBLISH", f"{PREFIX}:a", "x"),
        ("CONFIG", "SET", "appendonly", "no"), ("ACL", "LIST"), ("CLIENT", "LIST"), ("EVAL", "return 1", "0"),
        ("SHUTDOWN",), ("MONITOR",), ("SUBSCRIBE", PREFIX),
    ],
    ids=" ".join,
)  # fmt: skip
def test_the_exporter_may_nothing_else(exporter: Wire, words: tuple[str, ...]) -> None:
    with pytest.raises(Denied, match=REFUSED):
        exporter.call(*words)


@pytest.mark.parametrize(
    ("name", "value"),
    [("appendonly", "yes"), ("appendfsync", "always"), ("maxmemory-policy", "noeviction"), ("protected-mode", "yes")],
)
def test_it_keeps_what_it_has_acknowledged(exporter: Wire, name: str, value: str) -> None:
    assert exporter.call("CONFIG", "GET", name) == [name, value]


def test_half_of_its_memory_is_for_data(redis: RedisProcess, exporter: Wire) -> None:
    limit = size(redis.container["resources"]["limits"]["memory"])
    assert int(exporter.call("CONFIG", "GET", "maxmemory")[1]) == limit // 2


def test_its_claim_has_room_for_rewrites(redis: RedisProcess, exporter: Wire) -> None:
    (claim,) = redis.rendered.of_kind("PersistentVolumeClaim")
    room = size(claim["spec"]["resources"]["requests"]["storage"])
    assert room >= 4 * int(exporter.call("CONFIG", "GET", "maxmemory")[1])


def size(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(Ki|Mi|Gi|Ti)?", text).groups()
    return int(number) * 1024 ** ["", "Ki", "Mi", "Gi", "Ti"].index(unit or "")


def test_its_probes_say_that_it_lives(redis: RedisProcess) -> None:
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        if probe in redis.container:
            done = redis.run(redis.container[probe]["exec"]["command"])
            assert done.returncode == 0, f"{probe}: {done.stdout}{done.stderr}"


def test_its_probes_say_when_it_does_not_answer(tmp_path: Path) -> None:
    process = RedisProcess(chart.render(), tmp_path)
    for probe in ("livenessProbe", "readinessProbe"):
        assert process.run(process.container[probe]["exec"]["command"]).returncode != 0, probe


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    process = RedisProcess(chart.render(), tmp_path)
    password = process.secret("redis-password")
    with process, process.wire(chat_user(), password) as wire:
        wire.call("SET", f"{PREFIX}:a", "kept")
        # The append-only file holds a script that writes twice as a transaction.
        script = "redis.call('SET', KEYS[1], 'kept') redis.call('SET', KEYS[2], 'kept')"
        wire.call("EVAL", script, "2", f"{PREFIX}:b", f"{PREFIX}:c")
    with process, process.wire(chat_user(), password) as wire:
        assert [wire.call("GET", f"{PREFIX}:{key}") for key in "abc"] == ["kept"] * 3


def test_the_program_finds_nothing_to_complain_about(redis: RedisProcess, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text(redis.secret("redis-password"))
    rendered = redis.rendered
    variables = rendered.variables(rendered.chat_container)
    done = subprocess.run(
        [BINARY, "check"],
        env={
            "MADANG_REDIS__URL": f"redis://127.0.0.1:{redis.port}",
            "MADANG_REDIS__USERNAME": variables["MADANG_REDIS__USERNAME"],
            "MADANG_REDIS__PASSWORD_FILE": str(password),
            "MADANG_REDIS__PREFIX": variables["MADANG_REDIS__PREFIX"],
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_release_has_a_prefix_of_its_own() -> None:
    prefixes = set()
    for release in ("one", "other"):
        rendered = chart.render(release=release)
        prefixes.add(rendered.variables(rendered.chat_container)["MADANG_REDIS__PREFIX"])
    assert prefixes == {f"{chart.NAMESPACE}:one", f"{chart.NAMESPACE}:other"}


def eventually(what: Callable[[], bool]) -> bool:
    """Asks until the answer is yes, but not for ever."""
    deadline = time.monotonic() + 10
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_a_password_is_rotated_while_everybody_talks(tmp_path: Path) -> None:
    process = RedisProcess(chart.render(), tmp_path)
    user, old, new = chat_user(), process.secret("redis-password"), "a-new-password"

    def is_let_in(password: str) -> bool:
        try:
            process.wire(user, password).close()
        except Denied:
            return False
        return True

    with process, process.wire(user, old) as wire:
        process.write_secret("redis-password-previous", old)
        process.write_secret("redis-password", new)
        assert eventually(lambda: is_let_in(new))
        assert is_let_in(old)
        process.write_secret("redis-password-previous", None)
        assert eventually(lambda: not is_let_in(old))
        assert is_let_in(new)
        assert wire.call("PING") == "PONG", "who is in stays in"


def test_the_previous_password_is_good_after_a_restart_too(tmp_path: Path) -> None:
    process = RedisProcess(chart.render(), tmp_path)
    old = process.secret("redis-password")
    process.write_secret("redis-password-previous", old)
    process.write_secret("redis-password", "a-new-password")
    with process:
        process.wire(chat_user(), old).close()
        process.wire(chat_user(), "a-new-password").close()


def test_a_secret_without_the_password_is_said(tmp_path: Path) -> None:
    process = RedisProcess(chart.render(), tmp_path)
    process.write_secret("redis-password", None)
    done = process.run(process.container["command"])
    assert done.returncode != 0
    assert "redis.auth.existingSecretPasswordKey" in done.stderr


def test_the_test_of_the_chart_passes(redis: RedisProcess) -> None:
    pod = redis.rendered.named("Pod", f"{chart.RELEASE}-redis-test")
    assert pod
    (container,) = pod["spec"]["containers"]
    done = redis.run(container["command"], container, REDIS_HOST_NAME="127.0.0.1")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_test_of_the_chart_fails_if_too_much_is_allowed(tmp_path: Path) -> None:
    process = RedisProcess(chart.render("default"), tmp_path)
    rights = process.place("/etc/redis/chat.acl")
    rights.write_text(rights.read_text().strip() + " +flushall")
    with process:
        (container,) = process.rendered.named("Pod", f"{chart.RELEASE}-redis-test")["spec"]["containers"]
        done = process.run(container["command"], container, REDIS_HOST_NAME="127.0.0.1")
    assert done.returncode != 0
    assert "FAILED: flushall" in done.stdout


def test_further_users_are_let_in_under_their_own_keys(tmp_path: Path) -> None:
    word = hashlib.sha256(b"other-password").hexdigest()
    line = f"user other on #{word} resetkeys resetchannels -@all ~other:* +ping +get"
    with RedisProcess(chart.render(extra=f"redis: {{extraUsers: ['{line}']}}"), tmp_path) as process:
        with process.wire("other", "other-password") as wire:
            assert wire.call("GET", "other:a") is None
            with pytest.raises(Denied, match=REFUSED):
                wire.call("GET", f"{PREFIX}:a")


def test_the_exporter_sees_no_password_but_its_own(tmp_path: Path) -> None:
    with RedisProcess(render(), tmp_path) as process:
        exporter = next(it for it in process.pod["initContainers"] if it["name"] == "exporter")
        files = [file for mount in exporter["volumeMounts"] for file in process.place(mount["mountPath"]).rglob("*")]
        lines = process.place("/run/redis/users.acl").read_text().splitlines()
        for user in {line.split()[1] for line in lines if line.strip()} - {"exporter"}:
            for file in files:
                with pytest.raises(Denied, match="WRONGPASS"):
                    process.wire(user, file.read_text().strip())
