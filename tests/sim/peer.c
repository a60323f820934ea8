/*
 * Peers as letter boxes: addresses, what they got, and how one looks for it.
 * What they send is written in peer_request.c.
 */
#include "parts.h"

#include "invariants.h"

#define PATIENCE 1000 /* ms */

/* ---- coming and going ---- */

struct peer *peer_new(struct world *w, const char *address, const char *name)
{
    struct peer *p = world_keep(w, sizeof *p), **end = &w->peers;

    p->world = w;
    CHECK(w, strlen(name) < sizeof p->name && strlen(address) < sizeof p->address);
    memcpy(p->name, name, strlen(name) + 1);
    memcpy(p->address, address, strlen(address) + 1);
    CHECK(w, oh_addr_parse_port(oh_span_str(address), &p->addr) == OH_OK && p->addr.port);
    while (*end)
        end = &(*end)->next;
    *end = p;
    return p;
}

void peers_done(struct world *w)
{
    for (struct peer *p = w->peers; p; p = p->next) {
        if (p->ops && p->ops->done)
            p->ops->done(p->self);
        free(p->letters);
    }
    w->peers = NULL;
}

void peer_connect(struct peer *p)
{
    CHECK(p->world, !p->conn);
    network_open(p->world, p, false);
}

void peer_disconnect(struct peer *p)
{
    if (p->conn)
        network_close(p->world, p->conn, false);
}

bool peer_connected(const struct peer *p)
{
    return p->conn != NULL;
}

void peer_silence(struct peer *p, bool silent)
{
    world_note(p->world, silent ? "%s falls silent" : "%s is back", p->name);
    p->silent = silent;
}

struct peer *peer_at(struct world *w, const struct oh_addr *addr)
{
    for (struct peer *p = w->peers; p; p = p->next)
        if (oh_addr_eq(&p->addr, addr) || (p->conn && oh_addr_eq(&p->conn->flow.peer, addr)))
            return p;
    return NULL;
}

const char *peer_name(const struct peer *p)
{
    return p->name;
}

const char *peer_address(const struct peer *p)
{
    return p->address;
}

struct world *peer_world(const struct peer *p)
{
    return p->world;
}

/* ---- those that live ---- */

uint64_t peers_deadline(const struct world *w)
{
    uint64_t at = OH_NEVER;

    for (const struct peer *p = w->peers; p; p = p->next) {
        if (p->silent || !p->ops || !p->ops->deadline)
            continue;
        uint64_t own = p->ops->deadline(p->self);

        at = own < at ? own : at;
    }
    return at;
}

void peers_expire(struct world *w)
{
    for (struct peer *p = w->peers; p; p = p->next)
        if (!p->silent && p->ops && p->ops->expire && p->ops->deadline(p->self) <= w->now)
            p->ops->expire(p->self);
}

void peers_stop(struct world *w)
{
    for (struct peer *p = w->peers; p; p = p->next) {
        if (p->ops && p->ops->stop)
            p->ops->stop(p->self);
        p->silent = true;
    }
}

/* ---- receiving ---- */

/* A message of the exact size, parsed; NULL: it is none. */
static struct oh_msg *parse(struct world *w, struct oh_span bytes)
{
    struct oh_msg *m = world_keep(w, sizeof *m);
    struct oh_fault fault = {0};
    size_t used;

    if (oh_msg_parse(bytes, OH_MSG_DATAGRAM, NULL, m, &used, &fault) != OH_OK)
        return NULL;
    oh_msg_check(m, &fault);
    return m;
}

static void put_letter(struct peer *p, struct oh_span bytes)
{
    struct world *w = p->world;
    struct letter *l;

    if (p->letters_n == p->letters_cap) {
        p->letters_cap = p->letters_cap * 2 + 16;
        p->letters = world_grow(p->letters, p->letters_cap * sizeof *p->letters);
    }
    l = &p->letters[p->letters_n++];
    *l = (struct letter){.bytes = oh_span(world_keep_text(w, bytes), bytes.n)};
    l->msg = parse(w, l->bytes);
}

void peer_receive(struct peer *p, const struct oh_flow *flow, struct oh_span bytes)
{
    if (p->silent)
        return;
    if (p->ops && p->ops->receive)
        p->ops->receive(p->self, flow, bytes);
    else
        put_letter(p, bytes);
}

void peer_stream(struct peer *p, struct conn *c)
{
    struct oh_flow flow = {
        .id = c->id, .local = c->flow.peer, .peer = c->flow.local, .transport = c->flow.transport};
    struct oh_msg *m = world_grow(NULL, sizeof *m);
    struct world_text *t = &c->to_peer;
    size_t at = 0, used;

    for (;;) {
        while (t->n - at >= 2 && memcmp(t->p + at, "\r\n", 2) == 0) {
            at += 2;
            p->noise += 2;
        }
        struct oh_span rest = oh_span(t->p + at, t->n - at);

        if (rest.n == 0 || oh_msg_parse(rest, OH_MSG_STREAM, NULL, m, &used, NULL) != OH_OK)
            break;
        at += used;
        peer_receive(p, &flow, m->raw);
    }
    free(m);
    if (at) {
        memmove(t->p, t->p + at, t->n - at);
        t->n -= at;
    }
}

/* ---- looking for messages ---- */

/* What somebody waits for; see the header. */
struct wish {
    unsigned low, high;     /* status; 0: any */
    struct oh_span request; /* method of a request */
    struct oh_span cseq;    /* method in CSeq; empty: any */
    bool any;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct wish wish_of(struct peer *p, const char *what)
{
    struct wish wish = {.any = what[0] == 0};
    const char *blank = strchr(what, ' ');
    size_t n = blank ? (size_t)(blank - what) : strlen(what);

    if (blank)
        wish.cseq = oh_span_str(blank + 1);
    if (!is_digit(what[0])) {
        wish.request = oh_span(what, n);
        return wish;
    }
    CHECK_SAY(p->world, n == 3, "the test expects %s, which is no status", what);
    if (what[1] == 'x') {
        wish.low = (unsigned)(what[0] - '0') * 100;
        wish.high = wish.low + 99;
    } else {
        for (size_t i = 0; i < 3; i++)
            wish.low = wish.low * 10 + (unsigned)(what[i] - '0');
        wish.high = wish.low;
    }
    return wish;
}

static bool fits(const struct wish *wish, const struct letter *l)
{
    const struct oh_msg *m = l->msg;

    if (wish->any)
        return true;
    if (!m)
        return false;
    if (m->request)
        return wish->low == 0 && oh_span_eq(wish->request, m->method_text);
    return wish->low && m->status >= wish->low && m->status <= wish->high &&
           (wish->cseq.n == 0 || oh_span_eq(wish->cseq, m->cseq_method_text));
}

static struct letter *untaken(struct peer *p, const struct wish *wish)
{
    for (unsigned i = 0; i < p->letters_n; i++) {
        struct letter *l = &p->letters[i];

        if (!l->taken && !l->forgotten && fits(wish, l))
            return l;
    }
    return NULL;
}

/* What came instead, for the sentence of a failure. */
static void describe_rest(const struct peer *p, char *out, size_t cap)
{
    size_t n = 0;

    out[0] = 0;
    for (unsigned i = 0; i < p->letters_n && n + 40 < cap; i++) {
        const struct letter *l = &p->letters[i];

        if (l->taken || l->forgotten)
            continue;
        struct oh_span first = l->msg ? l->msg->start : OH_LIT("no message");

        n += (size_t)snprintf(out + n, cap - n, "%s%.*s", n ? "; " : "",
                              OH_PRI(oh_span_head(first, 36)));
    }
}

const struct oh_msg *peer_expect_within(struct peer *p, const char *what, uint64_t ms)
{
    struct wish wish = wish_of(p, what);
    struct letter *l = untaken(p, &wish);
    char rest[512];

    /* The clock goes on in small steps, so that it stands still soon after the message came. */
    for (uint64_t gone = 0; !l && gone <= ms; gone += 5) {
        if (gone)
            world_run(p->world, 5);
        else
            world_settle(p->world);
        l = untaken(p, &wish);
    }
    if (!l) {
        describe_rest(p, rest, sizeof rest);
        world_fail(p->world, "%s got no %s within %u ms%s%s", p->name, what, (unsigned)ms,
                   rest[0] ? ", but: " : "", rest);
    }
    l->taken = true;
    CHECK_SAY(p->world, l->msg, "%s got something that is no message", p->name);
    return l->msg;
}

const struct oh_msg *peer_expect(struct peer *p, const char *what)
{
    return peer_expect_within(p, what, PATIENCE);
}

void peer_none(struct peer *p, const char *what, uint64_t ms)
{
    struct wish wish = wish_of(p, what);
    struct letter *l;

    if (ms)
        world_run(p->world, ms);
    else
        world_settle(p->world);
    l = untaken(p, &wish);
    if (l)
        world_fail(p->world, "%s should not have got: %.*s", p->name,
                   OH_PRI(l->msg ? l->msg->start : OH_LIT("something")));
}

unsigned peer_count(const struct peer *p, const char *what)
{
    struct wish wish = wish_of((struct peer *)(uintptr_t)p, what);
    unsigned n = 0;

    for (unsigned i = 0; i < p->letters_n; i++)
        n += !p->letters[i].forgotten && fits(&wish, &p->letters[i]);
    return n;
}

const struct oh_msg *peer_last(struct peer *p, const char *what)
{
    struct wish wish = wish_of(p, what);

    for (unsigned i = p->letters_n; i-- > 0;)
        if (!p->letters[i].forgotten && fits(&wish, &p->letters[i]))
            return p->letters[i].msg;
    return NULL;
}

void peer_forget(struct peer *p)
{
    for (unsigned i = 0; i < p->letters_n; i++)
        p->letters[i].forgotten = true;
}

size_t peer_noise(const struct peer *p)
{
    return p->noise;
}

/* ---- messages ---- */

bool message_has(const struct oh_msg *m, const char *text)
{
    size_t n = strlen(text);

    for (size_t i = 0; i + n <= m->raw.n; i++)
        if (memcmp(m->raw.p + i, text, n) == 0)
            return true;
    return false;
}

unsigned message_rows(const struct oh_msg *m, enum oh_header_id id)
{
    unsigned n = 0;

    for (const struct oh_row *r = oh_msg_row(m, id); r; r = oh_msg_row_next(m, r))
        n++;
    return n;
}

struct oh_span message_value(const struct oh_msg *m, enum oh_header_id id, unsigned i)
{
    struct oh_list it = {0};
    struct oh_span value;

    while (oh_list_next(m, id, &it, &value) == OH_OK)
        if (i-- == 0)
            return value;
    return oh_span("", 0);
}

unsigned message_values(const struct oh_msg *m, enum oh_header_id id)
{
    struct oh_list it = {0};
    struct oh_span value;
    unsigned n = 0;

    while (oh_list_next(m, id, &it, &value) == OH_OK)
        n++;
    return n;
}
