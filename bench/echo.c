/*
 * bench-echo: what the kernel alone costs. A thread sends every datagram back, a client keeps some
 * in flight; no server on this machine's loopback can be cheaper, since it has to receive and send
 * as well. Batched as our server does it, and one by one as servers without recvmmsg do.
 *
 *     bench-echo [BYTES [SECONDS]]
 *
 * Prints key=value: echoes per second, and the server thread's CPU time per echo, for both.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH     64
#define IN_FLIGHT 200 /* as many as bench-blast keeps */
#define ROOM      2048

struct batch {
    char bytes[BATCH][ROOM];
    struct sockaddr_in from[BATCH];
    struct iovec v[BATCH];
    struct mmsghdr m[BATCH];
};

struct server {
    int fd;
    unsigned batch;
    atomic_bool stop;
    double cpu; /* seconds, told at the end */
};

static double seconds(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Makes n slots ready to receive; with their senders' addresses for a socket that answers. */
static void reset(struct batch *b, unsigned n, bool addresses)
{
    memset(b->m, 0, n * sizeof b->m[0]);
    for (unsigned i = 0; i < n; i++) {
        b->v[i] = (struct iovec){b->bytes[i], ROOM};
        b->m[i].msg_hdr.msg_iov = &b->v[i];
        b->m[i].msg_hdr.msg_iovlen = 1;
        if (addresses) {
            b->m[i].msg_hdr.msg_name = &b->from[i];
            b->m[i].msg_hdr.msg_namelen = sizeof b->from[i];
        }
    }
}

/* Sends the first n slots; loopback blocks rather than refuses. */
static void send_all(int fd, struct batch *b, unsigned n)
{
    for (unsigned sent = 0; sent < n;) {
        int did = sendmmsg(fd, b->m + sent, n - sent, 0);

        if (did <= 0)
            return;
        sent += (unsigned)did;
    }
}

static void *serve(void *arg)
{
    static struct batch b;
    struct server *s = arg;

    while (!atomic_load(&s->stop)) {
        int n;

        reset(&b, s->batch, true);
        n = recvmmsg(s->fd, b.m, s->batch, MSG_WAITFORONE, NULL);
        for (int i = 0; i < n; i++)
            b.v[i].iov_len = b.m[i].msg_len;
        if (n > 0)
            send_all(s->fd, &b, (unsigned)n);
    }
    s->cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
    return NULL;
}

/* A socket on loopback whose reads end after a fifth of a second; -1 when there is none. */
static int open_socket(struct sockaddr_in *own)
{
    struct timeval limit = {.tv_usec = 200000};
    socklen_t n = sizeof *own;
    int room = 4 << 20, fd = socket(AF_INET, SOCK_DGRAM, 0);

    *own = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || bind(fd, (struct sockaddr *)own, sizeof *own) != 0 ||
        getsockname(fd, (struct sockaddr *)own, &n) != 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

/* Keeps datagrams in flight for so long; how many came back. */
static uint64_t drive(int fd, size_t bytes, double length)
{
    static struct batch b;
    double end = seconds(CLOCK_MONOTONIC) + length;
    uint64_t echoes = 0;
    unsigned out = 0;

    while (seconds(CLOCK_MONOTONIC) < end) {
        unsigned want = IN_FLIGHT - out < BATCH ? IN_FLIGHT - out : BATCH;
        int n;

        reset(&b, BATCH, false);
        for (unsigned i = 0; i < want; i++)
            b.v[i].iov_len = bytes;
        send_all(fd, &b, want);
        out += want;
        reset(&b, BATCH, false);
        n = recvmmsg(fd, b.m, BATCH, MSG_WAITFORONE, NULL);
        if (n > 0)
            echoes += (unsigned)n;
        out = n > 0 ? out - (unsigned)n : 0; /* nothing for so long: they are lost */
    }
    return echoes;
}

/* One measurement; false when there is no socket or thread. */
static bool measure(const char *name, unsigned batch, size_t bytes, double length)
{
    struct sockaddr_in at, own;
    struct server s = {.fd = open_socket(&at), .batch = batch};
    int client = open_socket(&own);
    pthread_t thread;
    uint64_t echoes;

    if (s.fd < 0 || client < 0 || connect(client, (struct sockaddr *)&at, sizeof at) != 0 ||
        pthread_create(&thread, NULL, serve, &s) != 0)
        return false;
    echoes = drive(client, bytes, length);
    atomic_store(&s.stop, true);
    pthread_join(thread, NULL);
    close(client);
    close(s.fd);
    printf("%s_per_s=%.0f %s_us=%.3f ", name, (double)echoes / length, name,
           echoes ? s.cpu * 1e6 / (double)echoes : 0);
    return echoes > 0;
}

int main(int argc, char **argv)
{
    unsigned long bytes = argc > 1 ? strtoul(argv[1], NULL, 10) : 450;
    double length = argc > 2 ? strtod(argv[2], NULL) : 2;

    if (bytes < 1 || bytes > ROOM || !(length > 0) || argc > 3) {
        fprintf(stderr, "usage: bench-echo [BYTES [SECONDS]], with 1 to %d bytes\n", ROOM);
        return 2;
    }
    if (!measure("batched", BATCH, bytes, length) || !measure("single", 1, bytes, length)) {
        fprintf(stderr, "bench-echo: no socket, no thread, or no answer on 127.0.0.1\n");
        return 1;
    }
    putchar('\n');
    return 0;
}
