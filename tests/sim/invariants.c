/*
 * Watching the server from outside. The watcher knows only what went in and
 * what came out: it keeps one record for each request that the server saw
 * (Call-ID, CSeq number, method) and compares.
 *
 * A rule is checked only where the standards leave no choice. Requests that
 * were answered without state may be answered differently next time; so what
 * is said about outcomes holds for those that were forwarded, which always
 * have a transaction.
 */
#include "parts.h"

#include "core/internal.h"
#include "invariants.h"
#include "model.h"

#define BUCKETS 4096
#define ACKED   16
#define PUT_OFF 4000 /* ms */

struct seen {
    struct seen *next;
    struct oh_span call; /* belongs to the world */
    uint32_t cseq;
    struct oh_span method;
    uint64_t vias;    /* bit n: it came with n Via values */
    uint64_t first;   /* ns */
    bool trying;      /* 100 went up */
    bool final;       /* a final went up */
    bool forwarded;   /* it went on */
    bool heard;       /* some response came back */
    bool heard_final; /* and a final one in time */
};

/* What the sender of the newest REGISTER for an AOR was told. */
struct acked {
    struct acked *next;
    char aor[256];
    unsigned n;
    uint32_t asked, told; /* CSeq numbers: of the newest REGISTER, and of the newest 200 */
    char contacts[ACKED][512];
    uint64_t expires_at[ACKED]; /* wall ms */
};

struct invariants {
    struct world *world;
    struct seen *seen[BUCKETS];
    struct acked *acked;
    struct model *model;
    struct oh_msg msg;
};

struct invariants *invariants_new(struct world *w)
{
    struct invariants *in = world_grow(NULL, sizeof *in);

    memset(in, 0, sizeof *in);
    in->world = w;
    in->model = model_new(w);
    return in;
}

void invariants_free(struct invariants *in)
{
    free(in);
}

/* ---- records ---- */

static struct seen **bucket(struct invariants *in, const struct oh_msg *m)
{
    static const struct oh__hash_key key = {1, 2};

    return &in->seen[(oh__hash(&key, m->call_id) + m->cseq) % BUCKETS];
}

static struct seen *find(struct invariants *in, const struct oh_msg *m)
{
    for (struct seen *s = *bucket(in, m); s; s = s->next)
        if (s->cseq == m->cseq && oh_span_eq(s->call, m->call_id) &&
            oh_span_eq(s->method, m->cseq_method_text))
            return s;
    return NULL;
}

static struct seen *find_or_add(struct invariants *in, const struct oh_msg *m)
{
    struct world *w = in->world;
    struct seen *s = find(in, m);

    if (s)
        return s;
    s = world_keep(w, sizeof *s);
    s->call = oh_span(world_keep_text(w, m->call_id), m->call_id.n);
    s->method = oh_span(world_keep_text(w, m->cseq_method_text), m->cseq_method_text.n);
    s->cseq = m->cseq;
    s->first = w->now;
    s->next = *bucket(in, m);
    *bucket(in, m) = s;
    return s;
}

/* ---- in ---- */

static void response_in(struct invariants *in, const struct oh_msg *m)
{
    struct seen *s = find(in, m);

    /* A response that finds no branch of ours, or no request, is nobody's. */
    if (!s || oh_branch_shard(in->world->server.shared.secret, m->via.branch) < 0)
        return;
    s->heard = true;
    if (m->status < 200 || (m->status == 408 && m->cseq_method != OH_METHOD_INVITE))
        return;
    if (in->world->now - s->first < 30 * WORLD_SECOND)
        s->heard_final = true;
}

static void note_asked(struct invariants *in, const struct oh_msg *m);

void invariants_received(struct invariants *in, const struct oh_flow *flow,
                         const struct oh_msg *msg, int parsed)
{
    unsigned vias;

    in->msg = *msg;
    if (parsed != OH_OK || oh_msg_check(&in->msg, NULL) != OH_OK)
        return;
    model_in(in->model, flow, &in->msg);
    if (!in->msg.request) {
        response_in(in, &in->msg);
        return;
    }
    vias = message_values(&in->msg, OH_HEADER_VIA);
    note_asked(in, &in->msg);
    find_or_add(in, &in->msg)->vias |= UINT64_C(1) << (vias < 63 ? vias : 63);
}

/* ---- out: every message ---- */

#define RULE(in, truth, what)                                    \
    CHECK_SAY((in)->world, truth, "rule broken: %s: %.*s", what, \
              OH_PRI(oh_span_head((in)->msg.raw, 600)))

/* Responses to what could not be read need not be whole. */
static bool answers_nonsense(unsigned status)
{
    return status == 400 || status == 413 || status == 414 || status == 416 || status == 501 ||
           status == 505 || status == 513;
}

/*
 * Parses into in->msg; false when it need not be looked at further. A datagram that is passed on
 * may lack Content-Length as it did when it came (RFC 3261 20.14), but nothing may hang on behind.
 */
static bool read_sent(struct invariants *in, const struct oh_flow *flow, struct oh_span bytes)
{
    enum oh_msg_mode mode = oh_transport_reliable(flow->transport) ? OH_MSG_STREAM
                                                                   : OH_MSG_DATAGRAM;
    struct oh_fault fault = {0};
    size_t used = 0;
    int err = oh_msg_parse(bytes, mode, NULL, &in->msg, &used, &fault);

    CHECK_SAY(in->world, err == OH_OK && in->msg.raw.n == bytes.n,
              "rule broken: a message is framed rightly (%s): %.*s",
              fault.why ? fault.why : "bytes behind it", OH_PRI(oh_span_head(bytes, 600)));
    err = oh_msg_check(&in->msg, &fault);
    /* Below our own Via a phone may have damaged what it likes. */
    if (err != OH_OK && !in->msg.request &&
        (answers_nonsense(in->msg.status) || in->world->hostile))
        return false;
    CHECK_SAY(in->world, err == OH_OK, "rule broken: a message must be complete (%s): %.*s",
              fault.why ? fault.why : "?", OH_PRI(oh_span_head(bytes, 600)));
    return true;
}

static void check_request(struct invariants *in, const struct oh_msg *m)
{
    struct seen *s = find(in, m);
    unsigned vias = message_values(m, OH_HEADER_VIA);
    bool hop = m->method == OH_METHOD_CANCEL || m->method == OH_METHOD_ACK;

    RULE(in, m->via.cookie, "the topmost Via has the magic cookie");
    RULE(in, m->max_forwards >= 0, "a request has Max-Forwards");
    RULE(in, vias >= 1 && vias < 63, "a request has Via values");
    if (vias == 1) {
        RULE(in, m->has_length, "what the server writes has Content-Length");
        RULE(in, hop || !s || !(s->vias), "a forwarded request has one Via more");
        RULE(in, hop || m->method == OH_METHOD_OPTIONS, "a proxy makes no requests of its own");
        return;
    }
    RULE(in, s && s->vias & UINT64_C(1) << (vias - 1), "a forwarded request has one Via more");
    RULE(in, m->method != OH_METHOD_CANCEL, "CANCEL goes hop by hop");
    s->forwarded = true;
}

/* RFC 4320 4. */
static void check_non_invite(struct invariants *in, const struct oh_msg *m)
{
    RULE(in, m->status >= 200 || m->status == 100, "no 1xx but 100 to a non-INVITE");
    RULE(in, m->status != 408, "no 408 to a non-INVITE");
}

static void check_own(struct invariants *in, const struct oh_msg *m, const struct seen *s)
{
    if (m->cseq_method == OH_METHOD_REGISTER) {
        RULE(in, message_rows(m, OH_HEADER_RECORD_ROUTE) == 0, "no Record-Route in REGISTER");
    }
    RULE(in, m->has_length || s->heard, "what the server writes has Content-Length");
    if (m->cseq_method == OH_METHOD_MESSAGE && m->status < 300 && !s->heard)
        RULE(in, message_rows(m, OH_HEADER_CONTACT) == 0, "no Contact in our 2xx to MESSAGE");
}

/* Transactions are forgotten early only when there are too many of them. */
static bool forgets(const struct invariants *in)
{
    struct oh__serve_stats stats;

    server_stats(in->world, &stats);
    return stats.endpoint.completed_evicted || stats.endpoint.refused_full || stats.contexts_full ||
           stats.refused_share;
}

static void check_response(struct invariants *in, const struct oh_msg *m)
{
    struct seen *s = find(in, m);
    unsigned vias = message_values(m, OH_HEADER_VIA);

    if (answers_nonsense(m->status) && (in->world->hostile || !(s && s->heard)))
        return;
    /* Damaged names come back as they are: a response is found by its branch (RFC 3261 17.1.3). */
    if (!s && in->world->hostile)
        return;
    RULE(in, s != NULL, "a response answers a request that came");
    RULE(in, (vias < 63 && s->vias & UINT64_C(1) << vias) || (in->world->hostile && s->heard),
         "a response has the request's Via values");
    RULE(in, m->status == 100 || m->to_tag.n > 0 || (in->world->hostile && s->heard),
         "a response has a To tag");
    if (m->cseq_method != OH_METHOD_INVITE)
        check_non_invite(in, m);
    check_own(in, m, s);
    if (m->status < 200) {
        s->trying |= m->status == 100 && m->cseq_method == OH_METHOD_INVITE;
        return;
    }
    s->final = true;
}

/* ---- bindings ---- */

/* The AOR of a REGISTER in a form that needs no knowledge of settings; false for others. */
static bool simple_aor(const struct oh_msg *m, char *out, size_t cap)
{
    const struct oh_uri *to = &m->to_uri;

    if (!oh_span_eq(to->host, OH_LIT(WORLD_DOMAIN)) || to->port || to->user.n == 0 ||
        to->user.n > 100)
        return false;
    for (size_t i = 0; i < to->user.n; i++)
        if (to->user.p[i] == '%' || to->user.p[i] == ';')
            return false;
    snprintf(out, cap, "%.*s@" WORLD_DOMAIN, OH_PRI(to->user));
    return true;
}

static bool is_registered(const struct oh_msg *m)
{
    return !m->request && m->status == 200 && m->cseq_method == OH_METHOD_REGISTER;
}

static void check_bindings(struct invariants *in, const struct oh_msg *m)
{
    struct oh_address contact;
    char aor[256];

    if (!is_registered(m) || !simple_aor(m, aor, sizeof aor))
        return;
    for (unsigned i = 0; i < message_values(m, OH_HEADER_CONTACT); i++) {
        RULE(in, oh_address_decode(message_value(m, OH_HEADER_CONTACT, i), &contact, NULL) == OH_OK,
             "a Contact is an address");
        RULE(in, server_has_binding(in->world, aor, contact.uri),
             "a binding that is acknowledged is there");
    }
}

static struct acked *acked_of(struct invariants *in, const char *aor)
{
    struct acked *a;

    for (a = in->acked; a; a = a->next)
        if (strcmp(a->aor, aor) == 0)
            return a;
    a = world_keep(in->world, sizeof *a);
    snprintf(a->aor, sizeof a->aor, "%s", aor);
    a->next = in->acked;
    in->acked = a;
    return a;
}

/* Notes what a sender was promised. */
static void note_bindings(struct invariants *in, const struct oh_msg *m)
{
    struct oh_contact_params params = {0};
    struct oh_address contact;
    struct acked *a;
    char aor[256];

    if (!is_registered(m) || !simple_aor(m, aor, sizeof aor))
        return;
    a = acked_of(in, aor);
    a->n = 0;
    a->told = m->cseq;
    for (unsigned i = 0; i < message_values(m, OH_HEADER_CONTACT) && a->n < ACKED; i++) {
        if (oh_address_decode(message_value(m, OH_HEADER_CONTACT, i), &contact, NULL) != OH_OK ||
            oh_contact_params(&contact, &params) != OH_OK || contact.uri.n >= 512)
            continue;
        memset(a->contacts[a->n], 0, sizeof a->contacts[a->n]);
        memcpy(a->contacts[a->n], contact.uri.p, contact.uri.n);
        a->expires_at[a->n++] = world_wall(in->world) + params.expires * UINT64_C(1000);
    }
}

/*
 * Who asks for a change and gets no 200 cannot know when his bindings expire; nor, if he wanted
 * them to be removed, whether they are there.
 */
static void note_asked(struct invariants *in, const struct oh_msg *m)
{
    struct oh_contact_params params = {0};
    struct oh_address contact;
    struct acked *a;
    char aor[256];

    if (m->method != OH_METHOD_REGISTER || !simple_aor(m, aor, sizeof aor) ||
        !(server_settings(in->world)->no_auth || oh_msg_row(m, OH_HEADER_AUTHORIZATION)) ||
        oh_address_decode(message_value(m, OH_HEADER_CONTACT, 0), &contact, NULL) != OH_OK ||
        oh_contact_params(&contact, &params) != OH_OK)
        return;
    a = acked_of(in, aor);
    a->asked = m->cseq > a->asked ? m->cseq : a->asked;
    if (params.expires == 0)
        a->n = 0;
}

/* What was acknowledged is there, with the time that was promised when nothing was asked since. */
static void check_promise(struct invariants *in, const struct acked *a, unsigned i)
{
    struct world *w = in->world;
    uint64_t at = server_binding_expires(w, a->aor, oh_span_str(a->contacts[i]));
    uint64_t off = at > a->expires_at[i] ? at - a->expires_at[i] : a->expires_at[i] - at;

    if (a->expires_at[i] <= world_wall(w) + 1000)
        return;
    CHECK_SAY(w, at, "rule broken: an acknowledged binding survives a restart: %s %s", a->aor,
              a->contacts[i]);
    /* The clock of the promise begins when the 200 leaves, which a slow disk may put off. */
    CHECK_SAY(w, a->asked != a->told || off <= PUT_OFF,
              "rule broken: an acknowledged refresh survives a restart: %s %s is off by %u ms",
              a->aor, a->contacts[i], (unsigned)off);
}

void invariants_restarted(struct invariants *in)
{
    struct world *w = in->world;

    memset(in->seen, 0, sizeof in->seen);
    model_restarted(in->model);
    if (!w->options.journal && !w->options.disk)
        return;
    for (struct acked *a = in->acked; a; a = a->next)
        for (unsigned i = 0; i < a->n; i++)
            check_promise(in, a, i);
}

/* ---- the doors ---- */

void invariants_taken(struct invariants *in, const struct oh_flow *flow, struct oh_span bytes)
{
    if (!read_sent(in, flow, bytes))
        return;
    model_out(in->model, flow, &in->msg);
    if (in->msg.request) {
        check_request(in, &in->msg);
        return;
    }
    check_response(in, &in->msg);
    check_bindings(in, &in->msg);
}

void invariants_settled(struct invariants *in)
{
    model_settled(in->model);
}

void invariants_excuse(struct invariants *in, const struct oh_flow *flow)
{
    model_excuse(in->model, flow);
}

unsigned invariants_peak(const struct invariants *in)
{
    return model_peak(in->model);
}

uint64_t invariants_transactions(const struct invariants *in)
{
    return model_transactions(in->model);
}

void invariants_sent(struct invariants *in, const struct oh_flow *flow, struct oh_span bytes)
{
    RULE(in, !oh_addr_is_any(&flow->peer) && flow->peer.port && !oh_addr_is_broadcast(&flow->peer),
         "a message has somewhere to go");
    if (read_sent(in, flow, bytes))
        note_bindings(in, &in->msg);
}

/* ---- the end ---- */

static void check_seen(struct invariants *in, const struct seen *s)
{
    struct world *w = in->world;

    CHECK_SAY(w, !s->trying || s->final, "rule broken: an INVITE that got 100 gets an end: %.*s",
              OH_PRI(s->call));
    CHECK_SAY(w,
              !s->forwarded || !s->heard_final || s->final || oh_span_eq(s->method, OH_LIT("ACK")),
              "rule broken: a final response goes up: %.*s %u %.*s", OH_PRI(s->call), s->cseq,
              OH_PRI(s->method));
}

static void check_idle(struct invariants *in)
{
    struct world *w = in->world;
    struct oh__serve_stats stats;

    server_stats(w, &stats);
    CHECK_SAY(w, server_idle(w), "the server is not idle at the end: %u in flight, %u contexts",
              stats.endpoint.in_flight, stats.contexts);
    CHECK_SAY(w, stats.contexts == 0, "%u contexts are left at the end", stats.contexts);
    CHECK_SAY(w, stats.endpoint.completed == 0, "%u completed transactions are left at the end",
              stats.endpoint.completed);
    CHECK_SAY(w, server_deadline(w) == OH_NEVER, "a timer is left at the end");
    CHECK_SAY(w, network_busy(w) == 0, "messages are still on their way at the end");
    for (unsigned i = 0; i < w->server.workers_n; i++)
        CHECK_SAY(w, w->server.workers[i].held_n == 0,
                  "replies still wait for the journal at the end");
}

/* Handles, timers and blocks of one shard: what is idle holds nothing but its caches. */
static void check_shard(struct world *w, const struct oh__serve *s)
{
    const struct oh_endpoint *ep = s->ep;
    size_t used, idle;

    CHECK_SAY(w,
              oh__pool_live(s->contexts) == 0 && oh__pool_live(s->lookups) == 0 &&
                  oh__pool_live(s->pings) == 0 && oh__pool_live(ep->pool) == 0,
              "a handle is left at the end");
    CHECK_SAY(w, oh__wheel_next(s->wheel) == OH_NEVER && oh__wheel_next(ep->wheel) == OH_NEVER,
              "a timer is left in a wheel at the end");
    CHECK_SAY(w, ep->table.n == 0, "%u transactions are left in the table at the end", ep->table.n);
    oh__blocks_stats(s->blocks, &used, &idle);
    CHECK_SAY(w, used == 0, "%zu bytes of held messages are left at the end", used);
    oh__blocks_stats(ep->blocks, &used, &idle);
    CHECK_SAY(w, used == 0, "%zu bytes of transactions are left at the end", used);
}

void invariants_end(struct invariants *in)
{
    check_idle(in);
    server_visit_all(in->world);
    for (unsigned i = 0; i < in->world->server.shards_n; i++)
        check_shard(in->world, in->world->server.shards[i]);
    if (forgets(in) || in->world->lenient)
        return;
    for (unsigned i = 0; i < BUCKETS; i++)
        for (const struct seen *s = in->seen[i]; s; s = s->next)
            check_seen(in, s);
    model_end(in->model);
}
