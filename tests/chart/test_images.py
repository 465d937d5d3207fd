"""An installation that may only use its own registry reaches every image."""

from chart import VALUES, Rendered, render


def images(rendered: Rendered) -> list[str]:
    return [it.spec["image"] for it in rendered.own_containers]


def test_no_image_is_a_moving_one(rendered: Rendered) -> None:
    for container in rendered.containers:
        image = container.spec["image"]
        tag = image.rpartition("/")[2].partition(":")[2]
        assert "@sha256:" in image or (tag and tag != "latest"), str(container)


def test_one_registry_can_take_the_place_of_all() -> None:
    for values in VALUES:
        for image in images(render(values, "global.imageRegistry=registry.example.com:5000")):
            assert image.startswith("registry.example.com:5000/"), f"{values}: {image}"


def test_pull_secrets_reach_every_pod() -> None:
    for values in VALUES:
        rendered = render(values, "global.imagePullSecrets[0].name=pull")
        for pod in rendered.pods:
            assert {"name": "pull"} in pod.spec.get("imagePullSecrets", []), f"{values}: {pod}"


def test_the_tag_is_the_version_of_the_chat() -> None:
    assert render(version="7.8.9").chat_container.spec["image"].endswith(":7.8.9")


def test_a_digest_comes_before_the_tag() -> None:
    digest = "sha256:" + "0" * 64
    image = render("default", f"image.digest={digest}", "image.tag=1.2.3").chat_container.spec["image"]
    assert image.endswith(f"@{digest}")


def test_a_test_pod_runs_an_image_that_is_there_anyway(rendered: Rendered) -> None:
    used = {it.spec["image"] for pod in rendered.pods if not pod.is_test for it in pod.containers}
    for pod in rendered.pods:
        if pod.is_test:
            assert {it.spec["image"] for it in pod.containers} <= used, str(pod)
