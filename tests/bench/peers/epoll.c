// What the kernel allows: one thread, level-triggered epoll, one read and one write for each message.
// Usage: epoll echo|lines|datagrams, or epoll forward|splice HOST:PORT
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SIZE = 64 * 1024, BATCH = 64, FILES = 1 << 17 };
enum role { ECHO, LINES, DATAGRAMS, FORWARD, SPLICE };

// By descriptor. `to` is where what is read from it goes: itself, or the other end of a pair.
struct end {
    int to;
    char *unsent;           // of what was read from it: waits until `to` has room
    size_t length, offset;
    char *begun;            // the beginning of a line
    size_t begun_length;
    int pipe[2];            // splice
    size_t in_pipe;
} ends[FILES];

static enum role role;
static int poller;
static struct sockaddr_in target;
static char input[SIZE], output[2 * SIZE];

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void watch(int operation, int file, unsigned events) {
    struct epoll_event event = {.events = events, .data.fd = file};
    if (epoll_ctl(poller, operation, file, &event)) fail("epoll_ctl");
}

static void prepare(int file, int to) {
    int on = 1;
    setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ends[file] = (struct end){.to = to};
    if (role == SPLICE && pipe2(ends[file].pipe, O_NONBLOCK)) fail("pipe2");
    watch(EPOLL_CTL_ADD, file, EPOLLIN);
}

static void forget(int file) {
    free(ends[file].unsent);
    free(ends[file].begun);
    if (role == SPLICE) close(ends[file].pipe[0]), close(ends[file].pipe[1]);
    close(file);
    ends[file] = (struct end){.to = -1};
}

static void drop(int file) {
    int other = ends[file].to;
    forget(file);
    if (other != file && other >= 0) forget(other);
}

// While something read from `from` is unsent, its other end is asked for room, and `from` is not read.
static void stop_reading(int from) {
    int to = ends[from].to;
    if (to == from) {
        watch(EPOLL_CTL_MOD, from, EPOLLOUT);
    } else {
        watch(EPOLL_CTL_MOD, from, ends[to].unsent || ends[to].in_pipe ? EPOLLOUT : 0);
        watch(EPOLL_CTL_MOD, to, EPOLLOUT | (ends[to].unsent || ends[to].in_pipe ? 0 : EPOLLIN));
    }
}

static void read_again(int from) {
    int to = ends[from].to;
    if (to == from) {
        watch(EPOLL_CTL_MOD, from, EPOLLIN);
    } else {
        int waits = ends[to].unsent || ends[to].in_pipe;
        watch(EPOLL_CTL_MOD, from, EPOLLIN | (waits ? EPOLLOUT : 0));
        watch(EPOLL_CTL_MOD, to, waits ? 0 : EPOLLIN);
    }
}

static int put(int from, const char *bytes, size_t length) {
    ssize_t sent = send(ends[from].to, bytes, length, MSG_NOSIGNAL);
    if (sent == (ssize_t)length) return 0;
    if (sent < 0 && errno != EAGAIN) return -1;
    if (sent < 0) sent = 0;
    struct end *end = &ends[from];
    end->length = length - sent, end->offset = 0;
    end->unsent = malloc(end->length);
    memcpy(end->unsent, bytes + sent, end->length);
    stop_reading(from);
    return 0;
}

static int put_rest(int from) {
    struct end *end = &ends[from];
    ssize_t sent = send(end->to, end->unsent + end->offset, end->length - end->offset, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN ? 0 : -1;
    end->offset += sent;
    if (end->offset < end->length) return 0;
    free(end->unsent);
    end->unsent = NULL;
    read_again(from);
    return 0;
}

// Each line is found, and copied by itself into the answer, as by a program that does something with it.
static int answer_lines(int file, const char *bytes, size_t length) {
    struct end *end = &ends[file];
    const char *from = bytes, *until = bytes + length, *newline;
    size_t answered = 0;
    while ((newline = memchr(from, '\n', until - from))) {
        if (end->begun_length) {
            memcpy(output, end->begun, end->begun_length);
            answered = end->begun_length, end->begun_length = 0;
        }
        memcpy(output + answered, from, newline - from);
        answered += newline - from;
        output[answered++] = '\n';
        from = newline + 1;
    }
    if (from < until) {
        size_t more = until - from;
        if (end->begun_length + more > SIZE) return -1;
        end->begun = realloc(end->begun, SIZE);
        memcpy(end->begun + end->begun_length, from, more);
        end->begun_length += more;
    }
    return answered ? put(file, output, answered) : 0;
}

static int splice_on(int from) {
    struct end *end = &ends[from];
    int has_waited = end->in_pipe > 0;
    if (!has_waited) {
        ssize_t moved = splice(from, NULL, end->pipe[1], NULL, 16 * SIZE, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
        if (moved == 0) return -1;
        if (moved < 0) return errno == EAGAIN ? 0 : -1;
        end->in_pipe = moved;
    }
    ssize_t sent = splice(end->pipe[0], NULL, end->to, NULL, end->in_pipe, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    if (sent < 0 && errno != EAGAIN) return -1;
    if (sent > 0) end->in_pipe -= sent;
    if (end->in_pipe && !has_waited) stop_reading(from);
    if (!end->in_pipe && has_waited) read_again(from);
    return 0;
}

static void accept_all(int listener) {
    int file;
    while ((file = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (role != FORWARD && role != SPLICE) {
            prepare(file, file);
            continue;
        }
        int other = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(other, (void *)&target, sizeof target)) fail("connect");
        fcntl(other, F_SETFL, O_NONBLOCK);
        prepare(file, other);
        prepare(other, file);
    }
}

static int handle(int file, unsigned events) {
    int from = ends[file].to;  // what was read from there waits for room here
    if (events & EPOLLOUT) {
        if (ends[from].unsent && put_rest(from)) return -1;
        if (ends[from].in_pipe && splice_on(from)) return -1;
    }
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)) || ends[file].unsent || ends[file].in_pipe) return 0;
    if (role == SPLICE) return splice_on(file);
    ssize_t length = recv(file, input, SIZE, 0);
    if (length == 0) return -1;
    if (length < 0) return errno == EAGAIN ? 0 : -1;
    return role == LINES ? answer_lines(file, input, length) : put(file, input, length);
}

static void datagrams(int file) {
    static char buffers[BATCH][2048];
    static struct sockaddr_in from[BATCH];
    static struct iovec parts[BATCH];
    static struct mmsghdr messages[BATCH];
    for (;;) {
        struct epoll_event event;
        epoll_wait(poller, &event, 1, -1);
        for (int i = 0; i < BATCH; i++) {
            parts[i] = (struct iovec){buffers[i], sizeof buffers[i]};
            messages[i].msg_hdr = (struct msghdr){
                .msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &parts[i], .msg_iovlen = 1};
        }
        int received = recvmmsg(file, messages, BATCH, 0, NULL);
        for (int i = 0; i < received; i++) parts[i].iov_len = messages[i].msg_len;
        if (received > 0) sendmmsg(file, messages, received, 0);
    }
}

int main(int argc, char **argv) {
    static const char *names[] = {"echo", "lines", "datagrams", "forward", "splice"};
    for (int i = 0; i < 5; i++)
        if (argc > 1 && !strcmp(argv[1], names[i])) role = i;
    if (argc > 2) {
        char *port = strchr(argv[2], ':');
        *port++ = 0;
        target = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(port))};
        inet_pton(AF_INET, argv[2], &target.sin_addr);
    }
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    poller = epoll_create1(0);
    int listener = socket(AF_INET, (role == DATAGRAMS ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    if (bind(listener, (void *)&address, length)) fail("bind");
    getsockname(listener, (void *)&address, &length);
    watch(EPOLL_CTL_ADD, listener, EPOLLIN);
    if (role != DATAGRAMS && listen(listener, 4096)) fail("listen");
    printf("ready 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    if (role == DATAGRAMS) datagrams(listener);
    struct epoll_event events[256];
    for (;;) {
        int ready = epoll_wait(poller, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            int file = events[i].data.fd;
            if (file == listener) accept_all(listener);
            else if (ends[file].to >= 0 && handle(file, events[i].events)) drop(file);
        }
    }
}
