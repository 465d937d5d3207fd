"""The links between the boxes: each node has one to the control plane, which routes between them."""

import subprocess

from boxes import Box
from layout import CONTROL_ADDRESS, HOST_ADDRESS, HOST_LINK, Node


def host(*command: str) -> None:
    subprocess.run(command, check=True)


def connect_host(control: Box) -> None:
    """Links the machine itself to the control plane, for kubectl."""
    host("ip", "link", "add", HOST_LINK, "type", "veth", "peer", "name", "host", "netns", str(control.inner))
    host("ip", "address", "add", f"{HOST_ADDRESS}/24", "dev", HOST_LINK)
    host("ip", "link", "set", HOST_LINK, "up")
    control.run("ip", "address", "add", f"{CONTROL_ADDRESS}/24", "dev", "host")
    control.run("ip", "link", "set", "host", "up")


def connect(control: Box, box: Box, node: Node) -> None:
    """Links a node to the control plane."""
    host("ip", "link", "add", node.name, "netns", str(control.inner), "type", "veth", "peer", "name", "eth0", "netns", str(box.inner))
    control.run("ip", "address", "add", f"{node.gateway}/30", "dev", node.name)
    control.run("ip", "link", "set", node.name, "up")
    box.run("ip", "address", "add", f"{node.address}/30", "dev", "eth0")
    box.run("ip", "link", "set", "eth0", "up")
    box.run("ip", "route", "add", "default", "via", node.gateway)
    control.run("ip", "route", "add", node.pods, "via", node.address)
