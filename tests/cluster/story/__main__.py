"""The story of a chat on Kubernetes, with people who talk all the time: `story short`, `story full`, or chapters by name.

Plays on the cluster of KUBECONFIG, or else on the one of `make cluster-up`. Another cluster must be able to run
`registry.example.com/madang` with the tags of this version and of 0.99.0, such as after `kind load docker-image`.

Each step prints a line: what, seconds, and what the talkers saw until everything that they had said was on every
screen. The first step that does not hold ends the story with exit code 1; the cluster is left as it is then.
"""

import sys
import time

import corners
import everyday
import filling
import trouble
from kube import IS_FOREIGN, Failed, Namespace
from stage import Story
from talk import Talk
from telling import Readme, Telling

# The order in which they are played; those of the short story are marked.
STORY = (
    (everyday.install, True),
    (everyday.helm_test, True),
    (everyday.open_page, True),
    (everyday.scale, True),
    (everyday.upgrade, True),
    (everyday.go_back, True),
    (everyday.roll_back, False),
    (everyday.restart, True),
    (everyday.restart_in_small_steps, False),
    (trouble.kill_a_pod, True),
    (trouble.replace_redis, True),
    (trouble.start_without_redis, False),
    (corners.rotate_password, False),
    (trouble.empty_a_node, True),
    (corners.scrape, False),
    (corners.accept_values, False),
    (corners.scale_memory_broker, False),
    (corners.explain_what_is_wrong, False),
    (corners.share_a_redis, False),
    (filling.fill_a_volume_everysec, False),
    (filling.fill_a_volume_always, False),
    (trouble.part_the_nodes, False),
    (trouble.lose_a_node, False),
    (everyday.uninstall, True),
)


def main() -> None:
    wanted = sys.argv[1:]
    is_full = wanted == ["full"]
    named = {"full": [chapter for chapter, _ in STORY], "short": [chapter for chapter, is_short in STORY if is_short]}
    chapters = named.get(" ".join(wanted)) or [chapter for chapter, _ in STORY if chapter.__name__ in wanted]
    if not chapters or (wanted[0] not in named and len(chapters) < len(wanted)):
        raise SystemExit(f"{__doc__}\nThe chapters are {', '.join(chapter.__name__ for chapter, _ in STORY)}.")
    began = time.monotonic()
    space = Namespace("chat")
    talk = Talk("http://madang.chat", Namespace("chat-soak"))
    telling = Telling(talk)
    story = Story(space, talk, telling, Readme())
    telling.begin()
    try:
        for chapter in chapters:
            if IS_FOREIGN and chapter in (*trouble.ON_OUR_MACHINE, *filling.ON_OUR_MACHINE):
                telling.skip(chapter.__name__.replace("_", " "), "it needs the machine of make cluster-up")
                continue
            chapter(story)
        if is_full and not IS_FOREIGN and story.readme.left:
            raise Failed(f"no step ran these commands of README: {story.readme.left}")
    except Failed as failed:
        if str(failed) not in telling.failed:
            telling.failed.append(str(failed))
        print(f"the story ends at: {failed}", flush=True)
    print(f"{telling.steps} passed, {len(telling.failed)} failed", flush=True)
    print(f"in {time.monotonic() - began:.0f} s", flush=True)
    sys.exit(1 if telling.failed else 0)


if __name__ == "__main__":
    main()
