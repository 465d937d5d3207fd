// What one send() on loopback costs its sender, in CPU: below that no server gets that writes each delivery by itself.
//
//   floor SENDER_CORE RECEIVER_CORE SOCKETS BYTES SENDS
//
// A thread on one core sends to all sockets in turn, a process on another core reads whatever comes. Printed is the CPU
// time of the sending thread for one send, in microseconds: the kernel's work for it is charged there, the receiver's
// side of loopback too, as it is for a server.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <time.h>
#include <unistd.h>

enum { MAX_SOCKETS = 8000, MAX_BYTES = 65536, EVENTS = 256 };

static void fail(const char *what) {
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static long number(const char *text, const char *name, long least, long most) {
    char *end;
    long value = strtol(text, &end, 10);
    if (*text == 0 || *end != 0 || value < least || value > most) {
        fprintf(stderr, "floor: %s is %s: give a number from %ld to %ld\n", name, text, least, most);
        exit(2);
    }
    return value;
}

static void pin(long core) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    if (sched_setaffinity(0, sizeof cores, &cores) != 0) fail("no such core");
}

// Reads all that comes, until the last sender is gone.
static void receive(int *sockets, long count, long core) {
    static char buffer[MAX_BYTES];
    struct epoll_event events[EVENTS];
    long open = count;
    int poll = epoll_create1(0);
    if (poll < 0) fail("epoll");
    pin(core);
    for (long i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = sockets[i]};
        if (epoll_ctl(poll, EPOLL_CTL_ADD, sockets[i], &event) != 0) fail("epoll");
    }
    while (open > 0) {
        int ready = epoll_wait(poll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            if (read(events[i].data.fd, buffer, sizeof buffer) > 0) continue;
            close(events[i].data.fd);
            open--;
        }
    }
    exit(0);
}

static double cpu_microseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

int main(int argc, char **argv) {
    static int ours[MAX_SOCKETS], theirs[MAX_SOCKETS];
    static char message[MAX_BYTES];
    if (argc != 6) {
        fprintf(stderr, "floor: usage: floor SENDER_CORE RECEIVER_CORE SOCKETS BYTES SENDS\n");
        return 2;
    }
    long sender_core = number(argv[1], "SENDER_CORE", 0, CPU_SETSIZE - 1);
    long receiver_core = number(argv[2], "RECEIVER_CORE", 0, CPU_SETSIZE - 1);
    long count = number(argv[3], "SOCKETS", 1, MAX_SOCKETS);
    long bytes = number(argv[4], "BYTES", 1, MAX_BYTES);
    long sends = number(argv[5], "SENDS", 1, 100000000);

    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);

    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 1024) != 0) fail("listen");
    if (getsockname(listener, (struct sockaddr *)&address, &size) != 0) fail("getsockname");
    for (long i = 0; i < count; i++) {
        theirs[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (theirs[i] < 0 || connect(theirs[i], (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
        ours[i] = accept(listener, NULL, NULL);
        if (ours[i] < 0) fail("accept");
        setsockopt(ours[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }

    pid_t receiver = fork();
    if (receiver < 0) fail("fork");
    if (receiver == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (long i = 0; i < count; i++) close(ours[i]);
        receive(theirs, count, receiver_core);
    }
    for (long i = 0; i < count; i++) close(theirs[i]);
    pin(sender_core);
    signal(SIGPIPE, SIG_IGN);

    // The first tenth only warms up.
    double begin = 0;
    for (long i = -sends / 10; i < sends; i++) {
        if (i == 0) begin = cpu_microseconds();
        int socket = ours[(i + sends) % count];
        for (long done = 0; done < bytes;) {
            ssize_t now = send(socket, message + done, (size_t)(bytes - done), 0);
            if (now < 0) fail("send");
            done += now;
        }
    }
    printf("%.3f\n", (cpu_microseconds() - begin) / (double)sends);
    for (long i = 0; i < count; i++) close(ours[i]);
    waitpid(receiver, NULL, 0);
    return 0;
}
