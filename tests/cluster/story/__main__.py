"""The story of a chat on Kubernetes, with people who talk all the time: `story short` or `story full`.

Plays on the cluster of KUBECONFIG, or else on the one of `make cluster-up`. Each step prints a line: what, seconds, and
what the talkers saw until everything that they had said was on every screen. The first step that does not hold ends
the story with exit code 1; the cluster is left as it is then, to look at.
"""

import sys
import time

import chapters
from kube import IS_FOREIGN, Failed, Namespace, eventually, run
from talk import Talk
from telling import Readme, Telling

# The order in which they are played; those of the short story are marked.
STORY = (
    (chapters.install, True),
    (chapters.helm_test, True),
    (chapters.open_page, True),
    (chapters.scale, True),
    (chapters.upgrade, True),
    (chapters.go_back, True),
    (chapters.roll_back, False),
    (chapters.restart, True),
    (chapters.restart_in_small_steps, False),
    (chapters.kill_a_pod, True),
    (chapters.replace_redis, True),
    (chapters.start_without_redis, False),
    (chapters.rotate_password, False),
    (chapters.empty_a_node, True),
    (chapters.scrape, False),
    (chapters.accept_values, False),
    (chapters.scale_memory_broker, False),
    (chapters.explain_what_is_wrong, False),
    (chapters.share_a_redis, False),
    (chapters.fill_a_volume_everysec, False),
    (chapters.fill_a_volume_always, False),
    (chapters.part_the_nodes, False),
    (chapters.lose_a_node, False),
    (chapters.uninstall, True),
)


def main() -> None:
    if sys.argv[1:] not in (["short"], ["full"]):
        raise SystemExit(__doc__)
    is_full = sys.argv[1] == "full"
    began = time.monotonic()
    space = Namespace("chat")
    talk = Talk("http://madang.chat", Namespace("chat-soak"))
    telling = Telling(talk)
    story = chapters.Story(space, talk, telling, Readme())
    telling.begin()
    try:
        for chapter, is_short in STORY:
            if not is_full and not is_short:
                continue
            if IS_FOREIGN and chapter in chapters.ON_OUR_MACHINE:
                telling.skip(chapter.__doc__ or "", "it needs the machine of make cluster-up")
                continue
            chapter(story)
        if is_full and not IS_FOREIGN and story.readme.left:
            raise Failed(f"no step ran these commands of README: {story.readme.left}")
    except Failed as failed:
        telling.failed.append(str(failed)) if str(failed) not in telling.failed else None
        print(f"the story ends at: {failed}", flush=True)
    print(f"{telling.steps} passed, {len(telling.failed)} failed", flush=True)
    print(f"in {time.monotonic() - began:.0f} s", flush=True)
    sys.exit(1 if telling.failed else 0)


if __name__ == "__main__":
    main()
