"""The command lines of the parts."""

from boxes import Box
from layout import BIN, CONTROL_ADDRESS, KUBECONFIG, PODS, RUN, SERVICES, Node

_AS_ADMIN = (f"--kubeconfig={KUBECONFIG}", f"--authentication-kubeconfig={KUBECONFIG}", f"--authorization-kubeconfig={KUBECONFIG}")


def start_store(control: Box) -> None:
    """Starts etcd and the API server."""
    control.start(
        "etcd",
        "etcd",
        f"--data-dir={RUN}/etcd",
        "--listen-client-urls=http://127.0.0.1:2379",
        "--advertise-client-urls=http://127.0.0.1:2379",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--initial-advertise-peer-urls=http://127.0.0.1:2380",
        "--initial-cluster=default=http://127.0.0.1:2380",
        # A cluster for tests need not survive a crash of the machine.
        "--unsafe-no-fsync",
    )
    control.start(
        "apiserver",
        f"{BIN}/kube-apiserver",
        "--etcd-servers=http://127.0.0.1:2379",
        "--secure-port=6443",
        "--bind-address=0.0.0.0",
        f"--advertise-address={CONTROL_ADDRESS}",
        f"--cert-dir={RUN}/apiserver",
        f"--service-account-key-file={RUN}/sa.pub",
        f"--service-account-signing-key-file={RUN}/sa.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--token-auth-file={RUN}/tokens.csv",
        "--authorization-mode=Node,RBAC",
        f"--service-cluster-ip-range={SERVICES}",
        "--kubelet-preferred-address-types=InternalIP",
        "--allow-privileged=true",
        # Pods of a node that is lost are given up after this, not after five minutes.
        "--default-not-ready-toleration-seconds=15",
        "--default-unreachable-toleration-seconds=15",
    )


def start_control(control: Box) -> None:
    """Starts what needs the API server."""
    control.start(
        "controller-manager",
        f"{BIN}/kube-controller-manager",
        *_AS_ADMIN,
        f"--service-account-private-key-file={RUN}/sa.key",
        f"--root-ca-file={RUN}/apiserver/apiserver.crt",
        "--use-service-account-credentials=false",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--cert-dir={RUN}/controller-manager",
        f"--cluster-cidr={PODS}",
        f"--service-cluster-ip-range={SERVICES}",
        f"--flex-volume-plugin-dir={RUN}/plugins",
        # A node that is lost for good is noticed in seconds, not in the minutes that suit a large cluster.
        "--node-monitor-grace-period=16s",
    )
    control.start(
        "scheduler",
        f"{BIN}/kube-scheduler",
        *_AS_ADMIN,
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--cert-dir={RUN}/scheduler",
    )
    control.start("coredns", f"{BIN}/coredns", f"-conf={RUN}/Corefile")


def start_containerd(box: Box, node: Node) -> None:
    """Starts what runs containers."""
    box.start("containerd", "containerd", f"--config={node.directory}/containerd.toml")


def start_node(box: Box, node: Node) -> None:
    """Starts what makes a node of it."""
    box.start(
        "kubelet",
        f"{BIN}/kubelet",
        f"--config={node.directory}/kubelet.yaml",
        f"--kubeconfig={KUBECONFIG}",
        f"--root-dir={node.directory}/kubelet",
        f"--cert-dir={node.directory}/kubelet/pki",
        f"--hostname-override={node.name}",
        f"--node-ip={node.address}",
    )
    box.start("proxy", f"{BIN}/kube-proxy", f"--config={node.directory}/proxy.yaml")
