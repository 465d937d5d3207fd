"""What checkov finds in the default values is listed here with its reason, and nothing else is found."""

import json
import os
import subprocess
from pathlib import Path

from chart import ROOT, render

CHECKOV = os.environ.get("CHECKOV", str(ROOT / "target/tools/checkov/bin/checkov"))

CHAT, REDIS = "Deployment.yard.madang", "StatefulSet.yard.madang-redis"
SELFTEST, REDIS_TEST = "Pod.yard.madang-selftest", "Pod.yard.madang-redis-test"
TESTS = [SELFTEST, REDIS_TEST]
ALL = [CHAT, REDIS, *TESTS]

# Findings that stay: the check, where, and why.
REASONS = [
    ("CKV_K8S_11", ALL, "CPU limits: a limit stops a pod in the middle of a message; requests share the CPU out"),
    ("CKV_K8S_15", ALL, "pull policy Always: tags name versions, and a pod must be able to start while the registry is away"),
    ("CKV_K8S_43", ALL, "digests: they are values (image.digest), since they differ between registries and mirrors"),
    ("CKV_K8S_40", [REDIS, REDIS_TEST], "high UID: the official image has its user 999; redis.podSecurityContext sets another"),
    ("CKV_K8S_8", TESTS, "liveness: a test ends by itself, and what ends is not restarted"),
    ("CKV_K8S_9", TESTS, "readiness: nobody sends a test anything"),
    ("CKV2_K8S_6", TESTS, "network policy: a test listens to nobody and is gone after seconds"),
]  # fmt: skip


def test_every_finding_has_a_reason_and_every_reason_a_finding(tmp_path: Path) -> None:
    file = tmp_path / "chart.yaml"
    file.write_text(render().text)
    # Without --skip-download it asks its maker for policies.
    command = [CHECKOV, "--skip-download", "--quiet", "--compact", "--framework", "kubernetes", "--output", "json"]
    done = subprocess.run([*command, "--file", str(file)], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.strip(), done.stderr
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 300, "it has looked at next to nothing"
    found = {(it["check_id"], it["resource"]): it["check_name"] for it in report["results"]["failed_checks"]}
    explained = {(check, place) for check, places, _ in REASONS for place in places}
    new = {f"{place}: {check}, {found[check, place]}" for check, place in found.keys() - explained}
    assert not new, "fix these or give a reason:\n" + "\n".join(sorted(new))
    assert not explained - found.keys(), f"these are not found any more: {sorted(explained - found.keys())}"
