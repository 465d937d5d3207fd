"""With `gitops.enabled` nothing is looked up or made up: the same bytes every time, and no count of replicas."""

import chart
from chart import VALUES, render, template

GITOPS = [it for it in VALUES if "gitops" in it]


def test_it_renders_the_same_bytes_twice() -> None:
    for values in GITOPS:
        assert template(values) == template(values)


def test_it_renders_no_secret() -> None:
    for values in GITOPS:
        assert not render(values).of_kind("Secret")


def test_it_leaves_the_replicas_to_others() -> None:
    for values in GITOPS:
        assert "replicas" not in render(values).deployment["spec"]


def test_secrets_that_would_be_made_up_are_refused() -> None:
    said = chart.refusal("default", "gitops.enabled=true")
    assert "existingSecret" in said
