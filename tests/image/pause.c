// Does nothing, so that the namespaces of a pod live as long as it does, and takes in processes that lost their parent.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void handle(int signal) {
  if (signal != SIGCHLD) _exit(0);
  while (waitpid(-1, 0, WNOHANG) > 0) {
  }
}

int main(void) {
  signal(SIGINT, handle);
  signal(SIGTERM, handle);
  signal(SIGCHLD, handle);
  for (;;) pause();
}
