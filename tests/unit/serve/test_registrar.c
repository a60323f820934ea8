/* The registrar, row by row (REG-002 .. REG-030), through the whole shard. */
#include "harness.h"

#include <stdio.h>

#include "store/store.h"

#define PHONE "sip:101@192.0.2.10:5060"

static unsigned cseq; /* of the REGISTERs below; restarted by each test */

static int setup(void **state)
{
    struct harness *h = malloc(sizeof(*h));

    harness_init(h);
    h->settings->no_auth = true;
    cseq = 0;
    *state = h;
    return 0;
}

static int teardown(void **state)
{
    harness_done(*state);
    free(*state);
    return 0;
}

/* A REGISTER for a user with rows of the test's; CSeq counts up. Returns the status. */
static unsigned reg(struct harness *h, const char *user, const char *call_id, const char *rows)
{
    harness_clear(h);
    cseq++;
    harness_input(h,
                  "REGISTER sip:example.test SIP/2.0\n"
                  "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKr%u;rport\n"
                  "Max-Forwards: 70\n"
                  "From: <sip:%s@example.test>;tag=f1\n"
                  "To: <sip:%s@example.test>\n"
                  "Call-ID: %s\n"
                  "CSeq: %u REGISTER\n"
                  "User-Agent: phone/1\n"
                  "%s"
                  "Content-Length: 0\n\n",
                  cseq, user, user, call_id, cseq, rows);
    return harness_code(h);
}

/* How many bindings a fetch shows. */
static unsigned fetch(struct harness *h, const char *user)
{
    assert_int_equal(reg(h, user, "fetch", ""), 200);
    return harness_rows(h, OH_HEADER_CONTACT);
}

/* REG-013: all bindings with what is left of them, their parameters and q; Date; a tag in To. */
static void test_register(void **state)
{
    struct harness *h = *state;

    harness_start(h);
    assert_int_equal(
        reg(h, "101", "a", "Contact: <" PHONE ";ob>;+sip.instance=\"<urn:x>\";q=0.5\n"), 200);
    assert_true(
        harness_has(h, "Contact: <" PHONE ";ob>;+sip.instance=\"<urn:x>\";q=0.5;expires=3600\r\n"));
    assert_true(harness_has(h, "Date: Fri, 15 Jan 2027 08:00:00 GMT\r\n"));
    assert_true(harness_last(h)->to_tag.n > 0);
    assert_int_equal(h->sends_n, 1);
    assert_int_equal(h->keeps_n, 0);
    harness_advance(h, 100 * HARNESS_SECOND + 1000000);
    assert_int_equal(reg(h, "101", "b", "Contact: <sip:101@192.0.2.11>;expires=60\n"), 200);
    assert_int_equal(harness_rows(h, OH_HEADER_CONTACT), 2);
    /* 3499.999 s are left, and rounded up. */
    assert_true(harness_has(h, ";q=0.5;expires=3500\r\n"));
    assert_true(harness_has(h, "Contact: <sip:101@192.0.2.11>;expires=60\r\n"));
    assert_int_equal(harness_rows(h, OH_HEADER_RECORD_ROUTE), 0);
}

/* REG-014: no Contact is a question. REG-028: what has expired is not there. */
static void test_fetch(void **state)
{
    struct harness *h = *state;

    harness_start(h);
    assert_int_equal(fetch(h, "101"), 0);
    reg(h, "101", "a", "Contact: <" PHONE ">;expires=60\n");
    assert_int_equal(fetch(h, "101"), 1);
    assert_int_equal(fetch(h, "101"), 1);
    harness_advance(h, 60 * HARNESS_SECOND);
    assert_int_equal(fetch(h, "101"), 0);
}

/* REG-009, REG-010: which expiry counts, and what becomes of it; 0 means that it is removed. */
static void test_expires(void **state)
{
    static const struct {
        const char *param, *header;
        unsigned code;
        const char *granted; /* NULL: no binding */
    } rows[] = {
        {"", "", 200, ";expires=3600\r\n"},
        {"", "Expires: 600\n", 200, ";expires=600\r\n"},
        {"", "Expires: 0\n", 200, NULL},
        {"", "Expires: soon\n", 200, ";expires=3600\r\n"},
        {";expires=120", "", 200, ";expires=120\r\n"},
        {";expires=120", "Expires: 600\n", 200, ";expires=120\r\n"},
        {";expires=120", "Expires: 0\n", 200, ";expires=120\r\n"},
        {";expires=0", "Expires: 600\n", 200, NULL},
        {";expires=later", "Expires: 600\n", 200, ";expires=3600\r\n"},
        {";expires=99999999999", "", 200, ";expires=7200\r\n"},
        {"", "Expires: 7201\n", 200, ";expires=7200\r\n"},
        {";expires=60", "", 200, ";expires=60\r\n"},
        {";expires=59", "", 423, NULL},
        {";expires=1", "Expires: 600\n", 423, NULL},
        {"", "Expires: 10\n", 423, NULL},
    };
    struct harness *h = *state;

    harness_start(h);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[256], user[16];

        snprintf(user, sizeof(user), "u%zu", i);
        snprintf(text, sizeof(text), "Contact: <" PHONE ">%s\n%s", rows[i].param, rows[i].header);
        if (reg(h, user, "a", text) != rows[i].code)
            fail_msg("row %zu: %u", i, harness_code(h));
        if (rows[i].code == 423)
            assert_true(harness_has(h, "\r\nMin-Expires: 60\r\n"));
        if (rows[i].granted ? !harness_has(h, rows[i].granted) : fetch(h, user) != 0)
            fail_msg("row %zu grants something else", i);
    }
}

/* RFC 3261 10.3 step 7: an hour or more is never too brief, however long the minimum is. */
static void test_never_brief(void **state)
{
    struct harness *h = *state;

    h->settings->expires_min = 5000;
    harness_start(h);
    assert_int_equal(reg(h, "101", "a", "Contact: <" PHONE ">;expires=3599\n"), 423);
    assert_true(harness_has(h, "Min-Expires: 5000\r\n"));
    assert_int_equal(reg(h, "101", "a", "Contact: <" PHONE ">;expires=3600\n"), 200);
    assert_true(harness_has(h, ";expires=3600\r\n"));
}

/* REG-008: the star, and what it may not stand with. */
static void test_star(void **state)
{
    static const char *const wrong[] = {
        "Contact: *\n",
        "Contact: *\nExpires: 3600\n",
        "Contact: *\nContact: <" PHONE ">\nExpires: 0\n",
        "Contact: <" PHONE ">, *\nExpires: 0\n",
        "Contact: *, *\nExpires: 0\n",
        "Contact: *;expires=0\n",
    };
    struct harness *h = *state;

    harness_start(h);
    reg(h, "101", "a", "Contact: <" PHONE ">\n");
    reg(h, "101", "b", "Contact: <sip:101@192.0.2.11>\n");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (reg(h, "101", "c", wrong[i]) != 400)
            fail_msg("row %zu: %u", i, harness_code(h));
    }
    assert_int_equal(fetch(h, "101"), 2);
    /* The same Call-ID with a CSeq that is not higher: 500, and both stay. */
    cseq = 0;
    assert_int_equal(reg(h, "101", "a", "Contact: *\nExpires: 0\n"), 500);
    assert_int_equal(fetch(h, "101"), 2);
    cseq = 10;
    assert_int_equal(reg(h, "101", "a", "Contact: *\nExpires: 0\n"), 200);
    assert_int_equal(harness_rows(h, OH_HEADER_CONTACT), 0);
    assert_int_equal(fetch(h, "101"), 0);
}

/* REG-006: who can be registered at all. */
static void test_to(void **state)
{
    static const struct {
        const char *to;
        unsigned code;
    } rows[] = {
        {"<sip:101@example.test>", 200},
        {"<sip:%31%30%31@EXAMPLE.test;x=1>", 200},
        {"<sips:101@example.test>", 200},
        {"<sip:101@other.test>", 404},
        {"<sip:example.test>", 404},
        {"<mailto:101@example.test>", 400},
        {"<http://example.test>", 400},
        {"<tel:+123>", 400},
        {"<sip:101:secret@example.test>", 200},
        {"<sip:101@example.test:5060>", 200},
    };
    struct harness *h = *state;

    harness_start(h);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        harness_clear(h);
        harness_input(h,
                      "REGISTER sip:example.test SIP/2.0\n"
                      "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKt%zu\n"
                      "From: <sip:101@example.test>;tag=f\nTo: %s\n"
                      "Call-ID: t\nCSeq: %zu REGISTER\nContact: <" PHONE ">\n\n",
                      i, rows[i].to, i + 1);
        if (harness_code(h) != rows[i].code)
            fail_msg("%s: %u", rows[i].to, harness_code(h));
    }
    /* REG-007: all of them were the same user. */
    assert_int_equal(fetch(h, "101"), 1);
}

/* REG-002: a user in the Request-URI is tolerated. */
static void test_user_in_uri(void **state)
{
    struct harness *h = *state;

    harness_start(h);
    harness_input(h, "REGISTER sip:101@example.test SIP/2.0\n"
                     "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKu\n"
                     "From: <sip:101@example.test>;tag=f\nTo: <sip:101@example.test>\n"
                     "Call-ID: t\nCSeq: 1 REGISTER\nContact: <" PHONE ">\n\n");
    assert_int_equal(harness_code(h), 200);
}

/* REG-011, REG-015: CSeq within a Call-ID; another Call-ID is another boot of the phone. */
static void test_cseq(void **state)
{
    struct harness *h = *state;

    harness_start(h);
    cseq = 4;
    assert_int_equal(reg(h, "101", "a", "Contact: <" PHONE ">;expires=600\n"), 200);
    harness_advance(h, 40 * HARNESS_SECOND);
    /* The same again: 200 with what is left, not with what was asked. */
    cseq = 4;
    assert_int_equal(reg(h, "101", "a", "Contact: <" PHONE ">;expires=600\n"), 200);
    assert_true(harness_has(h, ";expires=560\r\n"));
    /* The same CSeq with other content, and a lower one. */
    cseq = 4;
    assert_int_equal(reg(h, "101", "a", "Contact: <" PHONE ">;expires=700\n"), 500);
    cseq = 3;
    assert_int_equal(reg(h, "101", "a", "Contact: <" PHONE ">;expires=600\n"), 500);
    cseq = 0;
    assert_int_equal(reg(h, "101", "b", "Contact: <" PHONE ">;expires=800\n"), 200);
    assert_int_equal(harness_rows(h, OH_HEADER_CONTACT), 1);
    assert_true(harness_has(h, ";expires=800\r\n"));
}

/* UAS-014, REG-012: one bad contact of three, and nothing has happened. */
static void test_all_or_nothing(void **state)
{
    static const struct {
        const char *bad;
        unsigned code;
    } rows[] = {
        {"<sip:101@192.0.2.12>;q=1.5", 400},
        {"<sip:101@192.0.2.12>;q=x", 400},
        {"<sip:101@bad host>", 400},
        {"<sip:101@192.0.2.12>;a=1;a=2", 400},
        {"<sip:101@192.0.2.12", 400},
        {"<sip:101@192.0.2.12>;expires=5", 423},
        {"<sip:101@example.test>", 403},
        {"<sip:102@example.test:5060>", 403},
        {"<sip:101@192.0.2.1:5060>", 403},
        {"<sip:101@192.0.2.1>", 403},
        {"<sip:101@192.0.2.1;transport=tcp>", 403},
    };
    struct harness *h = *state;

    harness_start(h);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[256];

        snprintf(text, sizeof(text), "Contact: <" PHONE ">, %s\nContact: <sip:101@192.0.2.13>\n",
                 rows[i].bad);
        if (reg(h, "101", "a", text) != rows[i].code)
            fail_msg("%s: %u", rows[i].bad, harness_code(h));
        assert_int_equal(fetch(h, "101"), 0);
    }
}

/* Class: a value used that was never parsed. The first Contact is none, and the reason names it. */
static void test_no_contact_at_all(void **state)
{
    struct harness *h = *state;
    struct oh__decision d;

    harness_start(h);
    assert_int_equal(reg(h, "101", "a", "Contact: \"never closed <" PHONE ">\n"), 400);
    assert_true(harness_decision(h, &d));
    assert_non_null(strstr(d.why, "Contact '\"never closed <" PHONE ">'"));
    assert_int_equal(reg(h, "101", "a", "Contact: <" PHONE "\n"), 400);
    assert_true(harness_decision(h, &d));
    assert_non_null(strstr(d.why, "Contact '<" PHONE "'"));
}

/* REG-024: what is not this server may be registered, however similar; removal is always allowed.
 */
static void test_not_home(void **state)
{
    static const char *const rows[] = {
        "<sip:101@192.0.2.1:5070>",    "<sip:101@192.0.2.2>",       "<sip:101@phone.example.test>",
        "<sip:101@example.test:5999>", "<mailto:101@example.test>", "<tel:+4930123>",
    };
    struct harness *h = *state;

    harness_start(h);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[256];

        snprintf(text, sizeof(text), "Contact: %s\n", rows[i]);
        if (reg(h, "101", "a", text) != 200)
            fail_msg("%s: %u", rows[i], harness_code(h));
        assert_true(harness_has(h, rows[i]));
    }
    assert_int_equal(reg(h, "101", "a", "Contact: <sip:101@example.test>;expires=0\n"), 200);
}

/* A phone beside the server: no port means 5060, wherever the server listens. */
static void test_same_host(void **state)
{
    struct harness *h = *state;

    for (unsigned i = 0; i < 2; i++)
        h->settings->listeners[i].addr.port = 5070;
    harness_start(h);
    assert_int_equal(reg(h, "101", "a", "Contact: <sip:101@192.0.2.1>\n"), 200);
    assert_int_equal(reg(h, "101", "a", "Contact: <sip:101@192.0.2.1:5070>\n"), 403);
}

/* Without configured domains every name is ours; a phone that registers its own name still may. */
static void test_any_domain(void **state)
{
    struct harness *h = *state;

    h->settings->any_domain = true;
    h->settings->domains_n = 0;
    harness_start(h);
    assert_int_equal(reg(h, "101", "a", "Contact: <sip:101@laptop.local:5060>\n"), 200);
    assert_int_equal(reg(h, "101", "a", "Contact: <sip:101@192.0.2.10>\n"), 200);
    assert_int_equal(harness_rows(h, OH_HEADER_CONTACT), 2);
    assert_int_equal(reg(h, "101", "a", "Contact: <sip:102@example.test>\n"), 403);
    assert_int_equal(reg(h, "101", "a", "Contact: <sip:101@192.0.2.1>\n"), 403);
}

/* REG-023: how many and how long. */
static void test_limits(void **state)
{
    struct harness *h = *state;
    struct oh__decision d;
    char text[4096];
    size_t n = 0;

    h->settings->contacts_max = 3;
    harness_start(h);
    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof(text), "Contact: <sip:101@192.0.2.%d>\n", 20 + i);
        assert_int_equal(reg(h, "101", "a", text), 200);
    }
    assert_int_equal(reg(h, "101", "a", "Contact: <sip:101@192.0.2.30>\n"), 403);
    assert_true(harness_has(h, "SIP/2.0 403 Too many contacts\r\n"));
    assert_true(harness_decision(h, &d));
    assert_int_equal(d.kind, OH__DECISION_REGISTER_REFUSED);
    assert_int_equal(d.code, 403);
    assert_int_equal(fetch(h, "101"), 3);
    /* One goes, one comes. */
    assert_int_equal(
        reg(h, "101", "a", "Contact: <sip:101@192.0.2.20>;expires=0, <sip:101@192.0.2.30>\n"), 200);
    for (int i = 0; i < OH__BINDINGS_PER_AOR + 1; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "Contact: <sip:102@192.0.2.%d>\n",
                              i + 20);
    assert_int_equal(reg(h, "102", "a", text), 403);
    memset(text, 'x', 600);
    memcpy(text, "Contact: <sip:", 14);
    snprintf(text + 600, sizeof(text) - 600, "@192.0.2.10>\n");
    assert_int_equal(reg(h, "102", "a", text), 413);
    assert_int_equal(fetch(h, "102"), 0);
}

static void test_table_full(void **state)
{
    struct harness *h = *state;

    h->settings->bindings_max = 1;
    harness_start(h);
    assert_int_equal(reg(h, "101", "a", "Contact: <" PHONE ">\n"), 200);
    assert_int_equal(reg(h, "102", "a", "Contact: <" PHONE ">\n"), 503);
    assert_int_equal(reg(h, "101", "a", "Contact: <" PHONE ">\n"), 200);
}

/* REG-003: Require comes first, and only what is unknown is named. path is known. */
static void test_require(void **state)
{
    struct harness *h = *state;

    harness_start(h);
    assert_int_equal(reg(h, "101", "a", "Contact: *\nRequire: foo, path, bar\n"), 420);
    assert_true(harness_has(h, "\r\nUnsupported: foo, bar\r\n"));
    assert_int_equal(reg(h, "101", "a", "Contact: <" PHONE ">\nRequire: path\n"), 200);
    /* Proxy-Require is not for a registrar. */
    assert_int_equal(reg(h, "101", "a", "Contact: <" PHONE ">\nProxy-Require: foo\n"), 200);
}

/* REG-030: Path is kept in order, and returned to whoever says that it understands it. */
static void test_path(void **state)
{
    struct harness *h = *state;
    struct oh__binding_list list;

    harness_start(h);
    assert_int_equal(reg(h, "101", "a",
                         "Path: <sip:p1.test;lr>\nPath: <sip:p2.test;lr>, <sip:p3.test;lr>\n"
                         "Supported: path\nContact: <" PHONE ">\n"),
                     200);
    assert_true(harness_has(h, "Path: <sip:p1.test;lr>,<sip:p2.test;lr>,<sip:p3.test;lr>\r\n"));
    assert_int_equal(oh__location_get(h->shared.location, OH_LIT("101@example.test"), h->env.wall,
                                      &h->s->arena, &list),
                     OH_OK);
    assert_true(
        oh_span_eq(list.v[0].path, OH_LIT("<sip:p1.test;lr>,<sip:p2.test;lr>,<sip:p3.test;lr>")));
    assert_int_equal(reg(h, "101", "a", "Path: <sip:p1.test;lr>\nContact: <" PHONE ">\n"), 200);
    assert_int_equal(harness_rows(h, OH_HEADER_PATH), 0);
    assert_int_equal(reg(h, "101", "a", "Path: <sip:p1\nContact: <" PHONE ">\n"), 400);
    /* What is kept and journaled for a binding has a bound, the Path included. */
    h->settings->contact_len_max = 40;
    assert_int_equal(reg(h, "101", "a", "Path: <sip:p1.test;lr>\nContact: <" PHONE ">\n"), 200);
    assert_int_equal(
        reg(h, "101", "a",
            "Path: <sip:p1.test;lr>, <sip:p2.test;lr>, <sip:p3.test;lr>\nContact: <" PHONE ">\n"),
        413);
}

/* What a phone behind NAT looks like, on both transports. */
static void test_nat(void **state)
{
    static const struct {
        enum oh_transport transport;
        const char *via, *contact;
        bool nat;
    } rows[] = {
        {OH_TRANSPORT_UDP, "192.0.2.10:5060", "sip:101@192.0.2.10:5060", false},
        {OH_TRANSPORT_UDP, "192.0.2.10", "sip:101@192.0.2.10", false},
        {OH_TRANSPORT_UDP, "phone.test", "sip:101@phone.test", false},
        {OH_TRANSPORT_UDP, "10.0.0.5:5060", "sip:101@192.0.2.10:5060", true},
        {OH_TRANSPORT_UDP, "192.0.2.10:5060", "sip:101@10.0.0.5:5060", true},
        {OH_TRANSPORT_UDP, "192.0.2.10:5060", "sip:101@192.0.2.10:5070", false},
        {OH_TRANSPORT_UDP, "192.0.2.10:5070", "sip:101@192.0.2.10:5060", true},
        {OH_TRANSPORT_TCP, "192.0.2.10:5070", "sip:101@192.0.2.10:5070", false},
        {OH_TRANSPORT_TCP, "192.0.2.10:5070", "sip:101@10.0.0.5:5070", true},
    };
    struct harness *h = *state;
    struct oh__binding_list list;

    harness_start(h);
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char aor[64];

        harness_clear(h);
        h->flow = harness_flow(rows[i].transport, "192.0.2.10:5060",
                               rows[i].transport == OH_TRANSPORT_TCP ? 5 : 0);
        harness_input(h,
                      "REGISTER sip:example.test SIP/2.0\nVia: SIP/2.0/%.*s %s;branch=z9hG4bKn%u\n"
                      "From: <sip:%u@example.test>;tag=f\nTo: <sip:%u@example.test>\n"
                      "Call-ID: n%u\nCSeq: 1 REGISTER\nContact: <%s>\nContent-Length: 0\n\n",
                      OH_PRI(oh_transport_text(rows[i].transport)), rows[i].via, i, i, i, i,
                      rows[i].contact);
        assert_int_equal(harness_code(h), 200);
        /* A stream that bindings use is kept open. */
        assert_int_equal(h->keeps_n, rows[i].transport == OH_TRANSPORT_TCP);
        snprintf(aor, sizeof(aor), "%u@example.test", i);
        assert_int_equal(oh__location_get(h->shared.location, oh_span_str(aor), h->env.wall,
                                          &h->s->arena, &list),
                         OH_OK);
        assert_int_equal(list.n, 1);
        if (list.v[0].nat != rows[i].nat)
            fail_msg("row %u: nat %d", i, list.v[0].nat);
        /* Row 5 receives on another port than it sends from, and says so truly. */
        struct oh_flow expected = h->flow;

        expected.peer.port = i == 5 ? 5070 : 5060;
        assert_true(oh_flow_same(&list.v[0].flow, &expected));
        /* Who takes the last of them back needs it no longer. */
        harness_clear(h);
        harness_input(h,
                      "REGISTER sip:example.test SIP/2.0\nVia: SIP/2.0/%.*s %s;branch=z9hG4bKm%u\n"
                      "From: <sip:%u@example.test>;tag=f\nTo: <sip:%u@example.test>\n"
                      "Call-ID: n%u\nCSeq: 2 REGISTER\nContact: <%s>;expires=0\n"
                      "Content-Length: 0\n\n",
                      OH_PRI(oh_transport_text(rows[i].transport)), rows[i].via, i, i, i, i,
                      rows[i].contact);
        assert_int_equal(harness_code(h), 200);
        assert_int_equal(h->keeps_n, 0);
    }
}

/* Somebody sets the system's clock: Date follows, nothing expires (decision 7). */
static void test_clock_is_set(void **state)
{
    struct harness *h = *state;

    harness_start(h);
    assert_int_equal(reg(h, "101", "a", "Contact: <" PHONE ">\nExpires: 600\n"), 200);
    h->env.jumped = 36000 * INT64_C(1000);
    assert_int_equal(reg(h, "101", "a", ""), 200);
    assert_true(harness_has(h, "Date: Fri, 15 Jan 2027 18:00:00 GMT\r\n"));
    assert_true(harness_has(h, "expires=600"));
    h->env.jumped = -36000 * INT64_C(1000);
    assert_int_equal(reg(h, "101", "a", ""), 200);
    assert_true(harness_has(h, "Date: Thu, 14 Jan 2027 22:00:00 GMT\r\n"));
}

/* A change is worth a decision, a refresh is not. */
static void test_decisions(void **state)
{
    struct harness *h = *state;
    struct oh__decision d;

    harness_start(h);
    reg(h, "101", "a", "Contact: <" PHONE ">\n");
    assert_true(harness_decision(h, &d));
    assert_int_equal(d.kind, OH__DECISION_REGISTERED);
    assert_string_equal(d.target, "101@example.test");
    assert_string_equal(d.agent, "phone/1");
    assert_non_null(strstr(d.why, PHONE));
    assert_int_equal(d.seq, 1);
    reg(h, "101", "a", "Contact: <" PHONE ">\n");
    assert_true(harness_decision(h, &d));
    assert_int_equal(d.seq, 1);
    reg(h, "101", "a", "Contact: <" PHONE ">;expires=0\n");
    assert_true(harness_decision(h, &d));
    assert_int_equal(d.kind, OH__DECISION_UNREGISTERED);
    assert_int_equal(d.seq, 2);
}

/* Quoted parameters keep their quotes; a fold in one becomes blanks; q in all its forms. */
static void test_params(void **state)
{
    struct harness *h = *state;

    harness_start(h);
    assert_int_equal(reg(h, "101", "a",
                         "Contact: \"A, B\" <" PHONE
                         "> ; x = \"a;q=1,\n b\" ;q=0.125; y ;expires=90\n"),
                     200);
    assert_true(harness_has(h, "<" PHONE ">;x=\"a;q=1,   b\";y;q=0.125;expires=90\r\n"));
    assert_int_equal(reg(h, "101", "a", "Contact: <" PHONE ">;q=0\n"), 200);
    assert_true(harness_has(h, "<" PHONE ">;q=0;expires=3600\r\n"));
    assert_int_equal(reg(h, "101", "a", "Contact: <" PHONE ">;q=1.000\n"), 200);
    assert_true(harness_has(h, "<" PHONE ">;q=1;expires=3600\r\n"));
    assert_int_equal(reg(h, "101", "a", "Contact: <" PHONE ">;q=0.070\n"), 200);
    assert_true(harness_has(h, "<" PHONE ">;q=0.07;expires=3600\r\n"));
}

/* ---- policy ---- */

struct verdict {
    int result;
    struct oh__policy_result say;
    unsigned asked;
};

static int run(void *ctx, enum oh__policy_point point, const struct oh__policy_request *request,
               struct oh_arena *arena, struct oh__policy_result *result)
{
    struct verdict *v = ctx;

    assert_non_null(arena);
    assert_int_equal(point, OH__POLICY_ON_REGISTER);
    assert_true(oh_span_eq(request->user, OH_LIT("101")));
    assert_true(oh_span_eq(request->domain, OH_LIT("example.test")));
    assert_true(request->local && request->trusted);
    v->asked++;
    *result = v->say;
    return v->result;
}

/* REG-027, REG-016: the policy answers in our place, but never with 6xx; its failure is ours. */
static void test_policy(void **state)
{
    struct harness *h = *state;
    struct verdict v = {.say = {.verdict = OH__POLICY_PASS}};
    struct oh__policy policy = {&v, run};

    h->settings->has_on_register = true;
    h->env.policy = &policy;
    harness_start(h);
    assert_int_equal(reg(h, "101", "a", "Contact: <" PHONE ">\n"), 200);
    v.say = (struct oh__policy_result){.verdict = OH__POLICY_REPLY,
                                       .code = 302,
                                       .reason = OH_LIT("Over There"),
                                       .headers = OH_LIT("Contact: <sip:r2.example.test>\r\n")};
    assert_int_equal(reg(h, "101", "a", "Contact: <sip:101@192.0.2.11>\n"), 302);
    assert_true(harness_has(h, "SIP/2.0 302 Over There\r\n"));
    assert_true(harness_has(h, "\r\nContact: <sip:r2.example.test>\r\n"));
    v.say.code = 603;
    assert_int_equal(reg(h, "101", "a", "Contact: <sip:101@192.0.2.11>\n"), 403);
    v.say.verdict = OH__POLICY_ROUTE;
    assert_int_equal(reg(h, "101", "a", "Contact: <sip:101@192.0.2.11>\n"), 500);
    v.result = OH_E_TIMEOUT;
    assert_int_equal(reg(h, "101", "a", "Contact: <sip:101@192.0.2.11>\n"), 500);
    assert_int_equal(h->s->stats.policy_failures, 2);
    assert_int_equal(v.asked, 5);
    h->env.policy = NULL;
    assert_int_equal(fetch(h, "101"), 1);
}

/* ---- the journal ---- */

/* REG-012, REG-028: 200 leaves after the commit only; a question need not wait. */
static void test_durable(void **state)
{
    struct oh__store_options options = {.workers = 1};
    struct harness *h = *state;
    struct oh__store *store;
    char why[OH__STORE_WHY];

    assert_int_equal(oh__store_open(&options, &store, why), OH_OK);
    harness_start(h);
    h->env.journal = oh__store_journal(store, 0);
    assert_int_equal(reg(h, "101", "a", "Contact: <" PHONE ">\n"), 200);
    assert_true(h->sends[0].durable);
    assert_int_equal(fetch(h, "101"), 1);
    assert_false(h->sends[0].durable);
    cseq = 0;
    assert_int_equal(reg(h, "101", "a", "Contact: <" PHONE ">\n"), 200);
    assert_true(h->sends[0].durable);
    assert_int_equal(reg(h, "101", "a", "Contact: <" PHONE ">;expires=3\n"), 423);
    assert_false(h->sends[0].durable);
    h->env.journal = NULL;
    assert_int_equal(reg(h, "101", "a", "Contact: <" PHONE ">\n"), 200);
    assert_false(h->sends[0].durable);
    oh__store_close(store);
}

/* Memory that grows only with load: a refresh and a refusal ask the heap for nothing. */
static void test_no_heap(void **state)
{
    struct harness *h = *state;
    size_t calls;

    harness_start(h);
    for (int i = 0; i < 4; i++)
        reg(h, "101", "a", "Contact: <" PHONE ">\n");
    calls = h->heap.calls;
    for (int i = 0; i < 100; i++)
        assert_int_equal(reg(h, "101", "a", "Contact: <" PHONE ">\n"), 200);
    for (int i = 0; i < 100; i++)
        assert_int_equal(reg(h, "101", "a", "Contact: <" PHONE ">;q=2\n"), 400);
    assert_int_equal(h->heap.calls, calls);
}

/* Whichever allocation fails, there is one answer, and it tells the truth about what is registered.
 */
static void test_memory_fails(void **state)
{
    struct harness *h = *state;
    char rows[128];

    harness_start(h);
    for (unsigned n = 1;; n++) {
        size_t failed = h->heap.failed;
        char user[16];

        snprintf(user, sizeof(user), "m%u", n);
        snprintf(rows, sizeof(rows), "Contact: <sip:%s@192.0.2.10>\n", user);
        test_heap_fail(&h->heap, n);
        unsigned code = reg(h, user, "a", rows);

        test_heap_fail(&h->heap, 0);
        if (code != 0 && code != 200 && code != 500 && code != 503)
            fail_msg("allocation %u: %u", n, code);
        assert_int_equal(fetch(h, user), code == 200);
        if (h->heap.failed == failed)
            break;
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_register),       TEST(test_fetch),
        TEST(test_expires),        TEST(test_never_brief),
        TEST(test_star),           TEST(test_to),
        TEST(test_user_in_uri),    TEST(test_cseq),
        TEST(test_all_or_nothing), TEST(test_no_contact_at_all),
        TEST(test_not_home),       TEST(test_any_domain),
        TEST(test_same_host),      TEST(test_limits),
        TEST(test_table_full),     TEST(test_require),
        TEST(test_path),           TEST(test_nat),
        TEST(test_clock_is_set),   TEST(test_decisions),
        TEST(test_params),         TEST(test_policy),
        TEST(test_durable),        TEST(test_no_heap),
        TEST(test_memory_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
