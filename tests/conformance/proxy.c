/*
 * The proxy on one branch (RFC 3261 16): what it checks, whom it lets pass,
 * what it changes and, above all, what it leaves as it is. forking.c has what
 * concerns several branches.
 */
#include <stdio.h>

#include "harness.h"

#define CALLER "192.0.2.10:5060"
#define PHONE  "192.0.2.20:5060"
#define FAR    "192.0.2.99:5060"

static struct peer *caller(struct world *w)
{
    return peer_new(w, CALLER, "alice");
}

/* Somebody at an address outside, known as other.test. */
static struct peer *far_away(struct world *w)
{
    network_name(w, "other.test", "192.0.2.99");
    return peer_new(w, FAR, "far");
}

static const char *value(const struct oh_msg *m, enum oh_header_id id, unsigned i)
{
    return text_of(message_value(m, id, i));
}

/* "<uri>;params" without what stands round the URI. */
static const char *bare(const char *bracketed)
{
    const char *end = strchr(bracketed, '>');

    return text_of(oh_span(bracketed + 1, end ? (size_t)(end - bracketed - 1) : 0));
}

/* Ends what the peer was asked, so that the case leaves nothing. */
static void refuse(struct peer *p, const struct oh_msg *request)
{
    peer_reply(p, request, 486, "");
}

/* A call from alice to bob; returns what bob got. */
static const struct oh_msg *call(struct peer *alice, struct peer *bob, const char *rows)
{
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test", .rows = rows);
    return peer_expect(bob, "INVITE");
}

/* ---- 16.3: checks ---- */

/*
 * RFC 3261 16.3 in its order, each time one fault fewer. The loop check stands
 * behind authentication, because RFC 5393 4.2 made it a step of forwarding.
 */
static void order_of_checks(struct world *w)
{
    struct peer *alice = caller(w), *bob;

    accounts(w);
    bob = phone(w, PHONE, "bob");
    peer_forget(bob);
    ASK(alice, .method = "INVITE", .uri = "nobodyknows:bob", .to = "sip:bob@example.test",
        .from = "-", .max_forwards = "0", .rows = "Proxy-Require: foo\n");
    peer_expect(alice, "400");
    ASK(alice, .method = "INVITE", .uri = "nobodyknows:bob", .to = "sip:bob@example.test",
        .max_forwards = "0", .rows = "Proxy-Require: foo\n");
    answer(alice, "416");
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test", .max_forwards = "0",
        .rows = "Proxy-Require: foo\n");
    answer(alice, "483");
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test", .rows = "Proxy-Require: foo\n");
    answer(alice, "420");
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    answer(alice, "407");
    CHECK(w, peer_count(bob, "") == 0);
    ASK_AS(alice, "alice", .method = "INVITE", .uri = "sip:bob@example.test", .call = "good");
    refuse(bob, peer_expect(bob, "INVITE"));
    answer(alice, "486");
}

static void passes_the_unknown(struct world *w)
{
    struct peer *alice = caller(w), *bob = phone(w, PHONE, "bob");
    const struct oh_msg *m;

    ASK(alice, .method = "BREW", .uri = "sip:bob@example.test",
        .rows = "Require: nothingSupportsThis, nothingSupportsThisEither\n"
                "X-Header: anything;at=all\nContent-Type: x/y\nContent-Encoding: z\n",
        .body = "\x01\x02\xff");
    m = peer_expect(bob, "BREW");
    CHECK(w, message_has(m, "Require: nothingSupportsThis, nothingSupportsThisEither\r\n"));
    CHECK(w, message_has(m, "X-Header: anything;at=all\r\n"));
    CHECK(w, oh_span_eq(m->body, OH_LIT("\x01\x02\xff")));
    peer_reply(bob, m, 200, "");
    answer(alice, "200 BREW");
}

/* The same request on two ways is the business of the one who is called. */
static void passes_merged(struct world *w)
{
    struct peer *alice = caller(w), *bob = phone(w, PHONE, "bob");

    for (unsigned i = 0; i < 2; i++)
        ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test", .call = "merged",
            .branch = i ? "z9hG4bKtwo" : "z9hG4bKone");
    peer_reply(bob, peer_expect(bob, "MESSAGE"), 200, "");
    peer_reply(bob, peer_expect(bob, "MESSAGE"), 482, "");
    peer_expect(alice, "200");
    peer_expect(alice, "482");
}

static void no_hops_left(struct world *w)
{
    struct peer *alice = caller(w), *bob = phone(w, PHONE, "bob");

    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test", .max_forwards = "0");
    answer(alice, "483");
    ASK(alice, .method = "OPTIONS", .uri = "sip:bob@example.test", .max_forwards = "0");
    answer(alice, "483");
    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test", .max_forwards = "0");
    answer(alice, "200");
    peer_none(bob, "INVITE", 1000);
}

static void proxy_require(struct world *w)
{
    struct peer *alice = caller(w), *bob = phone(w, PHONE, "bob");
    const struct oh_msg *m;

    ASK(alice, .method = "OPTIONS", .uri = "sip:bob@example.test",
        .rows = "Require: nothingSupportsThis\nProxy-Require: noProxiesSupportThis, andNotThis\n"
                "Proxy-Require: norThis\n");
    m = answer(alice, "420");
    CHECK(w, message_values(m, OH_HEADER_UNSUPPORTED) == 3);
    CHECK(w, strcmp(value(m, OH_HEADER_UNSUPPORTED, 0), "noProxiesSupportThis") == 0);
    CHECK(w, strcmp(value(m, OH_HEADER_UNSUPPORTED, 2), "norThis") == 0);
    CHECK(w, !message_has(m, "nothingSupportsThis"));
    peer_none(bob, "OPTIONS", 1000);
}

static void own_credentials_are_consumed(struct world *w)
{
    static const char other[] = "Proxy-Authorization: Digest username=\"a\", realm=\"far\"\n";
    struct peer *alice = caller(w), *bob;
    const struct oh_msg *m;

    accounts(w);
    bob = phone(w, PHONE, "bob");
    ASK_AS(alice, "alice", .method = "INVITE", .uri = "sip:bob@example.test", .call = "c",
           .rows = other);
    m = peer_expect(bob, "INVITE");
    CHECK(w, message_rows(m, OH_HEADER_PROXY_AUTHORIZATION) == 1);
    CHECK(w, message_has(m, "Proxy-Authorization: Digest username=\"a\", realm=\"far\"\r\n"));
    refuse(bob, m);
    answer(alice, "486");
}

#define BROKE                                                                      \
    CLOSED "function on_call(r)\n"                                                 \
           "  if r.account == 'carol@example.test' then return reply{ 402 } end\n" \
           "end\n"

static void who_may_call(struct world *w)
{
    struct peer *alice = caller(w), *carol = peer_new(w, "192.0.2.11:5060", "carol");
    struct peer *barred = peer_new(w, "192.0.2.12:5060", "barred"), *bob;

    accounts(w);
    bob = phone(w, PHONE, "bob");
    ASK_AS(alice, "alice", .method = "INVITE", .uri = "sip:bob@example.test", .call = "1",
           .from = "sip:bob@example.test");
    answer(alice, "403");
    ASK_AS(barred, "barred", .method = "INVITE", .uri = "sip:bob@example.test", .call = "2");
    answer(barred, "403");
    ASK_AS(carol, "carol", .method = "INVITE", .uri = "sip:bob@example.test", .call = "3");
    answer(carol, "402");
    peer_none(bob, "INVITE", 1000);
    ASK_AS(alice, "alice", .method = "INVITE", .uri = "sip:bob@example.test", .call = "4",
           .from = "sip:anonymous@anonymous.invalid");
    refuse(bob, peer_expect(bob, "INVITE"));
    answer(alice, "486");
}

/* ---- 16.4, 16.5: routes and targets ---- */

/* A call that was answered, seen from alice. */
static void talk(struct peer *alice, struct peer *bob, struct peer_dialog *d)
{
    const struct oh_msg *m;

    peer_reply(bob, call(alice, bob, ""), 200, "");
    m = peer_expect(alice, "200 INVITE");
    peer_ack(alice, m);
    peer_expect(bob, "ACK");
    peer_dialog_caller(alice, m, d);
}

/* Takes the URI of the i-th value of "Route: <...>\nRoute: <...>\n" or of one row with commas. */
static const char *route_at(struct world *w, const char *routes, unsigned i)
{
    const char *at = strchr(routes, '<');

    while (i-- && at)
        at = strchr(at + 1, '<');
    CHECK(w, at != NULL);
    return bare(at);
}

static void strict_upstream(struct world *w)
{
    struct peer *alice = caller(w), *bob = phone(w, PHONE, "bob");
    struct peer_dialog d;
    const struct oh_msg *m;
    char rows[1024];

    talk(alice, bob, &d);
    snprintf(rows, sizeof rows, "Route: <%s>, <%s>\n", route_at(w, d.routes, 1), d.target);
    ASK(alice, .method = "BYE", .uri = route_at(w, d.routes, 0), .to = "sip:bob@example.test",
        .to_tag = "t-bob", .call = d.call, .cseq = 2, .rows = rows);
    m = peer_expect(bob, "BYE");
    CHECK(w, oh_span_eq(m->uri, oh_span_str(d.target)));
    CHECK(w, message_rows(m, OH_HEADER_ROUTE) == 0);
    peer_reply(bob, m, 200, "");
    peer_expect(alice, "200 BYE");
}

static void own_routes_and_maddr(struct world *w)
{
    struct peer *alice = caller(w), *bob = phone(w, PHONE, "bob"), *far = far_away(w);
    const struct oh_msg *m;
    struct peer_dialog d;

    m = call(alice, bob, "Route: <sip:192.0.2.1;lr>, <sip:example.test;lr>\n");
    CHECK(w, message_rows(m, OH_HEADER_ROUTE) == 0);
    refuse(bob, m);
    answer(alice, "486");
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test;maddr=192.0.2.1");
    m = peer_expect(bob, "INVITE");
    CHECK(w, oh_span_eq(m->uri, OH_LIT("sip:bob@192.0.2.20:5060")));
    refuse(bob, m);
    answer(alice, "486");
    ASK(alice, .method = "INVITE", .uri = "sip:x@other.test;a=b/[c];maddr=192.0.2.1;c");
    m = peer_expect(far, "INVITE");
    CHECK(w, oh_span_eq(m->uri, OH_LIT("sip:x@other.test;a=b/[c];c")));
    refuse(far, m);
    answer(alice, "486");
    /* Both values of the double Record-Route go when the BYE comes back. */
    talk(alice, bob, &d);
    peer_dialog_request(alice, &d, "BYE", "");
    m = peer_expect(bob, "BYE");
    CHECK(w, message_rows(m, OH_HEADER_ROUTE) == 0);
    peer_reply(bob, m, 200, "");
    peer_expect(alice, "200 BYE");
}

static void foreign_target(struct world *w)
{
    struct peer *alice = caller(w), *far = far_away(w);
    const struct oh_msg *m;

    accounts(w);
    ASK(alice, .method = "INVITE", .uri = "sip:x@other.test");
    answer(alice, "407");
    peer_none(far, "", 1000);
    ASK_AS(alice, "alice", .method = "INVITE", .uri = "sip:x@other.test", .call = "c");
    m = peer_expect(far, "INVITE");
    CHECK(w, oh_span_eq(m->uri, OH_LIT("sip:x@other.test")));
    refuse(far, m);
    answer(alice, "486");
}

#define WELCOMING                                               \
    "listen = { 'udp:192.0.2.1:5060', 'tcp:192.0.2.1:5060' }\n" \
    "domains = { { 'example.test', accept_foreign = true } }\n"

/* Strangers may call our users, and nobody else through us. */
static void no_open_relay(struct world *w)
{
    struct peer *stranger = peer_new(w, CALLER, "stranger"), *far = far_away(w), *bob;
    static const char *const from = "sip:stranger@third.test";
    unsigned code;

    accounts(w);
    bob = phone(w, PHONE, "bob");
    ASK(stranger, .method = "INVITE", .uri = "sip:bob@example.test", .from = from);
    refuse(bob, peer_expect(bob, "INVITE"));
    answer(stranger, "486");
    ASK(stranger, .method = "INVITE", .uri = "sip:x@other.test", .from = from);
    code = answer(stranger, "4xx")->status;
    CHECK_SAY(w, code == 403 || code == 407, "%u", code);
    ASK(stranger, .method = "INVITE", .uri = "sip:bob@example.test", .from = from,
        .rows = "Route: <sip:192.0.2.99;lr>\n");
    code = answer(stranger, "4xx")->status;
    CHECK_SAY(w, code == 403 || code == 407, "%u", code);
    ASK(stranger, .method = "INVITE", .uri = "sip:bob@example.test", .from = from,
        .rows = "Route: <sip:192.0.2.1;lr>, <sip:192.0.2.99;lr>\n");
    code = answer(stranger, "4xx")->status;
    CHECK_SAY(w, code == 403 || code == 407, "%u", code);
    peer_none(far, "", 10000);
}

#define AMBIGUOUS                                                              \
    OPEN "function on_call(r)\n"                                               \
         "  if r.user == 'lee' then\n"                                         \
         "    return reply{ 485, contacts = { 'sip:carol.lee@example.test',\n" \
         "                                    'sip:p.lee@example.test' } }\n"  \
         "  end\n"                                                             \
         "end\n"

static void nobody_there(struct world *w)
{
    static const struct {
        const char *uri, *code, *why;
    } list[] = {{"sip:nobody@example.test", "404", "nobody"},
                {"sip:noreg@example.test", "480", "not registered"},
                {"sip:gone@example.test", "410", "removed"}};
    struct peer *alice = caller(w);

    accounts(w);
    for (unsigned i = 0; i < 3; i++) {
        ASK(alice, .method = "INVITE", .uri = list[i].uri);
        answer(alice, list[i].code);
        CHECK_SAY(w, told(w, list[i].why), "%s is not explained", list[i].code);
    }
    ASK(alice, .method = "INVITE", .uri = "sip:lee@example.test");
    CHECK(w, message_values(answer(alice, "485"), OH_HEADER_CONTACT) == 2);
}

/* The number plan of requirements 0.1 as an administrator writes it. */
#define PLAN                                                                     \
    OPEN "function on_call(r)\n"                                                 \
         "  local number = r.user or ''\n"                                       \
         "  if number:sub(1, 1) ~= '+' then return end\n"                        \
         "  local plan = '+8610555'\n"                                           \
         "  if number:sub(1, #plan) == plan then\n"                              \
         "    if #number < 12 then return reply{ 484 } end\n"                    \
         "    if number:sub(1, 9) == '+86105559' then return reply{ 604 } end\n" \
         "    return route{ 'sip:' .. number .. '@192.0.2.99' }\n"               \
         "  end\n"                                                               \
         "  if plan:sub(1, #number) == number then return reply{ 484 } end\n"    \
         "  return reply{ 404 }\n"                                               \
         "end\n"

static void number_plan(struct world *w)
{
    static const struct {
        const char *uri, *code;
    } list[] = {{"tel:+8610555", "484"},
                {"sip:+86105@example.test", "484"},
                {"tel:+86-10-5559-1234", "604"},
                {"tel:+99", "404"}};
    struct peer *alice = caller(w), *far = peer_new(w, FAR, "far");
    const struct oh_msg *m;

    for (unsigned i = 0; i < 4; i++) {
        ASK(alice, .method = "INVITE", .uri = list[i].uri, .to = "sip:x@example.test");
        answer(alice, list[i].code);
    }
    ASK(alice, .method = "INVITE", .uri = "tel:+86-10-5551-2345", .to = "sip:x@example.test");
    m = peer_expect(far, "INVITE");
    CHECK(w, oh_span_eq(m->uri, OH_LIT("sip:+861055512345@192.0.2.99")));
    refuse(far, m);
    answer(alice, "486");
}

/* ---- 16.6: what changes in a request ---- */

/* Every row of the first message stands in the second, to the byte and in this order, apart from
 * Via, Max-Forwards and Max-Breadth. */
static void same_rows(struct world *w, const char *sent, const struct oh_msg *got)
{
    const char *at = got->raw.p, *end = got->raw.p + got->body_at;

    for (const char *line = strchr(sent, '\n'); line && line[1] != '\n';
         line = strchr(line + 1, '\n')) {
        const char *row = line + 1;
        size_t n = strcspn(row, "\n");

        if (strncmp(row, "Via", 3) == 0 || strncmp(row, "Max-Forwards", 12) == 0)
            continue;
        while (at + n <= end && memcmp(at, row, n) != 0)
            at++;
        CHECK_SAY(w, at + n <= end && at[-1] == '\n' && at[n] == '\r',
                  "row not there, or not in its place: %.*s", (int)n, row);
        at += n;
    }
}

static void copied_faithfully(struct world *w)
{
    static const char text[] =
        "INVITE sip:bob@example.test SIP/2.0\n"
        "X-First:   odd   spacing  ,here\n"
        "t: \"Bob, \\\"the\\\" Builder\" <sip:bob@example.test;x=1>\n"
        "FROM: <sip:alice@example.test> ;tag=1\n"
        "Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKcopy;rport\n"
        "Via: SIP/2.0/TCP [2001:db8::1]:99;received=192.0.2.7;rport=7 ;branch=old,SIP/2.0/UDP a.b\n"
        "i: copy@x\n"
        "Subject: folded\n"
        "  subject\n"
        "cseq:    1   INVITE\n"
        "Max-Forwards: 20\n"
        "m: <sip:alice@192.0.2.10?x=y>;p=\"a;b\"\n"
        "x-FIRST: again\n"
        "Accept: */*;q=0.1\n"
        "X-Empty:\n"
        "c: text/plain\n"
        "l: 12\n"
        "\n";
    struct peer *alice = caller(w), *bob = phone(w, PHONE, "bob");
    const struct oh_msg *m;

    peer_send(alice, "%shello\t\x80world", text);
    m = peer_expect(bob, "INVITE");
    same_rows(w, text, m);
    CHECK(w, oh_span_eq(m->uri, OH_LIT("sip:bob@192.0.2.20:5060")));
    CHECK(w, oh_span_eq(m->body, OH_LIT("hello\t\x80world")));
    CHECK(w, m->max_forwards == 19);
    CHECK(w, message_values(m, OH_HEADER_VIA) == 4);
    CHECK(w, text_has(value(m, OH_HEADER_VIA, 1), "branch=z9hG4bKcopy;rport=5060"));
    CHECK(w, text_has(value(m, OH_HEADER_VIA, 1), ";received=192.0.2.10"));
    CHECK(w, strcmp(value(m, OH_HEADER_VIA, 2),
                    "SIP/2.0/TCP [2001:db8::1]:99;received=192.0.2.7;rport=7 ;branch=old") == 0);
    peer_reply(bob, m, 486, "");
    peer_expect(alice, "486");
    leave_unfinished(w);
}

static void request_uri_is_the_target(struct world *w)
{
    struct peer *alice = caller(w), *bob = peer_new(w, PHONE, "bob");
    const struct oh_msg *m;

    registers(bob, "bob", "", 1, "<sip:bob@192.0.2.20;transport=udp;ob;x=\"y\";method=INVITE?h=v>",
              "");
    peer_expect(bob, "");
    registers(bob, "bob", "", 2, "<sip:b%6fb@192.0.2.20;transport=udp;x=a/b:[c]&d;ob?Subject=x>",
              "");
    answer(bob, "200");
    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test", .max_forwards = "-");
    m = peer_expect(bob, "MESSAGE");
    CHECK(w, oh_span_eq(m->uri, OH_LIT("sip:b%6fb@192.0.2.20;transport=udp;x=a/b:[c]&d;ob")));
    CHECK(w, m->max_forwards == 70);
    peer_reply(bob, m, 200, "");
    answer(alice, "200");
}

static void record_route(struct world *w)
{
    static const struct {
        const char *method;
        bool wanted;
    } list[] = {{"INVITE", true},   {"SUBSCRIBE", true}, {"REFER", true},   {"BREW", true},
                {"PUBLISH", false}, {"MESSAGE", false},  {"OPTIONS", false}};
    struct peer *alice = caller(w), *bob = phone(w, PHONE, "bob");

    for (unsigned i = 0; i < sizeof list / sizeof list[0]; i++) {
        ASK(alice, .method = list[i].method, .uri = "sip:bob@example.test",
            .rows = "Event: x\nRefer-To: <sip:x@y>\nRecord-Route: <sip:192.0.2.77;lr>\n");
        const struct oh_msg *m = peer_expect(bob, list[i].method);
        unsigned n = message_values(m, OH_HEADER_RECORD_ROUTE);

        CHECK_SAY(w, list[i].wanted ? n > 1 : n == 1, "%s has %u values", list[i].method, n);
        CHECK(w, strcmp(value(m, OH_HEADER_RECORD_ROUTE, n - 1), "<sip:192.0.2.77;lr>") == 0);
        for (unsigned k = 0; k + 1 < n; k++) {
            const char *ours = value(m, OH_HEADER_RECORD_ROUTE, k);

            CHECK_SAY(w, text_has(ours, "@192.0.2.1:5060") && text_has(ours, ";lr>"), "%s", ours);
        }
        peer_reply(bob, m, 486, "");
        answer(alice, "486");
    }
}

/* Inside a dialog nothing is recorded again. */
static void no_record_route_inside(struct world *w)
{
    struct peer *alice = caller(w), *bob = phone(w, PHONE, "bob");
    struct peer_dialog d;
    const struct oh_msg *m;

    talk(alice, bob, &d);
    peer_dialog_request(alice, &d, "UPDATE", "");
    m = peer_expect(bob, "UPDATE");
    CHECK(w, message_rows(m, OH_HEADER_RECORD_ROUTE) == 0);
    peer_reply(bob, m, 200, "");
    peer_expect(alice, "200 UPDATE");
}

static void next_hop_from_route(struct world *w)
{
    struct peer *alice = caller(w), *hop = peer_new(w, "192.0.2.40:5060", "hop");
    const struct oh_msg *m;

    ASK(alice, .method = "INVITE", .uri = "sip:x@other.test",
        .rows = "Route: <sip:192.0.2.1;lr>, <sip:192.0.2.40;lr>, <sip:192.0.2.41;lr>\n");
    m = peer_expect(hop, "INVITE");
    CHECK(w, oh_span_eq(m->uri, OH_LIT("sip:x@other.test")));
    CHECK(w, message_values(m, OH_HEADER_ROUTE) == 2);
    CHECK(w, strcmp(value(m, OH_HEADER_ROUTE, 0), "<sip:192.0.2.40;lr>") == 0);
    refuse(hop, m);
    answer(alice, "486");
}

static void strict_downstream(struct world *w)
{
    struct peer *alice = caller(w), *hop = peer_new(w, "192.0.2.40:5060", "hop");
    const struct oh_msg *m;

    ASK(alice, .method = "INVITE", .uri = "sip:x@other.test;p=1",
        .rows = "Route: <sip:192.0.2.1;lr>, <sip:192.0.2.40;q=2>, <sip:192.0.2.41;lr>\n");
    m = peer_expect(hop, "INVITE");
    CHECK(w, oh_span_eq(m->uri, OH_LIT("sip:192.0.2.40;q=2")));
    CHECK(w, message_values(m, OH_HEADER_ROUTE) == 2);
    CHECK(w, strcmp(value(m, OH_HEADER_ROUTE, 0), "<sip:192.0.2.41;lr>") == 0);
    CHECK(w, strcmp(value(m, OH_HEADER_ROUTE, 1), "<sip:x@other.test;p=1>") == 0);
    refuse(hop, m);
    answer(alice, "486");
}

/* ---- 16.7: responses ---- */

static void hundred(struct world *w)
{
    struct peer *alice = caller(w), *bob = phone(w, PHONE, "bob");
    const struct oh_msg *m = call(alice, bob, "");

    check_reply(alice, peer_expect(alice, "100"));
    peer_reply(bob, m, 100, "");
    peer_reply(bob, m, 180, "");
    peer_expect(alice, "180");
    CHECK(w, peer_count(alice, "100") == 1);
    refuse(bob, m);
    answer(alice, "486");
    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test");
    m = peer_expect(bob, "MESSAGE");
    peer_reply(bob, m, 100, "");
    peer_reply(bob, m, 200, "");
    answer(alice, "200 MESSAGE");
    CHECK(w, peer_count(alice, "1xx MESSAGE") == 0);
}

static void unmatched_responses(struct world *w)
{
    struct peer *alice = caller(w), *bob = phone(w, PHONE, "bob");
    const struct oh_msg *m;

    m = call(alice, bob, "");
    peer_expect(alice, "100");
    /* Our Via alone: there is nobody to send it to. */
    peer_send(bob,
              "SIP/2.0 180 Ringing\nVia: %s\nFrom: <sip:a@b>;tag=1\nTo: <sip:c@d>;tag=2\n"
              "Call-ID: %s\nCSeq: 1 INVITE\nContent-Length: 0\n\n",
              value(m, OH_HEADER_VIA, 0), text_of(m->call_id));
    /* A branch that nobody has, on top of a Via that leads to alice. */
    peer_send(bob,
              "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKinvented\nVia: %s\n"
              "From: <sip:a@b>;tag=1\nTo: <sip:c@d>;tag=2\nCall-ID: %s\nCSeq: 1 INVITE\n"
              "Content-Length: 0\n\n",
              value(m, OH_HEADER_VIA, 1), text_of(m->call_id));
    /* Somebody else's Via on top. */
    peer_send(bob,
              "SIP/2.0 486 Busy\nVia: SIP/2.0/UDP 192.0.2.3:5060;branch=z9hG4bKx\nVia: %s\n"
              "Via: %s\nFrom: <sip:a@b>;tag=1\nTo: <sip:c@d>;tag=2\nCall-ID: %s\n"
              "CSeq: 1 INVITE\nContent-Length: 0\n\n",
              value(m, OH_HEADER_VIA, 0), value(m, OH_HEADER_VIA, 1), text_of(m->call_id));
    peer_none(alice, "", 100);
    refuse(bob, m);
    answer(alice, "486");
}

/* A phone that answers without the caller's Via must not leave the caller waiting for ever. */
static void final_without_via(struct world *w)
{
    static const char *const starts[] = {"486 Busy", "407 Who", "302 There"};
    struct peer *alice = caller(w), *bob = phone(w, PHONE, "bob");

    for (unsigned i = 0; i < 3; i++) {
        const struct oh_msg *m = call(alice, bob, "");

        peer_send(bob,
                  "SIP/2.0 %s\nVia: %s\nFrom: <sip:a@b>;tag=1\nTo: <sip:c@d>;tag=2\n"
                  "Call-ID: %s\nCSeq: 1 INVITE\nContent-Length: 0\n\n",
                  starts[i], value(m, OH_HEADER_VIA, 0), text_of(m->call_id));
        peer_expect(alice, "100");
        m = peer_expect(alice, "");
        check_reply(alice, m);
        CHECK_SAY(w, m->status >= 400, "%u", m->status);
        peer_ack(alice, m);
    }
}

static void replayed_response(struct world *w)
{
    struct peer *alice = caller(w), *bob = phone(w, PHONE, "bob");
    const struct oh_msg *m;

    ASK(alice, .method = "MESSAGE", .uri = "sip:bob@example.test");
    m = peer_expect(bob, "MESSAGE");
    peer_reply(bob, m, 200, "");
    answer(alice, "200");
    peer_reply(bob, m, 200, "");
    peer_reply(bob, m, 486, "");
    world_run(w, 60000);
    peer_reply(bob, m, 200, "");
    peer_none(alice, "", 1000);
}

static void own_via_removed(struct world *w)
{
    struct peer *alice = caller(w), *bob = phone(w, PHONE, "bob");
    const struct oh_msg *m;
    char rows[1024];

    m = call(alice, bob, "");
    CHECK(w, message_values(m, OH_HEADER_VIA) == 2);
    snprintf(rows, sizeof rows,
             "X-Odd :  a ,b\nServer: (odd)  x\nContent-Type: a/b\nWarning: 399 x "
             "\"y\"\n");
    peer_reply_as(bob, m, 183, "t", rows, "early\x80\n");
    m = answer(alice, "183");
    CHECK(w, message_values(m, OH_HEADER_VIA) == 1);
    CHECK(w, message_has(m, "X-Odd :  a ,b\r\nServer: (odd)  x\r\nContent-Type: a/b\r\n"));
    CHECK(w, oh_span_eq(m->body, OH_LIT("early\x80\r\n")));
    CHECK(w, text_has(value(m, OH_HEADER_VIA, 0), "received=192.0.2.10") ||
                 text_has(value(m, OH_HEADER_VIA, 0), "rport=5060"));
    refuse(bob, peer_last(bob, "INVITE"));
    answer(alice, "486");
}

/* received and rport of the hops before the one that sent to us come back as they went out. */
static void other_hops_kept(struct world *w)
{
    struct peer *alice = caller(w), *bob = phone(w, PHONE, "bob");
    const struct oh_msg *m;

    peer_send(alice, "MESSAGE sip:bob@example.test SIP/2.0\n"
                     "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKa\n"
                     "Via: SIP/2.0/TCP 10.1.1.1:99 ;received=192.0.2.7;rport=7;branch=z9hG4bKb\n"
                     "Max-Forwards: 70\nFrom: <sip:a@b>;tag=1\nTo: <sip:bob@example.test>\n"
                     "Call-ID: hops\nCSeq: 1 MESSAGE\nContent-Length: 0\n\n");
    m = peer_expect(bob, "MESSAGE");
    peer_reply(bob, m, 200, "");
    m = peer_expect(alice, "200");
    CHECK(w, message_values(m, OH_HEADER_VIA) == 2);
    CHECK(w, strcmp(value(m, OH_HEADER_VIA, 1),
                    "SIP/2.0/TCP 10.1.1.1:99 ;received=192.0.2.7;rport=7;branch=z9hG4bKb") == 0);
}

static void lone_503(struct world *w)
{
    struct peer *alice = caller(w), *bob = phone(w, PHONE, "bob");

    peer_reply(bob, call(alice, bob, ""), 503, "Retry-After: 60\n");
    answer(alice, "500");
    CHECK(w, peer_count(alice, "503") == 0);
}

static void dns_alternates_first(struct world *w)
{
    struct peer *alice = caller(w), *first = peer_new(w, "192.0.2.91:5060", "first");
    struct peer *second = peer_new(w, "192.0.2.92:5060", "second");
    const struct oh_msg *m;
    struct oh_via one, two;

    network_name(w, "pair.test", "192.0.2.91 192.0.2.92");
    ASK(alice, .method = "INVITE", .uri = "sip:x@pair.test");
    m = peer_expect(first, "INVITE");
    one = m->via;
    peer_reply(first, m, 503, "");
    m = peer_expect(second, "INVITE");
    two = m->via;
    CHECK(w, !oh_span_eq(one.branch, two.branch));
    refuse(second, m);
    answer(alice, "486");
}

static void transport_error(struct world *w)
{
    struct peer *alice = caller(w), *bob = phone(w, PHONE, "bob");

    peer_silence(bob, true);
    network_refuse(w, PHONE);
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test");
    answer(alice, "500");
}

/* ---- ACK, dialogs ---- */

static void ack_of_2xx(struct world *w)
{
    struct peer *alice = caller(w), *bob = phone(w, PHONE, "bob");
    const struct oh_msg *m, *invite = call(alice, bob, ""), *ack;

    peer_reply(bob, invite, 200, "");
    m = peer_expect(alice, "200");
    peer_ack(alice, m);
    ack = peer_expect(bob, "ACK");
    CHECK(w, !oh_span_eq(ack->via.branch, invite->via.branch));
    CHECK(w, oh_span_eq(ack->uri, OH_LIT("sip:bob@192.0.2.20:5060")));
    CHECK(w, message_rows(ack, OH_HEADER_ROUTE) == 0 && ack->max_forwards == 69);
    peer_reply(bob, invite, 200, ""); /* the ACK seems lost */
    m = peer_expect(alice, "200");
    peer_ack(alice, m);
    peer_expect(bob, "ACK");
    CHECK(w, peer_count(bob, "ACK") == 2);
}

static void ack_of_refusal(struct world *w)
{
    struct peer *alice = caller(w), *bob = phone(w, PHONE, "bob");
    const struct oh_msg *invite = call(alice, bob, ""), *ack;

    refuse(bob, invite);
    ack = peer_expect(bob, "ACK");
    CHECK(w, oh_span_eq(ack->via.branch, invite->via.branch));
    answer(alice, "486");
    world_run(w, 40000);
    CHECK(w, peer_count(bob, "ACK") == 1);
    CHECK(w, peer_count(alice, "486") == 1);
}

static void strange_bye(struct world *w)
{
    struct peer *alice = caller(w), *mallory = peer_new(w, "192.0.2.66:5060", "mallory"), *bob;
    struct peer_dialog d;
    const struct oh_msg *m;
    unsigned code;
    char rows[1024];

    accounts(w);
    bob = phone(w, PHONE, "bob");
    ASK_AS(alice, "alice", .method = "INVITE", .uri = "sip:bob@example.test", .call = "private");
    peer_reply(bob, peer_expect(bob, "INVITE"), 200, "");
    m = peer_expect(alice, "200 INVITE");
    peer_ack(alice, m);
    peer_expect(bob, "ACK");
    peer_dialog_caller(alice, m, &d);
    ASK(mallory, .method = "BYE", .uri = "sip:bob@example.test", .to_tag = "t-bob",
        .from_tag = "f-alice", .call = "private", .cseq = 9);
    code = peer_expect(mallory, "4xx")->status;
    CHECK_SAY(w, code == 407 || code == 481, "%u", code);
    /* A token is good for its own call only. */
    snprintf(rows, sizeof rows, "%s", d.routes);
    ASK(mallory, .method = "BYE", .uri = d.target, .to_tag = "t-bob", .from_tag = "f-alice",
        .call = "another", .cseq = 9, .rows = rows);
    code = peer_expect(mallory, "4xx")->status;
    CHECK_SAY(w, code == 407 || code == 403 || code == 481, "%u", code);
    CHECK(w, peer_count(bob, "BYE") == 0);
    /* Nor does a token open the door for a new call. */
    ASK(mallory, .method = "INVITE", .uri = d.target, .call = "private", .rows = rows);
    code = peer_expect(mallory, "4xx")->status;
    CHECK_SAY(w, code == 407 || code == 403, "%u", code);
    CHECK(w, peer_count(bob, "INVITE") == 1);
    peer_dialog_request(alice, &d, "BYE", "");
    peer_reply(bob, peer_expect(bob, "BYE"), 200, "");
    peer_expect(alice, "200 BYE");
}

static const struct conformance_case cases[] = {
    CASE("PRX-001 PRX-006 PRX-007", "checks in the order of RFC 3261 16.3", order_of_checks,
         .lua = CLOSED),
    CASE("PRX-002", "unknown methods, headers, bodies and Require pass", passes_the_unknown),
    CASE("PRX-002", "one request on two ways is passed twice", passes_merged),
    CASE("PRX-003", "no hops left is 483, but the target itself answers", no_hops_left),
    CASE("PRX-006", "420 lists what Proxy-Require asked for", proxy_require),
    CASE("PRX-007 AUT-015", "our credentials are consumed, others pass",
         own_credentials_are_consumed, .lua = CLOSED),
    CASE("PRX-008", "whose From it is, and who may call", who_may_call, .lua = BROKE),
    CASE("PRX-009", "a strict router upstream", strict_upstream),
    CASE("PRX-009", "our own Routes and maddr are taken out", own_routes_and_maddr),
    CASE("PRX-010", "a foreign address is the only target", foreign_target, .lua = CLOSED),
    CASE("PRX-010 PRX-049", "strangers reach our users and nobody else", no_open_relay,
         .lua = WELCOMING),
    CASE("PRX-011", "404, 480, 410, 485 when nobody can be called", nobody_there, .lua = AMBIGUOUS),
    CASE("PRX-012", "a number plan", number_plan, .lua = PLAN),
    CASE("PRX-014", "all rows and the body are copied as they came", copied_faithfully),
    CASE("PRX-014", "the Request-URI is the target without forbidden parts",
         request_uri_is_the_target),
    CASE("PRX-015", "Record-Route on what may make a dialog", record_route),
    CASE("PRX-015", "no Record-Route inside a dialog", no_record_route_inside),
    CASE("PRX-017", "the next hop is the first Route", next_hop_from_route),
    CASE("PRX-017", "a strict router downstream", strict_downstream),
    CASE("PRX-019", "one 100 of our own, and none of others", hundred),
    CASE("PRX-020", "responses that match nothing are dropped", unmatched_responses),
    CASE("PRX-020", "a final without the caller's Via is no end without an answer",
         final_without_via),
    CASE("PRX-020 PRX-035", "a replayed response is dropped", replayed_response),
    CASE("PRX-020 PRX-037", "our Via goes, everything else stays", own_via_removed),
    CASE("PRX-037", "received and rport of other hops are kept", other_hops_kept),
    CASE("PRX-024", "a lone 503 is 500 upstream", lone_503),
    CASE("PRX-024 DNS-008", "503 of one address leads to the next", dns_alternates_first),
    CASE("PRX-031", "what cannot be sent is a 503 of the branch", transport_error),
    CASE("PRX-034", "the ACK of a 2xx is passed on", ack_of_2xx),
    CASE("PRX-034", "the ACK of a refusal ends here", ack_of_refusal),
    CASE("PRX-054", "a stranger cannot end a call", strange_bye, .lua = CLOSED),
};

CONFORMANCE_CHAPTER(proxy, cases);
