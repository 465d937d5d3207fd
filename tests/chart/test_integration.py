"""The integration suite of the program on the Redis that the chart renders, as the user that the chart makes."""

import os
import subprocess
from pathlib import Path

from chart import ROOT, render
from redis_process import RedisProcess

# Every scenario that needs a Redis: their modules or their names say so.
SCENARIOS = ["redis", "many::", "neighbors::"]
AT_LEAST = 60


def test_the_program_works_with_the_rights_of_the_chart(tmp_path: Path) -> None:
    # The prefix that the scenarios look under.
    process = RedisProcess(render("default", "redis.prefix=madang"), tmp_path / "rendered")
    with process:
        users = process.place("/run/redis/users.acl").read_text().splitlines()
    files = tmp_path / "files"
    files.mkdir()
    # The scenarios themselves look and break as this user; the nodes are the chat's.
    users = [it for it in users if not it.startswith("user default ")] + ["user default on nopass ~* &* +@all"]
    assert any(it.startswith("user madang on ") for it in users)
    (files / "users.acl").write_text("\n".join(users) + "\n")
    (files / "redis.conf").write_text(process.place("/etc/redis/redis.conf").read_text())
    (files / "password").write_text(process.secret("redis-password"))
    done = subprocess.run(
        ["cargo", "test", "--locked", "--test", "integration", "--", *SCENARIOS],
        cwd=ROOT,
        env=os.environ | {"MADANG_TEST_REDIS": str(files)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert done.stdout.count(" ... ok") >= AT_LEAST, done.stdout


def test_a_right_that_is_missing_would_be_found(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    rights = (ROOT / "src/broker/redis/rights.rs").read_text()
    assert '"xadd"' in rights
    rules = "resetkeys resetchannels ~madang:* &madang:* +@all -xadd"
    (files / "users.acl").write_text(f"user madang on >secret {rules}\nuser default on nopass ~* &* +@all\n")
    (files / "redis.conf").write_text("")
    (files / "password").write_text("secret")
    done = subprocess.run(
        ["cargo", "test", "--locked", "--test", "integration", "--", "chat::redis::a_first_message"],
        cwd=ROOT,
        env=os.environ | {"MADANG_TEST_REDIS": str(files)},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0 and "1 failed" in done.stdout, done.stdout
