"""The compose file, the chart and the program name the same things, as far as that shows without running it."""

import tomllib

import yaml

from chart import CHART, ROOT

FILE = yaml.safe_load((ROOT / "deploy/compose/compose.yaml").read_text())
SERVICES = FILE["services"]
NODES = [service for name, service in SERVICES.items() if name.startswith("node-")]


def test_the_nodes_have_the_version_of_the_program() -> None:
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
    assert [node["image"] for node in NODES] == [f"localhost/madang:{version}"] * 3


def test_redis_is_the_one_of_the_chart() -> None:
    image = yaml.safe_load((CHART / "values.yaml").read_text())["redis"]["image"]
    assert SERVICES["redis"]["image"] == f"{image['registry']}/{image['repository']}:{image['tag']}"


def test_no_image_changes_by_itself() -> None:
    for name, service in SERVICES.items():
        tag = service["image"].rpartition(":")[2]
        assert tag.lstrip("v").count(".") == 2, f"{name}: {service['image']}"


def test_ports_are_for_this_machine_only() -> None:
    assert all(port.startswith("127.0.0.1:") for service in SERVICES.values() for port in service.get("ports", []))


def test_redis_keeps_what_was_accepted() -> None:
    command = SERVICES["redis"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    wanted = {"--appendonly": "yes", "--appendfsync": "always", "--maxmemory-policy": "noeviction"}
    assert wanted.items() <= options.items()


def test_nodes_wait_for_nothing() -> None:
    assert not any("depends_on" in node for node in NODES)
