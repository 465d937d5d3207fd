"""The files that the parts read."""

import json
import secrets
import subprocess
from pathlib import Path

from layout import API, CONTROL_ADDRESS, KUBECONFIG, PODS, RUN, Node

PAUSE = "registry.k8s.io/pause:3.6"


def write_control() -> None:
    """Writes keys, tokens and the file for kubectl."""
    token = secrets.token_hex(16)
    (RUN / "tokens.csv").write_text(f'{token},admin,admin,"system:masters"\n')
    subprocess.run(["openssl", "genrsa", "-out", RUN / "sa.key", "2048"], check=True, stderr=subprocess.DEVNULL)
    subprocess.run(["openssl", "rsa", "-in", RUN / "sa.key", "-pubout", "-out", RUN / "sa.pub"], check=True, stderr=subprocess.DEVNULL)
    _write_json(
        KUBECONFIG,
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "madang",
            "clusters": [{"name": "madang", "cluster": {"server": API, "insecure-skip-tls-verify": True}}],
            "users": [{"name": "admin", "user": {"token": token}}],
            "contexts": [{"name": "madang", "context": {"cluster": "madang", "user": "admin"}}],
        },
    )
    KUBECONFIG.chmod(0o600)
    (RUN / "Corefile").write_text(
        f""".:53 {{
    bind {CONTROL_ADDRESS}
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {KUBECONFIG} madang
        pods insecure
        ttl 1
    }}
    cache 1
}}
"""
    )
    (RUN / "resolv.conf").write_text(f"nameserver {CONTROL_ADDRESS}\n")


def write_node(node: Node) -> None:
    """Writes what containerd, its network plugin, the kubelet and kube-proxy of a node read."""
    directory = node.directory
    for part in ("containerd", "cni", "kubelet", "logs", "plugins"):
        (directory / part).mkdir(parents=True)
    (directory / "containerd.toml").write_text(_containerd(node))
    # Routed links, not a bridge: on a bridge, the answer of a pod of the same node would miss the way back through
    # the address of the Service.
    _write_json(
        directory / "cni" / "10-pods.conflist",
        {
            "cniVersion": "0.4.0",
            "name": "pods",
            "plugins": [
                {
                    "type": "ptp",
                    "ipMasq": False,
                    "ipam": {"type": "host-local", "dataDir": str(directory / "addresses"), "subnet": node.pods, "routes": [{"dst": "0.0.0.0/0"}]},
                },
                {"type": "portmap", "capabilities": {"portMappings": True}},
            ],
        },
    )
    # The kubelet reads JSON too.
    _write_json(
        directory / "kubelet.yaml",
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": node.address,
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{node.name}",
            "clusterDNS": [CONTROL_ADDRESS],
            "clusterDomain": "cluster.local",
            "containerRuntimeEndpoint": f"unix://{node.containerd}",
            "enforceNodeAllocatable": [],
            "evictionHard": {},
            "failCgroupV1": False,
            "failSwapOn": False,
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "podLogsDir": str(directory / "logs"),
            # Changed Secrets reach the pods in seconds, not in a minute.
            "syncFrequency": "5s",
            "resolvConf": str(RUN / "resolv.conf"),
            "volumePluginDir": str(directory / "plugins"),
        },
    )
    _write_json(
        directory / "proxy.yaml",
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": str(KUBECONFIG)},
            "clusterCIDR": PODS,
            "mode": "iptables",
            "hostnameOverride": node.name,
            "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        },
    )


def _containerd(node: Node) -> str:
    # restrict_oom_score_adj: this machine may lack the right to lower it.
    return f"""version = 2
root = "{node.directory}/containerd/root"
state = "{node.directory}/containerd/state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.opt"]

[grpc]
  address = "{node.containerd}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{node.directory}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"""


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1))
