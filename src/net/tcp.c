/*
 * The life of connections in one worker. A connection is named by its flow id
 * above and by a pool handle in epoll; both stop working the moment it ends.
 * Its memory goes at the beginning of the next round, because messages that
 * were handed out may still point into it.
 *
 * Every time-out is a field of the connection, and one timer holds the
 * earliest. A deadline that moves later (with each message, the idle time)
 * leaves the timer where it is; when it fires too early it is set again.
 */
#include "net/tcp.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

/* How long a reply to a message that broke the framing may take. */
#define REPLY_TIME (2 * OH__SEC)

/* How long the peer may take to close after we have. */
#define LINGER_TIME (2 * OH__SEC)

int oh__tcp_new(struct oh__net *net, struct oh__tcp **out)
{
    const struct oh__net_options *o = net->options;
    const struct oh_alloc *heap = oh_alloc_default();
    struct oh__tcp *tcp = oh_alloc_zero(heap, 1, sizeof(*tcp));
    uint32_t buckets = 64;
    int rc = OH_OK;

    if (!tcp)
        return OH_E_NOMEM;
    /* Connections spread over the workers, though not evenly: longer chains do no harm. */
    while (buckets < o->connections_max / o->workers)
        buckets *= 2;
    tcp->net = net;
    tcp->ids_mask = buckets - 1;
    /* The largest message and the beginning of the next, so that reading goes on while one waits.
     */
    tcp->rx_most = o->stream_limits.message + 4096;
    tcp->resume.kind = OH__ALARM_LISTENERS;
    tcp->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    tcp->ids = oh_alloc_zero(heap, buckets, sizeof(struct oh__conn *));
    tcp->pool = oh__pool_new(heap, sizeof(struct oh__conn), o->connections_max, OH__TAG_CONN);
    if (!tcp->ids || !tcp->pool)
        rc = OH_E_NOMEM;
    for (unsigned i = 0; rc == OH_OK && i < o->listeners_n; i++) {
        if (o->listeners[i].transport == OH_TRANSPORT_TCP)
            rc = oh__loop_add(net, net->shared->fds[i][net->worker], EPOLLIN,
                              oh__tagged(OH__TAG_LISTEN, i));
    }
    if (rc != OH_OK) {
        oh__tcp_free(tcp);
        return rc;
    }
    *out = tcp;
    return OH_OK;
}

static void free_rx(struct oh__tcp *tcp, struct oh__conn *c)
{
    if (c->rx.p)
        oh__blocks_give(tcp->net->blocks, c->rx.p, c->rx.cap);
    memset(&c->rx, 0, sizeof(c->rx));
}

/* Memory of connections that ended in the last round: nobody holds a message of theirs any more. */
static void bury(struct oh__tcp *tcp)
{
    struct oh__conn *c;

    while ((c = tcp->graves) != NULL) {
        tcp->graves = c->next_grave;
        free_rx(tcp, c);
        oh__pool_give(tcp->pool, c->handle);
    }
}

void oh__tcp_free(struct oh__tcp *tcp)
{
    const struct oh_alloc *heap = oh_alloc_default();
    struct oh__conn *c;
    uint32_t cursor = 0;
    uint64_t handle;

    if (!tcp)
        return;
    while (tcp->pool && (c = oh__pool_next(tcp->pool, &cursor, &handle)) != NULL) {
        if (c->state != OH__CONN_DEAD)
            oh__conn_kill(tcp, c, OH_E_IO);
    }
    bury(tcp);
    oh__wheel_clear(tcp->net->wheel, &tcp->resume.timer);
    oh__pool_free(tcp->pool);
    oh_free(heap, tcp->ids, ((size_t)tcp->ids_mask + 1) * sizeof(struct oh__conn *));
    if (tcp->spare >= 0)
        close(tcp->spare);
    oh_free(heap, tcp, sizeof(*tcp));
}

static struct oh__conn **bucket_of(const struct oh__tcp *tcp, uint64_t id)
{
    /* The sequence number alone spreads perfectly, and nobody outside chooses it. */
    return &tcp->ids[(uint32_t)(id >> OH__WORKER_BITS) & tcp->ids_mask];
}

struct oh__conn *oh__conn_new(struct oh__tcp *tcp, int fd, const struct oh__conn_name *name,
                              const struct oh_flow *flow, enum oh__conn_state state)
{
    struct oh__net *net = tcp->net;
    uint64_t handle;
    struct oh__conn *c = oh__pool_take(tcp->pool, &handle);
    struct oh__conn **bucket = bucket_of(tcp, name->id);

    if (!c)
        return NULL;
    c->alarm.kind = OH__ALARM_CONN;
    c->handle = handle;
    c->entry = name->entry;
    c->fd = fd;
    c->state = state;
    c->flow = *flow;
    c->flow.id = name->id;
    c->active = net->now;
    c->message_at = c->stall_at = c->state_at = OH__NEVER;
    c->events = state == OH__CONN_CONNECTING ? EPOLLOUT : EPOLLIN;
    if (oh__loop_add(net, fd, c->events, handle) != OH_OK) {
        oh__pool_give(tcp->pool, handle);
        return NULL;
    }
    c->by_id = *bucket;
    *bucket = c;
    atomic_fetch_add_explicit(&net->counters.connections, 1, memory_order_relaxed);
    return c;
}

struct oh__conn *oh__conn_find(const struct oh__tcp *tcp, uint64_t id)
{
    struct oh__conn *c = *bucket_of(tcp, id);

    while (c && c->flow.id != id)
        c = c->by_id;
    return c;
}

void oh__conn_enqueue(struct oh__conn_queue *q, struct oh__conn *c)
{
    if (c->is_ready)
        return;
    c->is_ready = true;
    c->next_ready = NULL;
    if (q->tail)
        q->tail->next_ready = c;
    else
        q->head = c;
    q->tail = c;
}

void oh__conn_use(struct oh__tcp *tcp, struct oh__conn *c)
{
    if (c->is_used)
        return;
    c->is_used = true;
    c->next_used = tcp->used;
    tcp->used = c;
}

void oh__conn_interest(struct oh__tcp *tcp, struct oh__conn *c)
{
    uint32_t events = 0;

    if (c->state == OH__CONN_LINGER || (c->state == OH__CONN_OPEN && !c->has_ended))
        events |= EPOLLIN;
    if (c->state == OH__CONN_CONNECTING || c->tx.head)
        events |= EPOLLOUT;
    if (events == c->events)
        return;
    c->events = events;
    oh__loop_change(tcp->net, c->fd, events, c->handle);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Registered flows have no end of their own: a phone behind NAT is reached by no other way (RFC
 * 5626). The kernel's keep-alive finds those whose peer has gone. */
static uint64_t idle_at(const struct oh__tcp *tcp, const struct oh__conn *c)
{
    if (c->state != OH__CONN_OPEN || c->is_kept)
        return OH__NEVER;
    return c->active + tcp->net->options->idle_timeout;
}

void oh__conn_arm(struct oh__tcp *tcp, struct oh__conn *c)
{
    uint64_t at = earlier(earlier(c->message_at, c->stall_at),
                          earlier(c->state_at, idle_at(tcp, c)));

    /* Never later, see above: the timer finds out for itself that it came too early. */
    if (at != OH__NEVER && (!oh__timer_armed(&c->alarm.timer) || at < c->alarm.timer.at))
        oh__wheel_set(tcp->net->wheel, &c->alarm.timer, at);
}

/*
 * Tells the user, once, that the id leads nowhere any more. Above, this is dear: every shard is
 * asked whether it waits for something on the stream. So it is not told of connections that nobody
 * can wait for, which are those that a stranger opens and closes as fast as he can.
 */
static void tell_closed(struct oh__tcp *tcp, struct oh__conn *c)
{
    if (c->is_told && c->is_watched)
        oh__notify(tcp->net, &(struct oh__notice){.kind = OH__NET_CLOSED, .flow = c->flow});
    c->is_told = false;
}

/* Nobody finds the connection by id or by peer from now on. */
static void leave_tables(struct oh__tcp *tcp, struct oh__conn *c)
{
    struct oh__conn **link = bucket_of(tcp, c->flow.id);

    while (*link && *link != c)
        link = &(*link)->by_id;
    if (*link)
        *link = c->by_id;
    oh__conns_leave(tcp->net->shared->conns, c->entry);
}

void oh__conn_kill(struct oh__tcp *tcp, struct oh__conn *c, int result)
{
    if (c->state == OH__CONN_DEAD)
        return;
    /* The state first: what follows may come back here. */
    c->state = OH__CONN_DEAD;
    leave_tables(tcp, c);
    oh__loop_remove(tcp->net, c->fd);
    close(c->fd);
    oh__wheel_clear(tcp->net->wheel, &c->alarm.timer);
    oh__conn_drop_chunks(tcp, c, result);
    tell_closed(tcp, c);
    c->next_grave = tcp->graves;
    tcp->graves = c;
    atomic_fetch_sub_explicit(&tcp->net->counters.connections, 1, memory_order_relaxed);
}

void oh__conn_doom(struct oh__tcp *tcp, struct oh__conn *c)
{
    c->state = OH__CONN_DOOMED;
    c->message_at = OH__NEVER;
    c->state_at = tcp->net->now + REPLY_TIME;
    c->has_replied = false;
    oh__conns_hide(tcp->net->shared->conns, c->entry);
    oh__count(&tcp->net->counters.framing_closed, 1);
    oh__conn_interest(tcp, c);
    oh__conn_arm(tcp, c);
    oh__conn_use(tcp, c);
}

void oh__conn_linger(struct oh__tcp *tcp, struct oh__conn *c)
{
    /* Closing with bytes unread would make the kernel send a reset, which may overtake our reply.
     */
    if (shutdown(c->fd, SHUT_WR) != 0) {
        oh__conn_kill(tcp, c, OH_E_IO);
        return;
    }
    c->state = OH__CONN_LINGER;
    c->state_at = tcp->net->now + LINGER_TIME;
    c->stall_at = OH__NEVER;
    oh__conn_interest(tcp, c);
    oh__conn_arm(tcp, c);
    tell_closed(tcp, c);
}

/* What a connection that was used in the last round leaves to be done. */
static void settle(struct oh__tcp *tcp, struct oh__conn *c)
{
    if (c->state == OH__CONN_DEAD)
        return;
    if (c->state == OH__CONN_DOOMED && c->has_replied && !c->tx.head)
        oh__conn_linger(tcp, c);
    /* An idle connection holds no buffer. What is known of blanks between messages has to stay. */
    if (c->rx.at == c->rx.n && c->rx.p) {
        unsigned blanks = c->rx.blanks;

        free_rx(tcp, c);
        c->rx.blanks = blanks;
    }
}

/* Moves the living from one queue to the end of another and gives them a new share. */
static void carry_over(struct oh__conn_queue *from, struct oh__conn_queue *to)
{
    struct oh__conn *c = from->head;
    struct oh__conn *next;

    *from = (struct oh__conn_queue){0};
    for (; c; c = next) {
        next = c->next_ready;
        c->is_ready = false;
        if (c->state == OH__CONN_OPEN)
            oh__conn_enqueue(to, c);
        c->budget = OH__ROUND_MESSAGES;
    }
}

/* Once a second: buffers of a crowd that has gone go back to the heap. */
static void rest(struct oh__tcp *tcp)
{
    if (tcp->net->now - tcp->rested_at < OH__SEC)
        return;
    tcp->rested_at = tcp->net->now;
    oh__blocks_relax(tcp->net->blocks);
    oh__pool_relax(tcp->pool);
}

void oh__tcp_begin(struct oh__tcp *tcp)
{
    struct oh__conn_queue all = {0};
    struct oh__conn *c;

    while ((c = tcp->used) != NULL) {
        tcp->used = c->next_used;
        c->is_used = false;
        settle(tcp, c);
    }
    carry_over(&tcp->ready, &all);
    carry_over(&tcp->later, &all);
    tcp->ready = all;
    bury(tcp);
    rest(tcp);
}

uint64_t oh__tcp_rest_at(const struct oh__tcp *tcp)
{
    size_t used, idle;

    oh__blocks_stats(tcp->net->blocks, &used, &idle);
    return idle ? tcp->rested_at + OH__SEC : OH__NEVER;
}

bool oh__tcp_pending(const struct oh__tcp *tcp)
{
    return tcp->ready.head || tcp->later.head;
}

void oh__tcp_ready(struct oh__tcp *tcp, uint64_t handle, uint32_t events)
{
    struct oh__conn *c = oh__pool_get(tcp->pool, handle);

    if (!c)
        return;
    switch (c->state) {
    case OH__CONN_CONNECTING: oh__conn_connected(tcp, c); break;
    case OH__CONN_OPEN:
        if (events & EPOLLOUT)
            oh__conn_flush(tcp, c);
        if (c->state == OH__CONN_OPEN && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            oh__conn_read(tcp, c);
        break;
    case OH__CONN_DOOMED:
        if (events & (EPOLLHUP | EPOLLERR))
            oh__conn_kill(tcp, c, OH_E_IO);
        else if (events & EPOLLOUT)
            oh__conn_flush(tcp, c);
        break;
    case OH__CONN_LINGER: oh__conn_discard(tcp, c); break;
    case OH__CONN_DEAD: break;
    }
}

void oh__tcp_expire(struct oh__tcp *tcp, struct oh__alarm *alarm)
{
    struct oh__conn *c = OH__CONTAINER(alarm, struct oh__conn, alarm);
    uint64_t now = tcp->net->now;

    if (c->state_at <= now && c->state == OH__CONN_DOOMED) {
        /* Nobody has replied: there was nobody to reply to. */
        oh__conn_drop_chunks(tcp, c, OH_E_IO);
        oh__conn_linger(tcp, c);
    } else if (c->state_at <= now) {
        oh__conn_kill(tcp, c, OH_E_TIMEOUT);
    } else if (c->message_at <= now || c->stall_at <= now) {
        oh__count(&tcp->net->counters.slow_peers_closed, 1);
        oh__conn_kill(tcp, c, OH_E_TIMEOUT);
    } else if (idle_at(tcp, c) <= now) {
        oh__count(&tcp->net->counters.idle_closed, 1);
        oh__conn_kill(tcp, c, OH_E_TIMEOUT);
    } else {
        oh__conn_arm(tcp, c);
    }
}

void oh__tcp_keep(struct oh__tcp *tcp, const struct oh_flow *flow, bool keep)
{
    struct oh__conn *c = oh__conn_find(tcp, flow->id);

    /* It may have ended, untold, between the message and the decision to keep it. */
    if (keep && (!c || !c->is_told))
        oh__notify(tcp->net, &(struct oh__notice){.kind = OH__NET_CLOSED, .flow = *flow});
    if (!c)
        return;
    if (keep)
        c->is_watched = true;
    /* The idle time begins now, not when the last message came. */
    c->is_kept = keep;
    c->active = tcp->net->now;
    oh__conn_arm(tcp, c);
}
