/*
 * Accepting, and not being talked to death by it. There is a bound for all
 * connections and one for each source; beyond them a connection is taken and
 * closed at once, because one that stays in the kernel's queue keeps the
 * listener ready and would make the loop spin. When the process has run out of
 * descriptors, accepting rests for a moment, and those who are connected are
 * served meanwhile.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "net/tcp.h"

/* Connections accepted from one listener per round; the rest waits in the kernel. */
#define ACCEPTS 64

/* How long accepting rests when the process or the kernel has run out of something. */
#define PAUSE (100 * OH__MS)

/* Starts or stops waiting for connections on all listeners. */
static void listen_for(struct oh__tcp *tcp, uint32_t events)
{
    const struct oh__net *net = tcp->net;

    for (unsigned i = 0; i < net->options->listeners_n; i++) {
        int fd = net->shared->fds[i][net->worker];

        if (net->options->listeners[i].transport == OH_TRANSPORT_TCP && fd >= 0)
            oh__loop_change(tcp->net, fd, events, oh__tagged(OH__TAG_LISTEN, i));
    }
}

static void pause_accepting(struct oh__tcp *tcp)
{
    listen_for(tcp, 0);
    oh__wheel_set(tcp->net->wheel, &tcp->resume.timer, tcp->net->now + PAUSE);
}

void oh__tcp_resume(struct oh__tcp *tcp)
{
    if (tcp->spare < 0)
        tcp->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    listen_for(tcp, EPOLLIN);
}

/*
 * No descriptors are left. A connection that is not accepted would keep the
 * listener ready and the loop spinning, so a descriptor kept for this purpose
 * is given up to accept and close it. Returns false when that fails too.
 */
static bool shed(struct oh__tcp *tcp, int listener)
{
    int fd;

    if (tcp->spare < 0)
        return false;
    close(tcp->spare);
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        close(fd);
        oh__count(&tcp->net->counters.connections_refused_limit, 1);
    }
    tcp->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd >= 0;
}

static void refused(struct oh__tcp *tcp, int fd, int why)
{
    struct oh__counters *n = &tcp->net->counters;

    close(fd);
    oh__count(why == OH_E_LIMIT ? &n->connections_refused_source : &n->connections_refused_limit,
              1);
}

/* Makes an accepted descriptor a connection, if the limits allow. */
static void admit(struct oh__tcp *tcp, unsigned listener, int fd, const struct oh_addr *peer)
{
    struct oh__net *net = tcp->net;
    struct oh_flow flow = {
        .peer = *peer, .listener = (uint16_t)listener, .transport = OH_TRANSPORT_TCP};
    union oh__sockaddr local = {.sa.sa_family = AF_UNSPEC};
    socklen_t n = sizeof(local);
    struct oh__conn_name name;
    struct oh__conn *c;
    int rc = oh__conns_accept(net->shared->conns, net->worker, OH_TRANSPORT_TCP, peer, &name);

    if (rc != OH_OK) {
        refused(tcp, fd, rc);
        return;
    }
    if (getsockname(fd, &local.sa, &n) == 0)
        flow.local = oh__addr_of(&local);
    c = oh__conn_new(tcp, fd, &name, &flow, OH__CONN_OPEN);
    if (!c) {
        oh__conns_leave(net->shared->conns, name.entry);
        refused(tcp, fd, OH_E_NOMEM);
        return;
    }
    c->is_accepted = true;
    c->is_told = true;
    oh__count(&net->counters.connections_accepted, 1);
    oh__conn_arm(tcp, c);
}

/* True when accept's error concerned one connection only, and the next call may succeed. */
static bool is_passing(int error)
{
    return error == EINTR || error == ECONNABORTED || error == EPROTO || error == EPERM;
}

void oh__tcp_accept(struct oh__tcp *tcp, unsigned listener)
{
    int from = tcp->net->shared->fds[listener][tcp->net->worker];

    for (unsigned i = 0; from >= 0 && i < ACCEPTS; i++) {
        union oh__sockaddr sa = {.sa.sa_family = AF_UNSPEC};
        socklen_t n = sizeof(sa);
        int fd = accept4(from, &sa.sa, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct oh_addr peer;

        if (fd >= 0) {
            peer = oh__addr_of(&sa);
            admit(tcp, listener, fd, &peer);
        } else if (errno == EAGAIN) {
            return;
        } else if (errno == EMFILE || errno == ENFILE) {
            if (!shed(tcp, from)) {
                pause_accepting(tcp);
                return;
            }
        } else if (!is_passing(errno)) {
            pause_accepting(tcp);
            return;
        }
    }
}

void oh__tcp_stop_accepting(struct oh__tcp *tcp)
{
    struct oh__net *net = tcp->net;

    oh__wheel_clear(net->wheel, &tcp->resume.timer);
    for (unsigned i = 0; i < net->options->listeners_n; i++) {
        int *fd = &net->shared->fds[i][net->worker];

        if (net->options->listeners[i].transport != OH_TRANSPORT_TCP || *fd < 0)
            continue;
        /* These have been told by the kernel that they are connected; closing would reset them. */
        oh__tcp_accept(tcp, i);
        oh__loop_remove(net, *fd);
        close(*fd);
        *fd = -1;
    }
    oh__wheel_clear(net->wheel, &tcp->resume.timer);
}
