"""An API server that only answers what `lookup` asks, so that templates meet objects of an earlier release."""

import json
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

import yaml

from chart import CHART, NAMESPACE, RELEASE, Object, Rendered, helm, read

# What the default values render; Helm wants to know each of them.
KINDS = {
    "v1": {
        "ConfigMap": "configmaps", "PersistentVolumeClaim": "persistentvolumeclaims", "Pod": "pods", "Secret": "secrets",
        "Service": "services", "ServiceAccount": "serviceaccounts",
    },
    "apps/v1": {"Deployment": "deployments", "StatefulSet": "statefulsets"},
    "networking.k8s.io/v1": {"NetworkPolicy": "networkpolicies"},
    "policy/v1": {"PodDisruptionBudget": "poddisruptionbudgets"},
}  # fmt: skip


class Cluster:
    """Holds objects for as long as it is entered."""

    def __init__(self, *objects: Object) -> None:
        groups = [self._group(*version.split("/")) for version in KINDS if "/" in version]
        self.pages: dict[str, Object] = {
            "/version": {"major": "1", "minor": "35", "gitVersion": "v1.35.0"},
            "/api": {"kind": "APIVersions", "versions": ["v1"]},
            "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups},
        }
        for version, kinds in KINDS.items():
            listed = [{"name": plural, "namespaced": True, "kind": kind, "verbs": ["get"]} for kind, plural in kinds.items()]
            self.pages[self._base(version)] = {"kind": "APIResourceList", "groupVersion": version, "resources": listed}
        for it in objects:
            plural = KINDS[it["apiVersion"]][it["kind"]]
            path = f"{self._base(it['apiVersion'])}/namespaces/{NAMESPACE}/{plural}/{it['metadata']['name']}"
            self.pages[path] = it

    @staticmethod
    def _base(version: str) -> str:
        return f"/apis/{version}" if "/" in version else f"/api/{version}"

    @staticmethod
    def _group(name: str, version: str) -> Object:
        known = {"groupVersion": f"{name}/{version}", "version": version}
        return {"name": name, "versions": [known], "preferredVersion": known}

    def render(self, *sets: str, values: str = "") -> Rendered:
        """Returns what an upgrade renders in this cluster. Raises `Refused`."""
        arguments = ["template", RELEASE, str(CHART), "--namespace", NAMESPACE, "--is-upgrade", "--dry-run=server"]
        arguments += ["--disable-openapi-validation", "--kubeconfig", self._kubeconfig]
        if values:
            arguments += ["--values", "-"]
        for it in sets:
            arguments += ["--set", it]
        return read(helm(*arguments, stdin=values))

    def __enter__(self) -> "Cluster":
        pages = self.pages

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = pages.get(self.path.partition("?")[0])
                gone = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
                body = json.dumps(page or gone).encode()
                self.send_response(200 if page else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._folder = tempfile.TemporaryDirectory(prefix="madang-cluster-")
        entry = {"name": "it", "cluster": {"server": f"http://127.0.0.1:{self._server.server_port}"}}
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "it", "clusters": [entry],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}], "users": [{"name": "it", "user": {}}],
        }  # fmt: skip
        self._kubeconfig = str(Path(self._folder.name) / "config")
        Path(self._kubeconfig).write_text(yaml.safe_dump(config))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._folder.cleanup()
