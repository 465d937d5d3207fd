"""What a pod is told: each name once, and nothing that the program does not know."""

import os
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from chart import ROOT, Rendered, refusal, render

BINARY = os.environ.get("MADANG_BINARY", str(ROOT / "target/debug/madang"))
# What the program answers if a variable is no setting, or not its kind of value (sysexits.h: EX_CONFIG).
BAD_SETTINGS = 78


def test_no_name_occurs_twice(rendered: Rendered) -> None:
    for container in rendered.containers:
        names = [it["name"] for it in container.env]
        assert len(names) == len(set(names)), f"{container}: {sorted(names)}"


def test_no_secret_stands_in_a_config_map_or_a_variable(rendered: Rendered) -> None:
    for config in rendered.of_kind("ConfigMap"):
        for key in config.get("data") or {}:
            assert not re.search(r"(?i)password$|token$", key), f"{config['metadata']['name']}: {key}"
    for container in rendered.containers:
        for it in container.env:
            if re.search(r"(?i)password$", it["name"]):
                assert "value" not in it, f"{container}: {it['name']}"


def test_no_variable_is_of_the_kind_that_service_links_make(rendered: Rendered) -> None:
    for container in rendered.containers:
        for it in container.env:
            assert not re.fullmatch(r"(REDIS|VALKEY)_PORT(_.*)?", it["name"]), str(container)


def test_texts_are_texts(rendered: Rendered) -> None:
    for config in rendered.of_kind("ConfigMap"):
        for key, value in (config.get("data") or {}).items():
            assert isinstance(value, str), f"{config['metadata']['name']}: {key}: {value!r}"
    for container in rendered.containers:
        for it in container.env:
            assert isinstance(it.get("value", ""), str), f"{container}: {it}"


def on_this_machine(name: str, value: str, directory: Path) -> str:
    """What a variable is outside the pod: files lie below a directory, hosts are this machine."""
    if name.endswith("_FILE") and value:
        file = directory / name.lower()
        # The one format that is read beyond its text is that of the keys of the HTTP API; none is a good one.
        file.write_text("# nothing\n" if name == "MADANG_API__KEYS_FILE" else "secret\n")
        return str(file)
    if name == "MADANG_REDIS__URL" and value:
        assert urlsplit(value).hostname, value
        return re.sub(rf"{re.escape(urlsplit(value).netloc)}", "127.0.0.1:1", value)
    return value


def test_the_program_knows_every_variable(rendered: Rendered, tmp_path: Path) -> None:
    for container in rendered.containers:
        variables = {
            name: on_this_machine(name, value, tmp_path)
            for name, value in rendered.variables(container).items()
            if name.startswith("MADANG_")
        }
        if not variables or any("Redis" in it for it in container.spec.get("command", [])):
            continue
        # No Redis answers here, which check reports too, with another code.
        if "MADANG_REDIS__CA_FILE" in variables:
            variables.pop("MADANG_REDIS__CA_FILE")
        done = subprocess.run([BINARY, "check"], env=variables, capture_output=True, text=True, timeout=60)
        assert done.returncode != BAD_SETTINGS, f"{container}: {done.stderr}"


def test_the_ports_are_those_that_the_program_listens_on(rendered: Rendered) -> None:
    variables = rendered.variables(rendered.chat_container)
    ports = {it["name"]: it["containerPort"] for it in rendered.chat_container.spec["ports"]}
    listen = variables.get("MADANG_SERVER__LISTEN", "[::]:8080")
    internal = variables.get("MADANG_SERVER__INTERNAL_LISTEN", "[::]:9090")
    assert listen.endswith(f":{ports['http']}")
    assert internal.endswith(f":{ports['internal']}")


def settings() -> dict[str, str]:
    """Every setting of the program as section.key with its default, from the table that is compared with the code."""
    row = r"(?m)^\| `([a-z]+\.[a-z_]+)`<br>`\w+` \| `?([^|`]*)`? \|"
    return {name: "" if default == "empty" else default for name, default in re.findall(row, (ROOT / "README.md").read_text())}


# Those that follow from the rest of the values.
OF_THE_CHART = {
    "server.listen", "server.internal_listen", "redis.url", "redis.username", "redis.password_file", "redis.ca_file",
    "redis.sentinel_username", "redis.sentinel_password_file",
    "redis.prefix", "api.keys_file", "identity.key_file", "fleet.peers", "fleet.address", "fleet.generation",
}  # fmt: skip


def test_every_other_setting_can_be_set() -> None:
    # Most of those that are empty by default take any text.
    values = {name: default or {"redis.acks": "1"}.get(name, "text") for name, default in settings().items() if name not in OF_THE_CHART}
    assert len(values) > 30
    rendered = render("default", *(f"settings.{name}={value}" for name, value in values.items()))
    variables = rendered.variables(rendered.chat_container)
    for name, value in values.items():
        assert variables[f"MADANG_{name.upper().replace('.', '__')}"] == value


@pytest.mark.parametrize("name", sorted(OF_THE_CHART) + ["limits.no_such_thing", "nothing.text"])
def test_no_setting_is_set_behind_the_back_of_the_chart(name: str) -> None:
    assert "additional properties" in refusal("default", f"settings.{name}=1")


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("limits.sessions", "1000000", "1000000"),
        ("limits.sessions", "0", "0"),
        ("fleet.rebalance", "false", "false"),
        ("server.trusted_proxies", "{10.0.0.0/8,fd00::/8}", "10.0.0.0/8,fd00::/8"),
    ],
)
def test_values_reach_the_program_as_they_were_written(name: str, value: str, text: str) -> None:
    rendered = render("default", f"settings.{name}={value}")
    assert rendered.variables(rendered.chat_container)[f"MADANG_{name.upper().replace('.', '__')}"] == text


def test_large_numbers_of_a_values_file_stay_whole() -> None:
    rendered = render(extra="settings: {limits: {sessions: 10000000}}\nextra: {env: {NUMBER: 10000000}}")
    variables = rendered.variables(rendered.chat_container)
    assert variables["MADANG_LIMITS__SESSIONS"] == variables["NUMBER"] == "10000000"


def test_a_variable_of_the_user_takes_the_place_of_one_of_the_chart() -> None:
    rendered = render(extra="extra: {env: {MADANG_LOG__FILTER: debug}}\nsettings: {log: {filter: info}}")
    assert rendered.variables(rendered.chat_container)["MADANG_LOG__FILTER"] == "debug"


def test_a_wrong_variable_would_be_found() -> None:
    done = subprocess.run([BINARY, "check"], env={"MADANG_NO__SETTING": "1"}, capture_output=True, text=True)
    assert done.returncode == BAD_SETTINGS


def test_the_prefix_of_long_names_is_one_that_the_program_takes() -> None:
    prefixes = set()
    for end in "ab":
        rendered = render(namespace="n" * 63, release="r" * 52 + end)
        prefixes.add(rendered.variables(rendered.chat_container)["MADANG_REDIS__PREFIX"])
    assert len(prefixes) == 2, "two releases would share their rooms"
    for prefix in prefixes:
        done = subprocess.run([BINARY, "check"], env={"MADANG_REDIS__PREFIX": prefix}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
