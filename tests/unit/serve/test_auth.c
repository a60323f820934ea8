/* Who must prove who he is, how, and what is said about failures (AUT-001 .. AUT-018, PRX-007,
 * PRX-008). */
#include "harness.h"

#include <stdio.h>

#include "store/store.h"

#define URI "sip:example.test"

static int setup(void **state)
{
    struct harness *h = malloc(sizeof(*h));

    harness_init(h);
    *state = h;
    return 0;
}

static int teardown(void **state)
{
    harness_done(*state);
    free(*state);
    return 0;
}

static void start(struct harness *h)
{
    harness_start(h);
    harness_account(h, "101", "secret", 0);
    harness_account(h, "102", "other", 0);
    harness_account(h, "admin", "root", OH__ACCOUNT_ADMIN);
    harness_account(h, "barred", "quiet", OH__ACCOUNT_BARRED);
}

/* A request with rows of the test's. The branch counts up. Returns the status. */
struct ask {
    const char *method, *uri, *from, *to, *rows, *body;
    unsigned cseq;
};

static unsigned ask(struct harness *h, const struct ask *a)
{
    static unsigned branch;
    const char *from = a->from ? a->from : "sip:101@example.test";
    const char *body = a->body ? a->body : "";

    harness_clear(h);
    branch++;
    harness_input(h,
                  "%s %s SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKa%u\n"
                  "Max-Forwards: 70\nFrom: <%s>;tag=f1\nTo: <%s>\nCall-ID: auth\nCSeq: %u %s\n"
                  "%sContent-Length: %zu\n\n%s",
                  a->method, a->uri, branch, from, a->to ? a->to : from, a->cseq ? a->cseq : branch,
                  a->method, a->rows ? a->rows : "", strlen(body), body);
    return harness_code(h);
}

/* A REGISTER of 101 with rows. */
static unsigned ask_register(struct harness *h, const char *rows)
{
    return ask(h, &(struct ask){.method = "REGISTER", .uri = URI, .rows = rows});
}

/* Gets a challenge, then answers it as d says (user 101 by default). */
static unsigned register_with(struct harness *h, struct harness_digest d)
{
    char rows[1024];

    if (ask_register(h, "") != 401)
        fail_msg("no challenge but %u", harness_code(h));
    d.user = d.user ? d.user : "101";
    d.password = d.password ? d.password : "secret";
    d.method = "REGISTER";
    d.uri = d.uri ? d.uri : URI;
    harness_authorize(h, &d, rows, sizeof(rows));
    return ask_register(h, rows);
}

/* REG-004, AUT-002, AUT-012, TXN-022: a challenge without state; identical for a retransmission but
 * for its nonce. */
static void test_challenge(void **state)
{
    struct harness *h = *state;
    struct oh__decision d;
    size_t calls;

    start(h);
    assert_int_equal(ask_register(h, "Contact: <sip:101@192.0.2.10>\n"), 401);
    assert_true(harness_has(h, "\r\nWWW-Authenticate: Digest realm=\"example.test\""));
    assert_true(harness_has(h, "qop=\"auth\""));
    assert_true(harness_has(h, "algorithm=MD5"));
    assert_false(harness_has(h, "stale"));
    assert_int_equal(harness_rows(h, OH_HEADER_WWW_AUTHENTICATE), 1);
    assert_int_equal(harness_rows(h, OH_HEADER_PROXY_AUTHENTICATE), 0);
    assert_true(harness_last(h)->to_tag.n > 0);
    assert_false(harness_decision(h, &d));
    assert_int_equal(h->s->stats.challenges, 1);
    calls = h->heap.calls;
    for (int i = 0; i < 1000; i++)
        ask_register(h, "");
    assert_int_equal(h->heap.calls, calls);
}

/* AUT-003, AUT-018: one row per algorithm, in the order of the configuration. */
static void test_algorithms(void **state)
{
    static const struct {
        uint8_t digest[3];
        const char *names[3];
    } rows[] = {
        {{OH_HASH_NONE}, {"MD5"}},
        {{OH_HASH_MD5}, {"MD5"}},
        {{OH_HASH_SHA256, OH_HASH_MD5}, {"SHA-256", "MD5"}},
        {{OH_HASH_SHA512_256, OH_HASH_SHA256, OH_HASH_MD5}, {"SHA-512-256", "SHA-256", "MD5"}},
        {{OH_HASH_SHA256}, {"SHA-256"}},
    };
    struct harness *h = *state;

    start(h);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct oh_msg *m;
        const struct oh_row *row;
        unsigned n = 0;

        memcpy(h->settings->domains[0].digest, rows[i].digest, 3);
        assert_int_equal(ask_register(h, ""), 401);
        m = harness_last(h);
        for (row = oh_msg_row(m, OH_HEADER_WWW_AUTHENTICATE); row; row = oh_msg_row_next(m, row)) {
            struct oh_challenge c;

            assert_int_equal(oh_challenge_decode(oh_row_value(m, row), &c, NULL), OH_OK);
            assert_true(n < 3 && rows[i].names[n]);
            assert_true(oh_span_eq(c.algorithm_text, oh_span_str(rows[i].names[n])));
            assert_true(oh_span_eq(c.realm, OH_LIT("example.test")));
            n++;
        }
        assert_true(n == 3 || !rows[i].names[n]);
        for (unsigned k = 0; k < n; k++)
            assert_int_equal(register_with(h, (struct harness_digest){.challenge = k}), 200);
    }
}

/* AUT-005: every form of answer that RFC 2069, 2617 and 7616 know. */
static void test_forms(void **state)
{
    static const struct harness_digest rows[] = {
        {0},
        {.no_qop = true},
        {.auth_int = true},
        {.algorithm = "MD5-sess"},
        {.algorithm = "MD5-sess", .auth_int = true},
        {.nc = 77},
        {.uri = "sip:example.test;transport=udp"},
        {.uri = "sip:192.0.2.1:5060"},
        {.uri = "sip:EXAMPLE.test"},
    };
    struct harness *h = *state;

    start(h);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (register_with(h, rows[i]) != 200)
            fail_msg("row %zu: %u", i, harness_code(h));
    }
    assert_int_equal(h->s->stats.auth_ok, sizeof(rows) / sizeof(rows[0]));
    assert_int_equal(h->s->stats.auth_failed, 0);
}

/* auth-int protects the body: with another one the same row is wrong. */
static void test_auth_int(void **state)
{
    struct harness_digest d = {.user = "101",
                               .password = "secret",
                               .method = "MESSAGE",
                               .uri = "sip:102@example.test",
                               .body = "hello",
                               .auth_int = true};
    struct ask a = {
        .method = "MESSAGE", .uri = "sip:102@example.test", .to = "sip:102@example.test"};
    struct harness *h = *state;
    char rows[1024];

    start(h);
    a.body = "hello";
    assert_int_equal(ask(h, &a), 407);
    a.rows = harness_authorize(h, &d, rows, sizeof(rows));
    a.body = "hallo";
    assert_int_equal(ask(h, &a), 407);
    assert_int_equal(h->s->stats.auth_failed, 1);
    a.body = "hello";
    assert_int_not_equal(ask(h, &a), 407);
}

/* AUT-013: an unknown name, a wrong password, a tombstone and a missing hash look the same from
 * outside. */
static void test_failures(void **state)
{
    static const struct {
        struct harness_digest d;
        const char *why, *fix;
    } rows[] = {
        {{.user = "105"}, "nobody is called '105' here", "offhook user add 105"},
        {{.password = "guess"},
         "wrong password for 101 (digest does not match)",
         "offhook user passwd 101"},
        {{.user = "gone"}, "nobody is called 'gone' here", "offhook user add gone"},
        {{.user = "weak"}, "weak has no password stored for MD5", "offhook user passwd weak"},
    };
    struct harness *h = *state;
    char first[4096];
    size_t first_n = 0;

    start(h);
    harness_account_full(h, &(struct harness_account){.user = "gone",
                                                      .domain = "example.test",
                                                      .password = "secret",
                                                      .hashes = ~0u,
                                                      .gone_at = 1});
    harness_account_full(h, &(struct harness_account){.user = "weak",
                                                      .domain = "example.test",
                                                      .password = "secret",
                                                      .hashes = 1u << OH_HASH_SHA256});
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct oh__decision d;

        assert_int_equal(register_with(h, rows[i].d), 401);
        assert_false(harness_has(h, "stale"));
        assert_true(harness_decision(h, &d));
        assert_int_equal(d.kind, OH__DECISION_AUTH_FAILED);
        assert_int_equal(d.code, 401);
        assert_string_equal(d.why, rows[i].why);
        assert_non_null(strstr(d.fix, rows[i].fix));
        /* Nothing of it is on the wire, and the answers have one length and one shape. */
        assert_false(harness_has(h, "password"));
        assert_false(harness_has(h, "nobody"));
        if (i == 0) {
            first_n = h->sends[0].n;
            memcpy(first, h->sends[0].bytes, first_n);
        }
        assert_in_range(h->sends[0].n, first_n - 4, first_n + 4);
        assert_memory_equal(first, h->sends[0].bytes, 12);
    }
    assert_int_equal(h->s->stats.auth_failed, 4);
    assert_int_equal(h->s->stats.auth_ok, 0);
}

/* Whoever pastes the command that helps must not run what a stranger wrote. */
static void test_pasteable(void **state)
{
    static const struct {
        const char *user, *fix;
    } rows[] = {
        {"alice.b+c_d-e", "`offhook user add alice.b+c_d-e`"},
        {"x; reboot", "`offhook user add NAME`"},
        {"$(reboot)", "`offhook user add NAME`"},
        {"`reboot`", "`offhook user add NAME`"},
        {"--force", "`offhook user add NAME`"},
        {"a&b", "`offhook user add NAME`"},
    };
    struct harness *h = *state;
    struct oh__decision d;

    start(h);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(register_with(h, (struct harness_digest){.user = rows[i].user}), 401);
        assert_true(harness_decision(h, &d));
        if (!strstr(d.fix, rows[i].fix))
            fail_msg("%s: %s", rows[i].user, d.fix);
        assert_non_null(strstr(d.why, rows[i].user));
    }
    assert_true(oh_span_eq(oh__pasteable(oh_span("", 0)), OH_LIT("NAME")));
}

/* AUT-001, REG-026, AUT-018: other schemes, other realms, algorithms that were not offered. */
static void test_not_ours(void **state)
{
    static const struct {
        const char *row;
        const char *why; /* NULL: no decision */
    } rows[] = {
        {"Authorization: Basic MTAxOnNlY3JldA==\n", NULL},
        {"Authorization: NoOneKnowsThisScheme opaque-data=here\n", NULL},
        {"Authorization: Digest username=\"101\", realm=\"asterisk\", nonce=\"1\", uri=\"" URI
         "\", response=\"00\"\n",
         "the phone answered for realm 'asterisk', but here it is 'example.test'"},
        {"Authorization: Digest username=\"101\", realm=\"example.test\", nonce=\"1\", uri=\"" URI
         "\", response=\"00\", algorithm=SHA-256\n",
         "the phone answered with SHA-256, but this domain accepts MD5"},
        {"Authorization: Digest username=\"101\", realm=\"example.test\", nonce=\"1\", uri=\"" URI
         "\", response=\"00\", algorithm=FOO\n",
         "the phone answered with FOO, but this domain accepts MD5"},
        {"Authorization: Digest username=\"101\", username=\"101\"\n",
         "the credentials cannot be read"},
        {"Authorization: Digest username=\"101\", realm=\"example.test\", nonce=\"1\", uri=\"" URI
         "\", response=\"00\"\n",
         NULL},
        /* The proxy's header is not for the registrar. */
        {"Proxy-Authorization: Digest username=\"101\", username=\"101\"\n", NULL},
    };
    struct harness *h = *state;
    struct oh__decision d;
    uint64_t seq = 0;

    start(h);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(ask_register(h, rows[i].row), 401);
        assert_true(harness_has(h, "WWW-Authenticate: Digest"));
        bool any = harness_decision(h, &d) && d.seq > seq;

        if (any != (rows[i].why != NULL))
            fail_msg("row %zu: decision '%s'", i, any ? d.why : "");
        if (any)
            assert_string_equal(d.why, rows[i].why);
        seq += any;
    }
    assert_int_equal(h->s->stats.auth_failed, 0);
}

/* AUT-018: a domain that demands SHA-256 does not take MD5 from a phone that knows no better. */
static void test_md5_disabled(void **state)
{
    struct harness *h = *state;
    struct oh__decision d;

    h->settings->domains[0].digest[0] = OH_HASH_SHA256;
    start(h);
    assert_int_equal(register_with(h, (struct harness_digest){.algorithm = "MD5"}), 401);
    assert_true(harness_decision(h, &d));
    assert_string_equal(d.why, "the phone answered with MD5, but this domain accepts SHA-256");
    assert_int_equal(register_with(h, (struct harness_digest){0}), 200);
}

/* AUT-008: too old is stale, when the password was right; when it was wrong, it is not. */
static void test_stale(void **state)
{
    struct harness_digest d = {
        .user = "101", .password = "secret", .method = "REGISTER", .uri = URI};
    struct harness *h = *state;
    struct oh__decision decision;
    char rows[1024];

    start(h);
    ask_register(h, "");
    harness_authorize(h, &d, rows, sizeof(rows));
    harness_advance(h, 301 * HARNESS_SECOND);
    assert_int_equal(ask_register(h, rows), 401);
    assert_true(harness_has(h, "stale=true"));
    assert_false(harness_decision(h, &decision));
    /* What it asked for again is good. */
    harness_authorize(h, &d, rows, sizeof(rows));
    assert_int_equal(ask_register(h, rows), 200);
    ask_register(h, "");
    d.password = "wrong";
    harness_authorize(h, &d, rows, sizeof(rows));
    harness_advance(h, 301 * HARNESS_SECOND);
    assert_int_equal(ask_register(h, rows), 401);
    assert_false(harness_has(h, "stale"));
}

/*
 * AUT-008: a recorded REGISTER that says something else is refused with stale;
 * the very same one may be a retransmission whose 200 was lost, and changes nothing.
 */
static void test_replay(void **state)
{
    struct harness_digest d = {
        .user = "101", .password = "secret", .method = "REGISTER", .uri = URI};
    struct ask a = {.method = "REGISTER", .uri = URI, .cseq = 7};
    struct harness *h = *state;
    char rows[1024], more[1400];

    start(h);
    ask_register(h, "");
    harness_authorize(h, &d, rows, sizeof(rows));
    snprintf(more, sizeof(more), "%sContact: <sip:101@192.0.2.10>\n", rows);
    a.rows = more;
    assert_int_equal(ask(h, &a), 200);
    assert_int_equal(ask(h, &a), 200);
    assert_int_equal(harness_rows(h, OH_HEADER_CONTACT), 1);
    a.cseq = 8;
    assert_int_equal(ask(h, &a), 401);
    assert_true(harness_has(h, "stale=true"));
    snprintf(more, sizeof(more), "%sContact: <sip:evil@203.0.113.9>\n", rows);
    a.cseq = 7;
    assert_int_equal(ask(h, &a), 401);
    assert_true(harness_has(h, "stale=true"));
    /* A question with it tells nothing, either. */
    a.rows = rows;
    assert_int_equal(ask(h, &a), 401);
    assert_int_equal(harness_rows(h, OH_HEADER_CONTACT), 0);
    /* A fresh nonce, and all is well. */
    ask_register(h, "");
    harness_authorize(h, &d, rows, sizeof(rows));
    assert_int_equal(ask_register(h, rows), 200);
}

/* AUT-010 from the server's side: one nonce serves many requests, each with the next nc. */
static void test_next_nc(void **state)
{
    struct harness_digest d = {
        .user = "101", .password = "secret", .method = "REGISTER", .uri = URI, .nonce = NULL};
    struct oh_challenge challenge;
    struct harness *h = *state;
    char rows[1024], nonce[128];

    start(h);
    ask_register(h, "");
    assert_int_equal(
        oh_challenge_decode(harness_value(h, OH_HEADER_WWW_AUTHENTICATE), &challenge, NULL), OH_OK);
    snprintf(nonce, sizeof(nonce), "%.*s", OH_PRI(challenge.nonce));
    d.nonce = nonce;
    for (uint32_t nc = 1; nc < 200; nc++) {
        ask_register(h, "");
        d.nc = nc;
        harness_authorize(h, &d, rows, sizeof(rows));
        assert_int_equal(ask_register(h, rows), 200);
    }
}

/*
 * Class: replay by counting on. Without qop the response does not cover nc, so
 * it is good for one request, however often somebody raises the number.
 */
static void test_nc_without_qop(void **state)
{
    struct harness_digest d = {.user = "101",
                               .password = "secret",
                               .method = "MESSAGE",
                               .uri = "sip:102@example.test",
                               .no_qop = true};
    struct ask a = {
        .method = "MESSAGE", .uri = "sip:102@example.test", .to = "sip:102@example.test"};
    struct harness *h = *state;
    char row[1024], counted[1100];

    start(h);
    assert_int_equal(ask(h, &a), 407);
    harness_authorize(h, &d, row, sizeof(row));
    a.rows = counted;
    for (unsigned nc = 1; nc < 4; nc++) {
        snprintf(counted, sizeof(counted), "%.*s, nc=%08x\n", (int)strlen(row) - 1, row, nc);
        if (nc == 1)
            assert_int_not_equal(ask(h, &a), 407);
        else
            assert_int_equal(ask(h, &a), 407);
    }
    assert_true(harness_has(h, "stale=true"));
    assert_int_equal(h->s->stats.auth_failed, 0);
}

/* AUT-007: credentials that were made for another server's URI are not good here. */
static void test_uri(void **state)
{
    static const char *const wrong[] = {"sip:other.test", "sip:101@other.test", "nonsense",
                                        "http://example.test/"};
    struct harness *h = *state;
    struct oh__decision d;

    start(h);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(register_with(h, (struct harness_digest){.uri = wrong[i]}), 401);
        assert_false(harness_has(h, "stale"));
        assert_true(harness_decision(h, &d));
        assert_non_null(strstr(d.why, wrong[i]));
    }
    /* The nonce was not used up by it. */
    assert_int_equal(register_with(h, (struct harness_digest){0}), 200);
}

/* AUT-017, PRX-007, AUT-009: which request of a stranger gets what. 299 and 298 never: nothing
 * reached a target. */
static void test_who_must(void **state)
{
    static const struct {
        const char *method, *uri, *to;
        unsigned code;
    } rows[] = {
        {"REGISTER", URI, "sip:101@example.test", 401},
        {"OPTIONS", URI, "sip:example.test", 200},
        {"OPTIONS", "sip:192.0.2.1", "sip:192.0.2.1", 200},
        {"INVITE", URI, "sip:example.test", 401},
        {"BREW", URI, "sip:example.test", 401},
        {"PUBLISH", URI, "sip:example.test", 401},
        {"INVITE", "sip:102@example.test", "sip:102@example.test", 407},
        {"INVITE", "sip:nobody@example.test", "sip:nobody@example.test", 407},
        {"MESSAGE", "sip:102@example.test", "sip:102@example.test", 407},
        {"SUBSCRIBE", "sip:102@example.test", "sip:102@example.test", 407},
        {"PUBLISH", "sip:101@example.test", "sip:101@example.test", 407},
        {"REFER", "sip:102@example.test", "sip:102@example.test", 407},
        {"OPTIONS", "sip:102@example.test", "sip:102@example.test", 407},
        {"BREW", "sip:102@example.test", "sip:102@example.test", 407},
        {"INVITE", "sip:bob@other.test", "sip:bob@other.test", 407},
        {"REGISTER", "sip:other.test", "sip:101@other.test", 407},
        /* PRX-054: a dialog without a token of ours is a stranger's. */
        {"BYE", "sip:102@example.test", "sip:102@example.test>;tag=x;y=<", 407},
        {"ACK", "sip:102@example.test", "sip:102@example.test", 0},
    };
    struct harness *h = *state;

    start(h);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char to[64];
        const char *text = rows[i].to;

        snprintf(to, sizeof(to), "%.*s", (int)strcspn(text, ">"), text);
        harness_clear(h);
        harness_input(h,
                      "%s %s SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKw%zu\n"
                      "Max-Forwards: 70\nFrom: <sip:101@example.test>;tag=f\nTo: <%s>%s\n"
                      "Call-ID: who\nCSeq: %zu %s\nContact: <sip:101@192.0.2.10>\n\n",
                      rows[i].method, rows[i].uri, i, to, strchr(text, '>') ? ";tag=x" : "", i + 1,
                      rows[i].method);
        if (harness_code(h) != rows[i].code)
            fail_msg("%s %s: %u", rows[i].method, rows[i].uri, harness_code(h));
        if (rows[i].code == 407)
            assert_true(harness_has(h, "Proxy-Authenticate: Digest realm=\"example.test\""));
        if (rows[i].code == 407)
            assert_int_equal(harness_rows(h, OH_HEADER_WWW_AUTHENTICATE), 0);
    }
}

/* Runs role, checks and authentication alone, and tells what they found. */
static bool judge(struct harness *h, const struct ask *a, struct oh__request *rq)
{
    static char text[4096], wire[8192];
    static struct oh_msg msg;
    struct oh_fault fault;
    struct oh_buf b;
    size_t used;
    int n = snprintf(text, sizeof(text),
                     "%s %s SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKj\n"
                     "Max-Forwards: 70\nFrom: <%s>;tag=f1\nTo: <%s>\nCall-ID: auth\nCSeq: 1 %s\n"
                     "%s\n",
                     a->method, a->uri, a->from ? a->from : "sip:101@example.test",
                     a->to ? a->to : a->uri, a->method, a->rows ? a->rows : "");

    assert_in_range(n, 1, sizeof(text) - 1);
    oh_buf_init(&b, wire, sizeof(wire));
    for (int i = 0; i < n; i++) {
        if (text[i] == '\n')
            oh_buf_char(&b, '\r');
        oh_buf_char(&b, text[i]);
    }
    assert_int_equal(oh_msg_parse(oh_buf_view(&b), OH_MSG_DATAGRAM, NULL, &msg, &used, &fault),
                     OH_OK);
    assert_int_equal(oh_msg_check(&msg, &fault), OH_OK);
    *rq = (struct oh__request){.msg = &msg, .flow = h->flow};
    harness_clear(h);
    oh__serve_enter(h->s, &h->env);
    bool passed = oh__role_find(h->s, rq) && oh__checks_run(h->s, rq) && oh__auth_run(h->s, rq);

    oh__serve_drain(h->s);
    harness_collect(h);
    return passed;
}

/* An INVITE of a user with right credentials. */
static bool invite_as(struct harness *h, const char *user, const char *password, const char *from,
                      struct oh__request *rq)
{
    static char rows[1024];
    struct ask a = {.method = "INVITE", .uri = "sip:102@example.test", .from = from};
    struct harness_digest d = {
        .user = user, .password = password, .method = "INVITE", .uri = "sip:102@example.test"};

    assert_false(judge(h, &a, rq));
    assert_int_equal(harness_code(h), 407);
    a.rows = harness_authorize(h, &d, rows, sizeof(rows));
    return judge(h, &a, rq);
}

/* PRX-008: From is the sender's own address, in any spelling, or nobody's. */
static void test_from(void **state)
{
    static const struct {
        const char *from;
        bool good;
    } rows[] = {
        {"sip:101@example.test", true},
        {"sip:101@EXAMPLE.test:5060", true},
        {"sip:%31%30%31@example.test;x=y", true},
        {"sips:101@example.test", true},
        {"sip:101@192.0.2.1", true},
        {"sip:anonymous@anonymous.invalid", true},
        {"sip:102@example.test", false},
        {"sip:101@other.test", false},
        {"sip:example.test", false},
        {"sip:anonymous@example.test", false},
        {"mailto:101@example.test", false},
    };
    struct harness *h = *state;
    struct oh__decision d;
    struct oh__request rq;

    start(h);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (invite_as(h, "101", "secret", rows[i].from, &rq) != rows[i].good)
            fail_msg("%s", rows[i].from);
        if (rows[i].good) {
            assert_true(rq.authenticated && !rq.trusted);
            assert_true(oh_span_eq(rq.account, OH_LIT("101@example.test")));
            assert_non_null(rq.credentials);
            continue;
        }
        assert_int_equal(harness_code(h), 403);
        assert_true(harness_decision(h, &d));
        assert_int_equal(d.kind, OH__DECISION_CALL_FAILED);
        assert_non_null(strstr(d.why, rows[i].from));
    }
}

/* Administrators register for others; they do not call as others. */
static void test_admin_calls(void **state)
{
    struct harness *h = *state;
    struct oh__request rq;

    start(h);
    assert_true(invite_as(h, "admin", "root", "sip:admin@example.test", &rq));
    assert_int_equal(rq.account_flags, OH__ACCOUNT_ADMIN);
    assert_false(invite_as(h, "admin", "root", "sip:101@example.test", &rq));
    assert_int_equal(harness_code(h), 403);
}

/* PRX-008, AUT-014: right, but barred: 403, and only for what costs or disturbs. */
static void test_barred(void **state)
{
    struct harness *h = *state;
    struct oh__request rq;
    char rows[1024];
    struct harness_digest d = {
        .user = "barred", .password = "quiet", .method = "REGISTER", .uri = URI};
    struct ask a = {.method = "REGISTER", .uri = URI, .from = "sip:barred@example.test"};

    start(h);
    assert_false(invite_as(h, "barred", "quiet", "sip:barred@example.test", &rq));
    assert_int_equal(harness_code(h), 403);
    ask(h, &a);
    a.rows = harness_authorize(h, &d, rows, sizeof(rows));
    assert_int_equal(ask(h, &a), 200);
    a = (struct ask){.method = "MESSAGE", .uri = "sip:102@example.test", .from = a.from};
    d.method = "MESSAGE";
    d.uri = a.uri;
    ask(h, &a);
    a.rows = harness_authorize(h, &d, rows, sizeof(rows));
    assert_int_equal(ask(h, &a), 403);
}

/* REG-005: for oneself; for others as an administrator; From may then be either. */
static void test_third_party(void **state)
{
    static const struct {
        const char *user, *password, *from, *to;
        unsigned code;
    } rows[] = {
        {"101", "secret", "sip:101@example.test", "sip:101@example.test", 200},
        {"101", "secret", "sip:101@example.test", "sip:102@example.test", 403},
        {"101", "secret", "sip:102@example.test", "sip:101@example.test", 403},
        {"admin", "root", "sip:admin@example.test", "sip:102@example.test", 200},
        {"admin", "root", "sip:102@example.test", "sip:102@example.test", 200},
        /* REG-006: and only for somebody who exists. */
        {"admin", "root", "sip:admin@example.test", "sip:nobody@example.test", 404},
        {"admin", "root", "sip:admin@example.test", "sip:gone@example.test", 404},
    };
    struct harness *h = *state;
    char text[1024];

    start(h);
    harness_account_full(h, &(struct harness_account){.user = "gone",
                                                      .domain = "example.test",
                                                      .password = "x",
                                                      .hashes = ~0u,
                                                      .gone_at = 1});
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ask a = {.method = "REGISTER", .uri = URI, .from = rows[i].from, .to = rows[i].to};
        struct harness_digest d = {
            .user = rows[i].user, .password = rows[i].password, .method = "REGISTER", .uri = URI};

        assert_int_equal(ask(h, &a), 401);
        a.rows = harness_authorize(h, &d, text, sizeof(text));
        if (ask(h, &a) != rows[i].code)
            fail_msg("row %zu: %u", i, harness_code(h));
    }
}

/* Decision 13: a domain may welcome strangers; whoever claims to be one of ours is none. */
static void test_accept_foreign(void **state)
{
    static const struct {
        const char *method, *uri, *from;
        bool passes;
    } rows[] = {
        {"INVITE", "sip:102@example.test", "sip:bob@other.test", true},
        {"MESSAGE", "sip:102@example.test", "sip:anonymous@anonymous.invalid", true},
        {"INVITE", "sip:102@example.test", "sip:101@example.test", false},
        {"INVITE", "sip:102@example.test", "sip:nobody@example.test", false},
        {"INVITE", "sip:102@example.test", "sip:x@192.0.2.1", false},
        /* Class: another reading of one name. A port does not make a stranger of one of ours. */
        {"INVITE", "sip:102@example.test", "sip:101@example.test:5099", false},
        {"MESSAGE", "sip:102@example.test", "sip:101@Example.TEST.:1", false},
        {"INVITE", "sip:102@example.test", "sip:101@192.0.2.1:5099", false},
        {"INVITE", "sip:102@example.test", "sip:bob@other.test:5099", true},
        {"INVITE", "sip:bob@third.test", "sip:bob@other.test", false},
        {"REGISTER", URI, "sip:bob@other.test", false},
    };
    struct harness *h = *state;
    struct oh__request rq;

    h->settings->domains[0].accept_foreign = true;
    start(h);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ask a = {.method = rows[i].method, .uri = rows[i].uri, .from = rows[i].from};

        if (judge(h, &a, &rq) != rows[i].passes)
            fail_msg("row %zu", i);
        assert_false(rq.authenticated);
    }
}

static void test_trusted(void **state)
{
    struct harness *h = *state;
    struct oh__request rq;
    struct ask a = {.method = "INVITE", .uri = "sip:bob@other.test", .from = "sip:x@carrier.test"};

    h->settings->trusted_n = 1;
    assert_int_equal(oh_network_parse(OH_LIT("192.0.2.8/30"), &h->settings->trusted[0]), OH_OK);
    start(h);
    assert_true(judge(h, &a, &rq));
    assert_true(rq.trusted && !rq.authenticated);
    h->flow = harness_flow(OH_TRANSPORT_UDP, "192.0.2.12:5060", 0);
    assert_false(judge(h, &a, &rq));
    h->settings->no_auth = true;
    assert_true(judge(h, &a, &rq));
}

/* PRX-007: rows for other realms are left alone and do not count; ours is found among them. */
static void test_several_rows(void **state)
{
    struct harness *h = *state;
    struct oh__request rq;
    char ours[700], rows[2048];
    struct ask a = {.method = "INVITE", .uri = "sip:102@example.test"};
    struct harness_digest d = {
        .user = "101", .password = "secret", .method = "INVITE", .uri = "sip:102@example.test"};
    static const char other[] =
        "Proxy-Authorization: Digest username=\"x\", realm=\"other.test\", nonce=\"n\", "
        "uri=\"sip:a\", response=\"00\"\n";

    start(h);
    assert_false(judge(h, &a, &rq));
    harness_authorize(h, &d, ours, sizeof(ours));
    a.rows = other;
    assert_false(judge(h, &a, &rq));
    assert_int_equal(harness_code(h), 407);
    assert_int_equal(h->s->stats.auth_failed, 0);
    snprintf(rows, sizeof(rows), "%s%s%s", other, ours, other);
    a.rows = rows;
    assert_true(judge(h, &a, &rq));
    assert_ptr_equal(rq.credentials,
                     oh_msg_row_next(rq.msg, oh_msg_row(rq.msg, OH_HEADER_PROXY_AUTHORIZATION)));
}

/* An account without a domain serves every domain; its name is completed by the one that asked. */
static void test_any_domain_account(void **state)
{
    struct harness *h = *state;
    struct oh__request rq;

    harness_start(h);
    harness_account_full(h, &(struct harness_account){.user = "101",
                                                      .domain = "",
                                                      .auth_name = "desk",
                                                      .realm = "example.test",
                                                      .password = "secret",
                                                      .hashes = ~0u});
    assert_true(invite_as(h, "desk", "secret", "sip:101@example.test", &rq));
    assert_true(oh_span_eq(rq.account, OH_LIT("101@example.test")));
}

/* AUT-014: after too many failures silence; a source with a phone of ours is never silenced. */
static void test_ban(void **state)
{
    struct harness_digest wrong = {.password = "guess"};
    struct harness *h = *state;
    struct oh__decision d;
    unsigned registered = 0;

    h->settings->failures_max = 5;
    start(h);
    for (int i = 0; i < 6; i++)
        assert_int_equal(register_with(h, wrong), 401);
    assert_true(harness_decision(h, &d));
    assert_int_equal(d.kind, OH__DECISION_BANNED);
    assert_int_equal(ask_register(h, ""), 0);
    assert_int_equal(h->s->stats.banned_dropped, 1);
    harness_advance(h, 300 * HARNESS_SECOND);
    assert_int_equal(ask_register(h, ""), 401);
    /* The same from a source where a phone is registered: 401 for ever, and no word of a ban. */
    h->flow = harness_flow(OH_TRANSPORT_UDP, "192.0.2.77:5060", 0);
    ask_register(h, "");
    {
        struct harness_digest right = {
            .user = "101", .password = "secret", .method = "REGISTER", .uri = URI};
        char rows[1024], more[1200];

        harness_authorize(h, &right, rows, sizeof(rows));
        snprintf(more, sizeof(more), "%sContact: <sip:101@192.0.2.77>\n", rows);
        registered = ask_register(h, more);
    }
    assert_int_equal(registered, 200);
    for (int i = 0; i < 20; i++)
        assert_int_equal(register_with(h, wrong), 401);
    assert_true(harness_decision(h, &d));
    assert_int_equal(d.kind, OH__DECISION_AUTH_FAILED);
}

/* A success wipes the slate: who mistypes now and then is never banned. */
static void test_success_forgets(void **state)
{
    struct harness *h = *state;

    h->settings->failures_max = 5;
    start(h);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 5; i++)
            assert_int_equal(register_with(h, (struct harness_digest){.password = "guess"}), 401);
        assert_int_equal(register_with(h, (struct harness_digest){0}), 200);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_challenge),
        TEST(test_algorithms),
        TEST(test_forms),
        TEST(test_auth_int),
        TEST(test_failures),
        TEST(test_pasteable),
        TEST(test_not_ours),
        TEST(test_md5_disabled),
        TEST(test_stale),
        TEST(test_replay),
        TEST(test_next_nc),
        TEST(test_nc_without_qop),
        TEST(test_uri),
        TEST(test_who_must),
        TEST(test_from),
        TEST(test_barred),
        TEST(test_admin_calls),
        TEST(test_third_party),
        TEST(test_accept_foreign),
        TEST(test_trusted),
        TEST(test_several_rows),
        TEST(test_any_domain_account),
        TEST(test_ban),
        TEST(test_success_forgets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
