/* A case's configuration, accounts and the checks that all chapters share; see the header. */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <offhook/error.h>

#include "host/policy_lua.h"
#include "sim/parts.h"
#include "store/store.h"

#define TEXTS     8
#define TEXT_MAX  8192
#define LOADS_MAX 8

/* One configuration that the case has loaded. */
struct load {
    struct oh__config *config;
    struct oh__policy *policy;
};

/* The case that runs; there is one at a time. */
static struct {
    struct world *world;
    struct oh__policy_shared *shared;
    struct load loads[LOADS_MAX];
    unsigned loads_n;
    bool unfinished;
    struct oh__settings plain; /* of a server that trusts everybody */
    char why[4 * TEXT_MAX];
    char *ladder;
} now;

/* ---- configurations ---- */

static uint64_t clock_of(void *ctx)
{
    (void)ctx;
    return now.world ? world_now(now.world) : 0;
}

/* A test that cannot even begin is not a failure of the server. */
_Noreturn static void give_up(const char *what)
{
    fprintf(stderr, "conformance: %s\n", what);
    abort();
}

/* oh__config_load reads files, so the text becomes one for a moment. */
static struct oh__config *load_text(const char *lua)
{
    static struct oh__config_report report;
    struct oh__config *config = NULL;
    char path[] = "/tmp/offhook-conformance-XXXXXX";
    int fd = mkstemp(path);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

    if (!f)
        give_up("cannot make a file in /tmp");
    fputs(lua, f);
    fclose(f);
    int r = oh__config_load(path, NULL, &config, &report);

    unlink(path);
    if (r == OH_OK)
        return config;
    oh__config_report_print(&report, stderr);
    give_up("a case has a configuration that cannot be loaded");
}

static const struct load *load(const char *lua)
{
    struct load *l = &now.loads[now.loads_n];

    if (now.loads_n++ == LOADS_MAX)
        give_up("a case has more than 8 configurations");
    l->config = load_text(lua);
    if (oh__policy_lua_new(l->config, now.shared, &l->policy) != OH_OK)
        give_up("a policy does not run");
    return l;
}

void reload(struct world *w, const char *lua)
{
    const struct load *l = load(lua);

    server_reload(w, oh__config_settings(l->config));
    server_policy(w, l->policy);
}

/* ---- cases ---- */

void leave_unfinished(struct world *w)
{
    (void)w;
    now.unfinished = true;
}

static void run_case(struct world *w, void *arg)
{
    const struct conformance_case *c = arg;

    c->run(w);
    if (!now.unfinished)
        world_finish(w);
}

static char *copy_of(const char *text)
{
    size_t n = strlen(text) + 1;
    char *p = malloc(n);

    return p ? memcpy(p, text, n) : NULL;
}

static void begin(void)
{
    struct oh__policy_shared_options options = {.alloc = oh_alloc_default(), .clock = clock_of};

    free(now.ladder);
    memset(&now, 0, sizeof now);
    if (oh__policy_shared_new(&options, &now.shared) != OH_OK)
        give_up("no memory");
}

static void end(void)
{
    for (unsigned i = 0; i < now.loads_n; i++) {
        oh__policy_lua_free(now.loads[i].policy);
        oh__config_unref(now.loads[i].config);
    }
    oh__policy_shared_free(now.shared);
}

/* A world with the case's configuration; nothing has happened in it. */
static void open_world(const struct conformance_case *c, unsigned verbose)
{
    struct world_options options = c->options ? *c->options : (struct world_options){0};
    const struct load *l;

    begin();
    l = load(c->lua ? c->lua : OPEN);
    options.settings = oh__config_settings(l->config);
    options.policy = l->policy;
    options.verbose = verbose;
    now.world = world_new(&options);
}

/* Ends it; why is copied, because it dies with the world. */
static const char *close_world(const char *why, const char **ladder)
{
    if (why) {
        snprintf(now.why, sizeof now.why, "%s", why);
        now.ladder = copy_of(world_ladder(now.world));
        *ladder = now.ladder ? now.ladder : "";
    }
    world_free(now.world);
    now.world = NULL;
    end();
    return why ? now.why : NULL;
}

const char *conformance_run(const struct conformance_case *c, unsigned verbose, const char **ladder)
{
    open_world(c, verbose);
    return close_world(world_try(now.world, run_case, (void *)(uintptr_t)c), ladder);
}

/* ---- short of memory ---- */

static void run_alone(struct world *w, void *arg)
{
    const struct conformance_case *c = arg;

    c->run(w);
}

/* All fall silent and everything ends, as after a case that went well. */
static void run_out(struct world *w, void *arg)
{
    (void)arg;
    server_drain(w, false);
    network_faults(w, &(struct network_faults){0});
    network_filter(w, NULL, NULL);
    network_closed(w, false);
    world_finish(w);
}

/* The server is as good as new: what it was short of did no lasting harm. */
static void works_again(struct world *w, void *arg)
{
    struct peer *callee = peer_new(w, "192.0.2.251:5060", "callee");
    struct peer *caller = peer_new(w, "192.0.2.252:5060", "caller");

    (void)arg;
    server_policy(w, NULL);
    server_reload(w, &now.plain);
    peer_register(callee, 60);
    ASK(caller, .method = "MESSAGE", .uri = "sip:callee@" WORLD_DOMAIN, .call = "works-again");
    peer_reply(callee, peer_expect(callee, "MESSAGE"), 200, "");
    peer_expect(caller, "200 MESSAGE");
    world_finish(w);
}

/* A rule, not an expectation of the case: that one may fail for want of memory. */
static bool is_rule(const char *why)
{
    return why && (strncmp(why, "rule broken", 11) == 0 || strncmp(why, "time stands", 11) == 0);
}

const char *conformance_run_short(const struct conformance_case *c,
                                  struct conformance_shortage *shortage, const char **ladder)
{
    struct test_heap *heap;
    struct world *w;
    const char *why;
    size_t before;

    open_world(c, 0);
    w = now.world;
    w->lenient = shortage->at > 0;
    heap = &w->server.heap;
    before = heap->calls;
    test_heap_fail(heap, shortage->at);
    heap->fail_rest = shortage->rest;
    why = world_try(w, run_alone, (void *)(uintptr_t)c);
    test_heap_fail(heap, 0);
    heap->fail_rest = 0;
    shortage->made = heap->calls - before;
    shortage->ended = heap->failed;
    /* A case that leaves something behind on purpose cannot be asked what became of it. */
    w->lenient |= now.unfinished;
    if (!is_rule(why))
        why = world_try(w, run_out, NULL);
    if (!why) {
        world_settings_default(&now.plain);
        why = world_try(w, works_again, NULL);
    }
    return close_world(why, ladder);
}

/* ---- the test bed ---- */

const char *password_of(const char *user)
{
    static char text[64];

    snprintf(text, sizeof text, "%s-secret", user);
    return text;
}

void accounts(struct world *w)
{
    static const struct {
        const char *user;
        uint32_t flags;
    } list[] = {{"alice", 0},
                {"bob", 0},
                {"carol", 0},
                {"dave", 0},
                {"noreg", 0},
                {"admin", OH__ACCOUNT_ADMIN},
                {"barred", OH__ACCOUNT_BARRED}};
    struct oh__account_row gone = {.user = OH_LIT("gone"),
                                   .domain = OH_LIT(WORLD_DOMAIN),
                                   .auth_name = OH_LIT("gone"),
                                   .realm = OH_LIT(WORLD_DOMAIN),
                                   .name = OH_LIT(""),
                                   .gone_at = world_wall(w) - 1000};

    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
        server_account(w, list[i].user, password_of(list[i].user), list[i].flags);
    server_account_row(w, &gone);
}

/* ---- asking ---- */

void ask_as(struct peer *p, const char *user, const char *password,
            const struct peer_request *request)
{
    struct world *w = peer_world(p);
    struct peer_request again = *request;
    char secret[64], rows[TEXT_MAX];
    const struct oh_msg *m;

    snprintf(secret, sizeof secret, "%s", password);
    CHECK(w, request->call != NULL);
    peer_request(p, request);
    m = answer(p, "4xx");
    CHECK_SAY(w, m->status == 401 || m->status == 407, "%u instead of a challenge", m->status);
    snprintf(rows, sizeof rows, "%s%s",
             peer_authorize(p, m, user, secret, request->method, request->uri),
             request->rows ? request->rows : "");
    again.rows = rows;
    again.cseq = (request->cseq ? request->cseq : 1) + 1;
    peer_request(p, &again);
}

struct peer *phone(struct world *w, const char *address, const char *user)
{
    struct peer *p = peer_new(w, address, user);
    char to[96], call[96];

    if (server_settings(w)->no_auth) {
        peer_register(p, 3600);
        return p;
    }
    snprintf(to, sizeof to, "sip:%s@" WORLD_DOMAIN, user);
    snprintf(call, sizeof call, "reg-%s-%s", user, address);
    ASK_AS(p, user, .method = "REGISTER", .uri = "sip:" WORLD_DOMAIN, .to = to, .call = call);
    peer_expect(p, "200 REGISTER");
    return p;
}

void registers(struct peer *p, const char *user, const char *call, unsigned cseq,
               const char *contact, const char *rows)
{
    char to[96], id[96];

    snprintf(to, sizeof to, "sip:%s@" WORLD_DOMAIN, user);
    snprintf(id, sizeof id, "reg-%s%s", user, call);
    ASK(p, .method = "REGISTER", .uri = "sip:" WORLD_DOMAIN, .to = to, .call = id, .cseq = cseq,
        .contact = contact, .rows = rows);
}

const struct oh_msg *fetch(struct peer *p, const char *user)
{
    registers(p, user, "-fetch", 1, "-", "");
    return answer(p, "200 REGISTER");
}

/* ---- forwarders ---- */

void bounce(struct peer *p, const struct oh_msg *m, const char *uri)
{
    static unsigned n;
    struct world *w = peer_world(p);
    char *text = malloc(m->raw.n + 512);
    int head;

    CHECK(w, text != NULL);
    head = snprintf(text, 512, "%.*s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKbounce%u\r\n",
                    OH_PRI(m->method_text), uri, peer_address(p), n++);
    memcpy(text + head, m->start.p + m->start.n + 2, m->raw.n - m->start.n - 2);
    peer_send_bytes(p, oh_span(text, (size_t)head + m->raw.n - m->start.n - 2));
    free(text);
}

/* ---- looking ---- */

const char *text_of(struct oh_span span)
{
    static char texts[TEXTS][TEXT_MAX];
    static unsigned at;
    char *text = texts[at++ % TEXTS];

    snprintf(text, TEXT_MAX, "%.*s", OH_PRI(span));
    return text;
}

const char *value_of(const struct oh_msg *m, enum oh_header_id id)
{
    struct oh_span value = oh_msg_value(m, id);

    return value.p ? text_of(value) : "";
}

const char *row_of(const struct oh_msg *m, const char *name)
{
    for (unsigned i = 0; i < m->rows_n; i++) {
        if (oh_span_ieq(oh_row_name(m, &m->rows[i]), oh_span_str(name)))
            return text_of(oh_row_value(m, &m->rows[i]));
    }
    return "";
}

bool text_has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

/* The same hop: transport, sent-by and branch; what a receiver adds to it does not count. */
static bool same_via(struct oh_span a, struct oh_span b)
{
    struct oh_via x, y;

    if (oh_via_decode(a, &x, NULL) != OH_OK || oh_via_decode(b, &y, NULL) != OH_OK)
        return oh_span_eq(a, b);
    return oh_span_eq(x.transport_text, y.transport_text) && oh_span_eq(x.host, y.host) &&
           x.port == y.port && oh_span_eq(x.branch, y.branch);
}

/* The peer's newest request as the server got it. */
static const struct oh_msg *request_of(struct peer *p)
{
    struct oh_msg *m = world_keep(peer_world(p), sizeof *m);
    struct oh_fault fault = {0};
    size_t used;

    CHECK(peer_world(p), p->request != NULL);
    CHECK(peer_world(p), oh_msg_parse(oh_span(p->request, p->request_n), OH_MSG_DATAGRAM, NULL, m,
                                      &used, &fault) == OH_OK);
    return oh_msg_check(m, &fault) == OH_OK ? m : NULL;
}

void check_reply(struct peer *p, const struct oh_msg *reply)
{
    struct world *w = peer_world(p);
    const struct oh_msg *q = request_of(p);
    unsigned vias = message_values(reply, OH_HEADER_VIA);

    CHECK(w, !reply->request);
    CHECK(w, reply->status == 100 || reply->to_tag.n > 0);
    if (!q) /* what the peer sent is broken on purpose */
        return;
    CHECK(w, vias == message_values(q, OH_HEADER_VIA));
    for (unsigned i = 0; i < vias; i++)
        CHECK(w,
              same_via(message_value(q, OH_HEADER_VIA, i), message_value(reply, OH_HEADER_VIA, i)));
    CHECK(w, oh_span_eq(oh_msg_value(q, OH_HEADER_FROM), oh_msg_value(reply, OH_HEADER_FROM)));
    CHECK(w, oh_span_eq(q->call_id, reply->call_id));
    CHECK(w, q->cseq == reply->cseq && q->cseq_method == reply->cseq_method);
    CHECK(w, q->to_tag.n == 0 || oh_span_eq(q->to_tag, reply->to_tag));
    CHECK(w, oh_span_eq(q->to.uri, reply->to.uri));
}

const struct oh_msg *answer(struct peer *p, const char *what)
{
    const struct oh_msg *m = peer_expect(p, what);

    check_reply(p, m);
    if (m->cseq_method == OH_METHOD_INVITE && m->status >= 300)
        peer_ack(p, m);
    return m;
}

bool told(struct world *w, const char *part)
{
    struct oh__decision d;

    return server_decision(w, &d) && (text_has(d.why, part) || text_has(d.fix, part));
}
