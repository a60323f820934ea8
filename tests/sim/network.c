/*
 * The network. What is under way lies in a heap ordered by the time of arrival
 * and, within one moment, by the order of sending: so without faults nothing
 * overtakes anything, and with them the same seed gives the same order again.
 */
#include "parts.h"

#include "invariants.h"

/* ---- the heap ---- */

static bool before(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}

static void swap(struct event *a, struct event *b)
{
    struct event t = *a;

    *a = *b;
    *b = t;
}

/* Puts an event at its place, with the number that it has. */
static void put(struct world *w, const struct event *e)
{
    struct network *net = &w->network;
    size_t i = net->n++;

    if (net->n > net->cap) {
        net->cap = net->n * 2;
        net->heap = world_grow(net->heap, net->cap * sizeof *net->heap);
    }
    net->heap[i] = *e;
    for (; i && before(&net->heap[i], &net->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&net->heap[i], &net->heap[(i - 1) / 2]);
}

static void push(struct world *w, const struct event *e)
{
    struct event numbered = *e;

    numbered.seq = ++w->network.seq;
    put(w, &numbered);
}

static struct event pop(struct network *net)
{
    struct event first = net->heap[0];
    size_t i = 0;

    net->heap[0] = net->heap[--net->n];
    for (;;) {
        size_t least = i;

        for (size_t child = 2 * i + 1; child <= 2 * i + 2; child++)
            if (child < net->n && before(&net->heap[child], &net->heap[least]))
                least = child;
        if (least == i)
            return first;
        swap(&net->heap[i], &net->heap[least]);
        i = least;
    }
}

uint64_t network_deadline(const struct world *w)
{
    return w->network.n ? w->network.heap[0].at : OH_NEVER;
}

unsigned network_busy(const struct world *w)
{
    unsigned n = 0;

    for (size_t i = 0; i < w->network.n; i++)
        n += w->network.heap[i].kind <= EVENT_STREAM;
    return n;
}

/* ---- how it behaves ---- */

void network_faults(struct world *w, const struct network_faults *faults)
{
    w->network.faults = *faults;
}

void network_filter(struct world *w,
                    bool (*lose)(void *ctx, bool to_server, const struct oh_addr *peer,
                                 struct oh_span bytes),
                    void *ctx)
{
    w->network.lose = lose;
    w->network.lose_ctx = ctx;
}

static struct oh_addr address(struct world *w, const char *text)
{
    struct oh_addr a;

    if (oh_addr_parse_port(oh_span_str(text), &a) != OH_OK)
        world_fail(w, "the test names no address: %s", text);
    return a;
}

void network_refuse(struct world *w, const char *text)
{
    struct network *net = &w->network;

    CHECK(w, net->refused_n < sizeof net->refused / sizeof *net->refused);
    net->refused[net->refused_n++] = address(w, text);
}

void network_allow(struct world *w, const char *text)
{
    struct network *net = &w->network;
    struct oh_addr a = address(w, text);

    for (unsigned i = net->refused_n; i-- > 0;)
        if (oh_addr_eq(&net->refused[i], &a))
            net->refused[i] = net->refused[--net->refused_n];
}

static bool refuses(const struct world *w, const struct oh_addr *a)
{
    for (unsigned i = 0; i < w->network.refused_n; i++)
        if (oh_addr_eq(&w->network.refused[i], a))
            return true;
    return false;
}

void network_closed(struct world *w, bool closed)
{
    w->network.closed = closed;
}

/* Somebody lives there, or did; a wrong port of his host is his own doing. */
static bool is_known(struct world *w, const struct oh_addr *a)
{
    for (struct peer *p = w->peers; p; p = p->next)
        if (oh_addr_same_host(&p->addr, a))
            return true;
    return refuses(w, a);
}

static uint64_t delay(struct world *w)
{
    const struct network_faults *f = &w->network.faults;

    if (f->delay_max <= f->delay_min)
        return f->delay_min * WORLD_MS;
    /* In microseconds, so that moments differ. */
    return (f->delay_min * UINT64_C(1000) +
            world_random(w, (f->delay_max - f->delay_min) * UINT64_C(1000))) *
           1000;
}

static char *copy(struct oh_span bytes)
{
    /* Of the exact size, so that a read beyond the end is found out. */
    char *p = world_grow(NULL, bytes.n ? bytes.n : 1);

    if (bytes.n)
        memcpy(p, bytes.p, bytes.n);
    return p;
}

/* ---- datagrams ---- */

/* Spoils some bytes; true when it did. */
static bool damage(struct world *w, char *p, size_t n)
{
    if (!world_chance(w, w->network.faults.damage))
        return false;
    for (uint64_t i = 0; i <= world_random(w, 3); i++) {
        size_t at = world_random(w, n);

        if (world_chance(w, 50))
            p[at] = (char)(p[at] ^ (1 << world_random(w, 8)));
        else
            p[at] = (char)world_random(w, 256);
    }
    return true;
}

static void put_datagram(struct world *w, bool to_server, const struct oh_flow *flow,
                         struct oh_span bytes)
{
    const struct network_faults *f = &w->network.faults;
    struct event e = {.at = w->now + delay(w),
                      .kind = EVENT_DATAGRAM,
                      .to_server = to_server,
                      .flow = *flow,
                      .bytes = copy(bytes),
                      .n = bytes.n};

    if (world_chance(w, f->late))
        e.at += world_random(w, f->late_max) * WORLD_MS;
    if (f->damage && damage(w, e.bytes, e.n)) {
        if (world_chance(w, 10))
            e.n = world_random(w, e.n + 1);
        ladder_message(w, to_server, &flow->peer, oh_span(e.bytes, e.n), "DAMAGED");
    }
    push(w, &e);
}

static void datagram(struct world *w, bool to_server, const struct oh_flow *flow,
                     struct oh_span bytes)
{
    struct network *net = &w->network;
    bool lost = net->lose && net->lose(net->lose_ctx, to_server, &flow->peer, bytes);

    if (lost || world_chance(w, net->faults.loss)) {
        ladder_message(w, to_server, &flow->peer, bytes, "LOST");
        return;
    }
    bool twice = world_chance(w, net->faults.repeat);

    ladder_message(w, to_server, &flow->peer, bytes, twice ? "TWICE" : "");
    put_datagram(w, to_server, flow, bytes);
    if (twice)
        put_datagram(w, to_server, flow, bytes);
}

/* ---- streams ---- */

/* The first listener with this transport and the peer's family. */
static struct oh_flow flow_to(struct world *w, uint8_t transport, const struct oh_addr *peer)
{
    const struct oh__settings *settings = server_settings(w);
    struct oh_flow flow = {.transport = transport, .peer = *peer};

    for (unsigned i = 0; i < settings->listeners_n; i++) {
        const struct oh__settings_listener *l = &settings->listeners[i];

        if (l->transport != transport || l->addr.family != peer->family)
            continue;
        flow.listener = (uint16_t)i;
        flow.local = l->addr;
        if (oh_addr_is_any(&l->addr)) {
            flow.local = address(w, peer->family == OH_FAMILY_IPV6 ? WORLD_SERVER6 : WORLD_SERVER);
            flow.local.port = l->addr.port;
        }
        return flow;
    }
    world_fail(w, "the server has no listener for this peer");
}

static struct conn *conn_of(struct world *w, uint64_t id)
{
    for (struct conn *c = w->network.conns; c; c = c->next)
        if (c->id == id)
            return c;
    return NULL;
}

struct conn *network_open(struct world *w, struct peer *p, bool by_server)
{
    struct conn *c = world_keep(w, sizeof *c);

    c->id = ++w->network.conns_n;
    c->peer = p;
    c->flow = flow_to(w, OH_TRANSPORT_TCP, &p->addr);
    c->flow.id = c->id;
    /* Who opens a connection does it from a port of the moment. */
    if (!by_server)
        c->flow.peer.port = (uint16_t)(40000 + p->ports++);
    c->open = true;
    c->next = w->network.conns;
    w->network.conns = c;
    p->conn = c;
    return c;
}

/* Puts bytes, or the end (n == 0), behind what is under way in this direction. */
static void put_stream(struct world *w, struct conn *c, bool to_server, struct oh_span bytes)
{
    uint64_t *last = to_server ? &c->to_server_at : &c->to_peer_at;
    uint64_t at = w->now + delay(w);

    *last = at > *last ? at : *last;
    push(w, &(struct event){.at = *last,
                            .kind = bytes.n ? EVENT_STREAM : EVENT_CLOSE,
                            .to_server = to_server,
                            .flow = c->flow,
                            .conn = c->id,
                            .bytes = copy(bytes),
                            .n = bytes.n});
}

/* Some of a message comes through, then the connection is gone for both. */
static void break_stream(struct world *w, struct conn *c, bool to_server, struct oh_span bytes)
{
    ladder_message(w, to_server, &c->peer->addr, bytes, "BROKEN");
    c->broken = true;
    if (bytes.n > 1)
        put_stream(w, c, to_server, oh_span_head(bytes, 1 + world_random(w, bytes.n - 1)));
    push(w, &(struct event){.at = to_server ? c->to_server_at : c->to_peer_at,
                            .kind = EVENT_BREAK,
                            .flow = c->flow,
                            .conn = c->id});
}

static void stream(struct world *w, struct conn *c, bool to_server, struct oh_span bytes)
{
    const struct network_faults *f = &w->network.faults;

    if (c->broken)
        return;
    if (world_chance(w, f->breaks)) {
        break_stream(w, c, to_server, bytes);
        return;
    }
    ladder_message(w, to_server, &c->peer->addr, bytes, "stream");
    while (bytes.n) {
        size_t n = f->one_by_one ? 1 : f->pieces_max ? 1 + world_random(w, f->pieces_max) : bytes.n;

        n = n < bytes.n ? n : bytes.n;
        put_stream(w, c, to_server, oh_span_head(bytes, n));
        bytes = oh_span_from(bytes, n);
    }
}

void network_close(struct world *w, struct conn *c, bool by_server)
{
    if (!c->open)
        return;
    c->open = false;
    if (c->peer->conn == c)
        c->peer->conn = NULL;
    world_note(w, "%s ends the stream of %s", by_server ? "the server" : "the peer", c->peer->name);
    put_stream(w, c, !by_server, oh_span("", 0));
}

void network_server_died(struct world *w)
{
    for (struct conn *c = w->network.conns; c; c = c->next)
        network_close(w, c, true);
}

/* ---- sending ---- */

void network_to_server(struct world *w, struct peer *p, struct oh_span bytes)
{
    struct oh_flow flow;

    if (p->silent || bytes.n == 0)
        return;
    if (p->conn) {
        stream(w, p->conn, true, bytes);
        return;
    }
    flow = flow_to(w, OH_TRANSPORT_UDP, &p->addr);
    datagram(w, true, &flow, bytes);
}

static void send_failed(struct world *w, const struct oh_flow *flow, uint64_t ticket)
{
    if (ticket)
        push(w, &(struct event){.at = w->now + delay(w),
                                .kind = EVENT_ANSWER,
                                .flow = *flow,
                                .ticket = ticket,
                                .worker = w->server.at_work,
                                .life = w->server.life,
                                .result = OH_E_IO});
}

/* The stream that the server means: a connection it knows, or one to be found or opened. */
static struct conn *stream_for(struct world *w, const struct oh_flow *flow)
{
    struct conn *c = flow->id ? conn_of(w, flow->id) : NULL;
    struct peer *p;

    if (flow->id)
        return c && c->open ? c : NULL;
    for (c = w->network.conns; c; c = c->next)
        if (c->open && oh_addr_eq(&c->flow.peer, &flow->peer))
            return c;
    p = peer_at(w, &flow->peer);
    return p && !p->silent && !refuses(w, &flow->peer) ? network_open(w, p, true) : NULL;
}

void network_from_server(struct world *w, const struct oh_flow *flow, struct oh_span bytes,
                         uint64_t ticket)
{
    struct conn *c;

    if (w->network.closed && !is_known(w, &flow->peer)) {
        ladder_message(w, false, &flow->peer, bytes, "OUTSIDE");
        world_fail(w, "the server sent a message to a stranger");
    }
    if (!oh_transport_reliable(flow->transport)) {
        if (refuses(w, &flow->peer)) {
            ladder_message(w, false, &flow->peer, bytes, "REFUSED");
            send_failed(w, flow, ticket);
            return;
        }
        datagram(w, false, flow, bytes);
        return;
    }
    c = stream_for(w, flow);
    if (c) {
        stream(w, c, false, bytes);
        return;
    }
    ladder_message(w, false, &flow->peer, bytes, "REFUSED");
    send_failed(w, flow, ticket);
}

/* ---- names ---- */

void network_name(struct world *w, const char *host, const char *addresses)
{
    struct name *n = world_keep(w, sizeof *n);
    struct oh_span rest = oh_span_str(addresses);

    CHECK(w, strlen(host) < sizeof n->host);
    memcpy(n->host, host, strlen(host) + 1);
    n->mute = addresses == NULL;
    while ((rest = oh_span_trim(rest)).n && n->n < 8) {
        ptrdiff_t end = oh_span_find(rest, ' ');
        size_t len = end < 0 ? rest.n : (size_t)end;

        CHECK(w, oh_addr_parse(oh_span_head(rest, len), &n->addrs[n->n]) == OH_OK);
        n->n++;
        rest = oh_span_from(rest, len);
    }
    /* The newest is found first. */
    n->next = w->network.names;
    w->network.names = n;
}

void network_resolve(struct world *w, struct oh_span host, uint64_t ticket)
{
    struct event e = {.at = w->now + delay(w),
                      .kind = EVENT_ANSWER,
                      .ticket = ticket,
                      .worker = w->server.at_work,
                      .life = w->server.life,
                      .result = OH_E_NOTFOUND};

    world_note(w, "the server looks up %.*s", OH_PRI(host));
    for (const struct name *n = w->network.names; n; n = n->next) {
        if (!oh_span_ieq(oh_span_str(n->host), host))
            continue;
        e.result = n->mute ? OH_E_TIMEOUT : n->n ? OH_OK : OH_E_NOTFOUND;
        e.at += n->mute ? 5 * WORLD_SECOND : 0;
        e.addrs_n = n->n;
        memcpy(e.addrs, n->addrs, sizeof e.addrs);
        break;
    }
    push(w, &e);
}

/* ---- arriving ---- */

static void append(struct world_text *t, const char *p, size_t n)
{
    if (t->n + n + 1 > t->cap) {
        t->cap = (t->n + n + 1) * 2;
        t->p = world_grow(t->p, t->cap);
    }
    memcpy(t->p + t->n, p, n);
    t->n += n;
}

static void arrive_datagram(struct world *w, const struct event *e)
{
    struct peer *p;

    if (e->to_server) {
        server_datagram(w, &e->flow, oh_span(e->bytes, e->n));
        return;
    }
    p = peer_at(w, &e->flow.peer);
    if (p) {
        struct oh_flow flow = {
            .local = e->flow.peer, .peer = e->flow.local, .transport = e->flow.transport};

        peer_receive(p, &flow, oh_span(e->bytes, e->n));
    }
}

static void arrive_stream(struct world *w, const struct event *e)
{
    struct conn *c = conn_of(w, e->conn);

    if (e->to_server && c->open) {
        append(&c->to_server, e->bytes, e->n);
        server_stream(w, c);
    } else if (!e->to_server) {
        append(&c->to_peer, e->bytes, e->n);
        peer_stream(c->peer, c);
    }
}

static void arrive(struct world *w, const struct event *e)
{
    struct conn *c;

    switch (e->kind) {
    case EVENT_DATAGRAM: arrive_datagram(w, e); break;
    case EVENT_STREAM: arrive_stream(w, e); break;
    case EVENT_CLOSE:
        c = conn_of(w, e->conn);
        if (e->to_server)
            server_closed(w, &c->flow);
        else if (c->peer->ops && c->peer->ops->closed)
            c->peer->ops->closed(c->peer->self);
        break;
    case EVENT_BREAK:
        c = conn_of(w, e->conn);
        if (!c->open)
            break;
        network_close(w, c, false);
        if (c->peer->ops && c->peer->ops->closed)
            c->peer->ops->closed(c->peer->self);
        break;
    case EVENT_ANSWER:
        if (e->life == w->server.life)
            server_answer(w, e);
        break;
    }
}

bool network_step(struct world *w)
{
    struct network *net = &w->network;
    struct event e;

    if (net->n == 0 || net->heap[0].at > w->now)
        return false;
    e = pop(net);
    if (server_waits(w, &e)) {
        put(w, &e);
        return true;
    }
    /* world_fail may leave from in here: the network remembers what is to be freed. */
    free(net->arriving);
    net->arriving = e.bytes;
    arrive(w, &e);
    return true;
}

void network_done(struct world *w)
{
    struct network *net = &w->network;

    for (size_t i = 0; i < net->n; i++)
        free(net->heap[i].bytes);
    free(net->heap);
    free(net->arriving);
    for (struct conn *c = net->conns; c; c = c->next) {
        free(c->to_server.p);
        free(c->to_peer.p);
    }
}
