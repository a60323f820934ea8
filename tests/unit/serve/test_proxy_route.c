/*
 * Where requests go: Route and strict routers, names and addresses, size and
 * transport, policy, loops (RFC 3261 16.4 to 16.6, RFC 3263, RFC 5393 4).
 */
#include "proxy_harness.h"

#include <stdio.h>

#define S HARNESS_SECOND

static struct phones p;
static char routes[2048];

static int up(void **state)
{
    (void)state;
    phones_init(&p);
    phone_register(&p, 1, "102", "");
    return 0;
}

static int down(void **state)
{
    (void)state;
    phones_done(&p);
    return 0;
}

static unsigned contexts(void)
{
    struct oh__serve_stats stats;

    oh__serve_stats(p.h.s, &stats);
    return stats.contexts;
}

static void assert_decided(const char *why)
{
    struct oh__decision d;

    assert_true(harness_decision(&p.h, &d));
    assert_string_equal(d.why, why);
}

/* The last message sent must be a request; to where it went. */
#define assert_sent_to(t, p) assert_sent_to_(t, p, __LINE__)
static void assert_sent_to_(enum oh_transport transport, const char *peer, int line)
{
    char text[OH_ADDR_TEXT_MAX];

    assert_true(p.h.sends_n > 0);
    const struct oh_flow *flow = &p.h.sends[p.h.sends_n - 1].flow;

    oh_addr_text(&flow->peer, text);
    if (flow->transport != transport || strcmp(text, peer) != 0)
        fail_msg("line %d: sent to %s over %u", line, text, flow->transport);
}

/* ---- addresses (DNS-001, DNS-002, DNS-003) ---- */

static void numeric_targets(void **state)
{
    static const struct {
        const char *uri, *route;
        enum oh_transport transport;
        const char *peer;
    } rows[] = {
        {"sip:x@198.51.100.7", "", OH_TRANSPORT_UDP, "198.51.100.7:5060"},
        {"sip:x@198.51.100.7:5090", "", OH_TRANSPORT_UDP, "198.51.100.7:5090"},
        {"sip:x@198.51.100.7;transport=tcp", "", OH_TRANSPORT_TCP, "198.51.100.7:5060"},
        {"sip:x@198.51.100.7;maddr=198.51.100.9", "", OH_TRANSPORT_UDP, "198.51.100.9:5060"},
        {"sip:x@other.test", "Route: <sip:198.51.100.8:5070;lr>\n", OH_TRANSPORT_UDP,
         "198.51.100.8:5070"},
        {"sip:102@example.test", "Route: <sip:198.51.100.8;lr>\n", OH_TRANSPORT_UDP,
         "198.51.100.8:5060"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char call[16];

        harness_clear(&p.h);
        snprintf(call, sizeof call, "num%u", i);
        phone_request(&p, "OPTIONS", call, rows[i].uri, rows[i].route);
        assert_int_equal(p.h.sends_n, 1);
        assert_sent_to(rows[i].transport, rows[i].peer);
        assert_span(harness_last(&p.h)->uri, rows[i].uri);
        assert_int_equal(harness_rows(&p.h, OH_HEADER_ROUTE), rows[i].route[0] ? 1 : 0);
    }
}

/* RFC 4475 3.3.10, and a request that would only come back. */
static void nowhere_to_send(void **state)
{
    static const struct {
        const char *uri;
        unsigned code;
    } rows[] = {
        {"sip:x@255.255.255.255", 403},
        {"sip:x@224.0.1.75", 403},
        {"sip:x@0.0.0.0", 403},
        {"sip:x@[2001:db8::1]", 500},
        {"sip:x@198.51.100.7;transport=tls", 500},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char call[16];

        harness_clear(&p.h);
        snprintf(call, sizeof call, "no%u", i);
        phone_request(&p, "OPTIONS", call, rows[i].uri, "");
        assert_int_equal(p.h.sends_n, 1);
        assert_int_equal(harness_code(&p.h), rows[i].code);
        assert_int_equal(contexts(), 0);
    }
}

/*
 * Class: relay to what trusts its own machine. From outside nobody is sent to
 * loopback, neither by a URI, a Route, a name that resolves so, nor by a 3xx.
 */
static void loopback_is_not_for_outsiders(void **state)
{
    struct oh_addr inside = harness_addr("127.0.0.1:0");

    (void)state;
    phone_request(&p, "OPTIONS", "lo1", "sip:x@127.0.0.1:5070", "");
    assert_int_equal(harness_code(&p.h), 403);
    phone_request(&p, "OPTIONS", "lo2", "sip:x@198.51.100.7", "Route: <sip:127.8.8.8:5070;lr>\n");
    assert_int_equal(harness_code(&p.h), 403);
    phone_request(&p, "OPTIONS", "lo3", "sip:x@carrier.test:5070", "");
    harness_answer(&p.h, p.h.resolves[0].ticket, OH_OK, &inside, 1);
    assert_int_equal(harness_code(&p.h), 403);
    harness_clear(&p.h);
    phone_invite(&p, "lo4", "102", "");
    phone_reply(&p, 1, "INVITE", 302, "Contact: <sip:x@127.0.0.1:5070>\n");
    assert_int_equal(harness_code(&p.h), 403);
    /* Whoever is on this machine may. */
    harness_clear(&p.h);
    p.flow[0].local = harness_addr("127.0.0.1:5060");
    phone_request(&p, "OPTIONS", "lo5", "sip:x@127.0.0.1:5070", "");
    assert_sent_to(OH_TRANSPORT_UDP, "127.0.0.1:5070");
}

/* ---- names (DNS-008, DNS-009, DNS-011) ---- */

static void name_is_looked_up(void **state)
{
    struct oh_addr addrs[2];

    (void)state;
    phone_request(&p, "INVITE", "dns1", "sip:x@carrier.test", "");
    assert_int_equal(p.h.resolves_n, 1);
    assert_string_equal(p.h.resolves[0].host, "carrier.test");
    assert_int_equal(phone_statuses(&p, 0, 100), 1);
    addrs[0] = harness_addr("198.51.100.1");
    addrs[1] = harness_addr("198.51.100.2");
    harness_answer(&p.h, p.h.resolves[0].ticket, OH_OK, addrs, 2);
    assert_sent_to(OH_TRANSPORT_UDP, "198.51.100.1:5060");
    p.flow[5] = harness_flow(OH_TRANSPORT_UDP, "198.51.100.1:5060", 0);
    p.flow[6] = harness_flow(OH_TRANSPORT_UDP, "198.51.100.2:5060", 0);

    /* 503: the next address, with another branch and the same CSeq. */
    char first[80];

    snprintf(first, sizeof first, "%.*s", OH_PRI(phone_got(&p, 5, "INVITE")->via.branch));
    phone_reply(&p, 5, "INVITE", 503, "");
    assert_sent_to(OH_TRANSPORT_UDP, "198.51.100.2:5060");
    assert_int_equal(phone_statuses(&p, 0, 500), 0);
    assert_false(oh_span_eq(phone_got(&p, 6, "INVITE")->via.branch, oh_span_str(first)));
    assert_int_equal(phone_got(&p, 6, "INVITE")->cseq, 1);

    /* CANCEL goes to the address that was chosen. */
    phone_reply(&p, 6, "INVITE", 180, "");
    phone_cancel(&p, "dns1", "sip:x@carrier.test", "");
    assert_int_equal(phone_requests(&p, 6, "CANCEL"), 1);
    assert_int_equal(phone_requests(&p, 5, "CANCEL"), 0);
    phone_reply(&p, 6, "INVITE", 487, "");
    phone_got_status(&p, 0, 487);
}

/* Race 18: the first address says 503 while the caller has already hung up. */
static void no_failover_after_cancel(void **state)
{
    struct oh_addr addrs[2] = {harness_addr("198.51.100.1"), harness_addr("198.51.100.2")};

    (void)state;
    phone_request(&p, "INVITE", "dns2", "sip:x@carrier.test", "");
    harness_answer(&p.h, p.h.resolves[0].ticket, OH_OK, addrs, 2);
    p.flow[5] = harness_flow(OH_TRANSPORT_UDP, "198.51.100.1:5060", 0);
    p.flow[6] = harness_flow(OH_TRANSPORT_UDP, "198.51.100.2:5060", 0);
    phone_cancel(&p, "dns2", "sip:x@carrier.test", "");
    phone_reply(&p, 5, "INVITE", 503, "");
    assert_int_equal(phone_requests(&p, 6, "INVITE"), 0);
    assert_int_equal(contexts(), 0);
    phone_got_status(&p, 0, 500);
}

static void names_that_do_not_resolve(void **state)
{
    (void)state;
    phone_request(&p, "INVITE", "dns3", "sip:x@nx.test", "");
    harness_answer(&p.h, p.h.resolves[0].ticket, OH_E_NOTFOUND, NULL, 0);
    phone_got_status(&p, 0, 500);

    harness_clear(&p.h);
    phone_request(&p, "INVITE", "dns4", "sip:x@slow.test", "");
    harness_answer(&p.h, p.h.resolves[0].ticket, OH_E_TIMEOUT, NULL, 0);
    phone_got_status(&p, 0, 504);
    assert_decided("the name of the next hop for x could not be looked up in time");

    /* A name that leads back to this server would only make a loop. */
    struct oh_addr self = harness_addr("192.0.2.1");

    harness_clear(&p.h);
    phone_request(&p, "INVITE", "dns7", "sip:x@alias.test", "");
    harness_answer(&p.h, p.h.resolves[0].ticket, OH_OK, &self, 1);
    phone_got_status(&p, 0, 482);
    assert_decided("the address of x leads back to this server");

    /* An answer that never comes ends it, too. */
    harness_clear(&p.h);
    phone_request(&p, "INVITE", "dns5", "sip:x@lost.test", "");
    harness_advance(&p.h, 20 * S);
    phone_got_status(&p, 0, 504);
    assert_int_equal(contexts(), 0);
}

/* PRX-032: CANCEL works in every phase. The answer that comes later finds nobody. */
static void cancel_while_resolving(void **state)
{
    struct oh_addr addr = harness_addr("198.51.100.1");

    (void)state;
    phone_request(&p, "INVITE", "dns6", "sip:x@carrier.test", "");
    phone_cancel(&p, "dns6", "sip:x@carrier.test", "");
    phone_got_status(&p, 0, 487);
    assert_int_equal(contexts(), 0);
    unsigned before = p.h.sends_n;

    harness_answer(&p.h, p.h.resolves[0].ticket, OH_OK, &addr, 1);
    assert_int_equal(p.h.sends_n, before);
}

/* ---- size and transport (TRN-002, TRN-003, TRN-032) ---- */

static char big_row[1500];

static const char *big(void)
{
    memset(big_row, 'x', sizeof big_row - 1);
    memcpy(big_row, "X-Big: ", 7);
    big_row[sizeof big_row - 2] = '\n';
    return big_row;
}

static void large_request_goes_over_tcp(void **state)
{
    (void)state;
    phone_request(&p, "MESSAGE", "big1", "sip:x@198.51.100.7", big());
    assert_sent_to(OH_TRANSPORT_TCP, "198.51.100.7:5060");
    assert_true(harness_has(&p.h, "Via: SIP/2.0/TCP 192.0.2.1:5060;"));

    /* Refused: the same over UDP. */
    uint64_t ticket = p.h.sends[p.h.sends_n - 1].ticket;

    assert_true(ticket != 0);
    harness_answer(&p.h, ticket, OH_E_IO, NULL, 0);
    assert_sent_to(OH_TRANSPORT_UDP, "198.51.100.7:5060");
    assert_true(harness_has(&p.h, "Via: SIP/2.0/UDP 192.0.2.1:5060;"));

    /* Whoever asked for a transport gets that one. */
    harness_clear(&p.h);
    phone_request(&p, "MESSAGE", "big2", "sip:x@198.51.100.7;transport=udp", big());
    assert_sent_to(OH_TRANSPORT_UDP, "198.51.100.7:5060");
    /* A binding is reached over its flow at any size. */
    harness_clear(&p.h);
    phone_request(&p, "MESSAGE", "big3", "sip:102@example.test", big());
    assert_int_equal(phone_requests(&p, 1, "MESSAGE"), 1);
}

static void content_length_for_streams(void **state)
{
    (void)state;
    phones_tcp(&p, 3, 99);
    phone_register(&p, 3, "103", "");
    phone_send(
        &p, 0,
        "MESSAGE sip:103@example.test SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKcl;rport\n"
        "From: <sip:101@example.test>;tag=a\nTo: <sip:103@example.test>\nCall-ID: cl\n"
        "CSeq: 1 MESSAGE\n"
        "Content-Type: text/plain\n\nhello");
    const struct oh_msg *m = phone_got(&p, 3, "MESSAGE");

    assert_span(m->body, "hello");
    assert_true(message_has(m, "Content-Length: 5\r\n"));
    assert_int_equal(m->max_forwards, 70);
}

/* ---- in and between dialogs ---- */

static void call_up(const char *call, unsigned callee, const char *user)
{
    phone_invite(&p, call, user, "");
    phone_reply(&p, callee, "INVITE", 200, "Contact: <sip:102@192.0.2.11>\n");
    routes_of(phone_got_status(&p, 0, 200), true, routes, sizeof routes);
    harness_clear(&p.h);
}

static void in_dialog(const char *method, const char *call, const char *uri, const char *route_rows)
{
    phone_send(
        &p, 0,
        "%s %s SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK%s%s;rport\nMax-Forwards: 70\n%s"
        "From: <sip:101@example.test>;tag=a\nTo: <sip:102@example.test>;tag=t1\nCall-ID: %s\n"
        "CSeq: 7 %s\n"
        "Content-Length: 0\n\n",
        method, uri, method, call, route_rows, call, method);
}

/* PRX-009: a strict router before us has put our Record-Route into the Request-URI. */
static void strict_router_upstream(void **state)
{
    struct oh_span mine;
    char text[1024], rest[1024];

    (void)state;
    call_up("st1", 1, "102");
    /* The route set, first value as Request-URI, the Contact as last Route. */
    char *end = strchr(routes, '\n');

    assert_non_null(end);
    mine = oh_span(routes + strlen("Route: <"), (size_t)(end - routes) - strlen("Route: <>"));
    snprintf(text, sizeof text, "%.*s", OH_PRI(mine));
    snprintf(rest, sizeof rest, "%sRoute: <sip:102@192.0.2.11>\n", end + 1);
    in_dialog("BYE", "st1", text, rest);
    const struct oh_msg *m = phone_got(&p, 1, "BYE");

    assert_span(m->uri, "sip:102@192.0.2.11");
    assert_int_equal(message_value(m, OH_HEADER_ROUTE, 0).n, 0);
}

/* PRX-017: a next hop without lr. */
static void strict_router_downstream(void **state)
{
    (void)state;
    phone_request(&p, "OPTIONS", "st2", "sip:x@other.test",
                  "Route: <sip:198.51.100.8>, <sip:198.51.100.9;lr>\n");
    assert_sent_to(OH_TRANSPORT_UDP, "198.51.100.8:5060");
    const struct oh_msg *m = harness_last(&p.h);

    assert_span(m->uri, "sip:198.51.100.8");
    assert_span(message_value(m, OH_HEADER_ROUTE, 0), "<sip:198.51.100.9;lr>");
    assert_span(message_value(m, OH_HEADER_ROUTE, 1), "<sip:x@other.test>");
    assert_int_equal(message_value(m, OH_HEADER_ROUTE, 2).n, 0);
}

/* PRX-009: Routes that are ours go, the others stay as they are. */
static void own_routes_are_popped(void **state)
{
    (void)state;
    phone_request(&p, "OPTIONS", "pop", "sip:102@example.test",
                  "Route: <sip:192.0.2.1;lr>,\n <sip:192.0.2.1:5060;lr>\n");
    assert_int_equal(message_value(phone_got(&p, 1, "OPTIONS"), OH_HEADER_ROUTE, 0).n, 0);
    harness_clear(&p.h);
    phone_request(&p, "OPTIONS", "pop2", "sip:102@example.test",
                  "Route: <sip:192.0.2.1;lr>, <sip:198.51.100.8;lr>;x=1\n");
    assert_sent_to(OH_TRANSPORT_UDP, "198.51.100.8:5060");
    assert_span(message_value(harness_last(&p.h), OH_HEADER_ROUTE, 0), "<sip:198.51.100.8;lr>;x=1");
}

/* PRX-054, decision 8: a token is good for its own call and nothing else. */
static void token_of_another_call(void **state)
{
    (void)state;
    call_up("tk1", 1, "102");
    in_dialog("BYE", "other-call", "sip:102@192.0.2.11", routes);
    assert_int_equal(phone_requests(&p, 1, "BYE"), 1);
    /* Trusted, so it is relayed; an ACK is not. */
    harness_clear(&p.h);
    in_dialog("ACK", "other-call", "sip:102@192.0.2.11", routes);
    assert_int_equal(p.h.sends_n, 0);
    in_dialog("ACK", "tk1", "sip:102@192.0.2.11", "");
    assert_int_equal(p.h.sends_n, 0);
    in_dialog("ACK", "tk1", "sip:102@192.0.2.11", routes);
    assert_int_equal(phone_requests(&p, 1, "ACK"), 1);
}

/* A token of ours whose listener has gone, for good: it proves nothing, wherever it stands. */
static void token_without_listener(void **state)
{
    struct oh__token token = {.kind = OH__TOKEN_FLOW, .expires = p.h.env.wall + 60000};
    char user[OH__TOKEN_TEXT_MAX], text[2 * OH__TOKEN_TEXT_MAX];

    (void)state;
    token.flow.transport = OH_TRANSPORT_UDP;
    token.flow.peer = harness_addr("[2001:db8::1]:5060");
    token.flow.local = harness_addr("[2001:db8::2]:5060");
    size_t n = oh__token_make(&p.h.shared, &token, OH_LIT("tkl"), user);

    snprintf(text, sizeof text, "sip:%.*s@192.0.2.1;lr", (int)n, user);
    in_dialog("ACK", "tkl", text, "");
    assert_int_equal(p.h.sends_n, 0);
    in_dialog("BYE", "tkl", text, "");
    assert_int_equal(phone_statuses(&p, 0, 404), 1);
    snprintf(text, sizeof text, "Route: <sip:%.*s@192.0.2.1;lr>\n", (int)n, user);
    in_dialog("ACK", "tkl", "sip:102@192.0.2.11", text);
    assert_int_equal(phone_requests(&p, 1, "ACK"), 0);
}

/* A dialog whose peer is known by name: the ACK waits for the look-up, too. */
static void ack_to_a_name(void **state)
{
    struct oh_addr addr = harness_addr("198.51.100.1");

    (void)state;
    p.flow[5] = harness_flow(OH_TRANSPORT_UDP, "198.51.100.1:5060", 0);
    phone_request(&p, "INVITE", "ackn", "sip:x@carrier.test", "");
    harness_answer(&p.h, p.h.resolves[0].ticket, OH_OK, &addr, 1);
    phone_reply(&p, 5, "INVITE", 200, "Contact: <sip:x@sbc.carrier.test>\n");
    routes_of(phone_got_status(&p, 0, 200), true, routes, sizeof routes);
    harness_clear(&p.h);
    in_dialog("ACK", "ackn", "sip:x@sbc.carrier.test", routes);
    assert_int_equal(p.h.sends_n, 0);
    assert_string_equal(p.h.resolves[0].host, "sbc.carrier.test");
    harness_answer(&p.h, p.h.resolves[0].ticket, OH_OK, &addr, 1);
    assert_span(phone_got(&p, 5, "ACK")->uri, "sip:x@sbc.carrier.test");
    assert_int_equal(contexts(), 0);
    /* One that cannot be found is dropped, without an answer. */
    harness_clear(&p.h);
    in_dialog("ACK", "ackn", "sip:x@gone.carrier.test", routes);
    harness_answer(&p.h, p.h.resolves[0].ticket, OH_E_NOTFOUND, NULL, 0);
    assert_int_equal(p.h.sends_n, 0);
    assert_int_equal(contexts(), 0);
}

/* A wildcard listener has no name: the address that the caller used stands in Via and
 * Record-Route, and the system chooses the source. */
static void wildcard_listener(void **state)
{
    (void)state;
    p.h.settings->listeners[0].addr = harness_addr("0.0.0.0:5060");
    phone_request(&p, "INVITE", "wild", "sip:x@198.51.100.7", "");
    assert_sent_to(OH_TRANSPORT_UDP, "198.51.100.7:5060");
    assert_true(oh_addr_is_any(&p.h.sends[p.h.sends_n - 1].flow.local));
    assert_true(harness_has(&p.h, "Via: SIP/2.0/UDP 192.0.2.1:5060;branch="));
    assert_true(harness_has(&p.h, "@192.0.2.1:5060;lr>"));
    assert_false(harness_has(&p.h, "0.0.0.0"));
    /* And it is known as this server itself. */
    harness_clear(&p.h);
    phone_request(&p, "OPTIONS", "wild2", "sip:x@carrier.test", "");
    harness_answer(&p.h, p.h.resolves[0].ticket, OH_OK, &p.flow[0].local, 1);
    assert_int_equal(harness_code(&p.h), 482);
}

/* Class: becoming trusted by coming back from loopback, which every wildcard listener hears. */
static void wildcard_hears_loopback(void **state)
{
    (void)state;
    p.h.settings->listeners[0].addr = harness_addr("0.0.0.0:5060");
    p.flow[0].local = harness_addr("127.0.0.2:5060");
    phone_request(&p, "OPTIONS", "wl1", "sip:x@127.0.0.3:5060", "");
    assert_int_equal(harness_code(&p.h), 482);
    assert_int_equal(contexts(), 0);
}

/* An advertised name goes into Via and Record-Route. */
static void advertised_name(void **state)
{
    struct oh__settings_listener *l = &p.h.settings->listeners[0];

    (void)state;
    memcpy(l->advertise, "sip.example.test", sizeof "sip.example.test");
    l->advertise_port = 5999;
    phone_invite(&p, "adv", "102", "");
    const struct oh_msg *m = phone_got(&p, 1, "INVITE");

    assert_true(message_has(m, "Via: SIP/2.0/UDP sip.example.test:5999;branch="));
    assert_true(message_has(m, "@sip.example.test:5999;lr>"));
    phone_reply(&p, 1, "INVITE", 200, "");
    phone_got_status(&p, 0, 200);
}

/* Whoever is behind another proxy is reached by his route set, not over that proxy's flow. */
static void caller_behind_a_proxy(void **state)
{
    char back[2048];

    (void)state;
    phone_send(&p, 6,
               "INVITE sip:102@example.test SIP/2.0\n"
               "Via: SIP/2.0/UDP 192.0.2.16;branch=z9hG4bKedge;rport\n"
               "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKphone\nRecord-Route: <sip:192.0.2.16;lr>\n"
               "Max-Forwards: 69\n"
               "From: <sip:101@example.test>;tag=a\nTo: <sip:102@example.test>\nCall-ID: edge\n"
               "CSeq: 1 INVITE\n"
               "Contact: <sip:101@10.0.0.1>\nContent-Length: 0\n\n");
    routes_of(phone_got(&p, 1, "INVITE"), false, back, sizeof back);
    phone_reply(&p, 1, "INVITE", 200, "Contact: <sip:102@192.0.2.11>\n");
    harness_clear(&p.h);
    phone_send(
        &p, 1,
        "BYE sip:101@10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.11;branch=z9hG4bKbb;rport\n%s"
        "From: <sip:102@example.test>;tag=t1\nTo: <sip:101@example.test>;tag=a\nCall-ID: edge\n"
        "CSeq: 9 BYE\n"
        "Content-Length: 0\n\n",
        back);
    const struct oh_msg *m = phone_got(&p, 6, "BYE");

    assert_span(m->uri, "sip:101@10.0.0.1");
    assert_span(message_value(m, OH_HEADER_ROUTE, 0), "<sip:192.0.2.16;lr>");
}

/*
 * Class: relay by a dialog of one's own. A stranger who is answered by one of
 * our phones, and says that he came through a proxy, has tokens of ours then:
 * with none of them anything reaches a third place.
 */
static void tokens_of_a_stranger(void **state)
{
    char all[2048], *end;

    (void)state;
    p.h.settings->domains[0].accept_foreign = true;
    p.h.settings->no_auth = false;
    phone_send(&p, 6,
               "INVITE sip:102@example.test SIP/2.0\n"
               "Via: SIP/2.0/UDP 192.0.2.16;branch=z9hG4bKstr;rport\n"
               "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKmade-up\nMax-Forwards: 69\n"
               "From: <sip:x@other.test>;tag=a\nTo: <sip:102@example.test>\nCall-ID: str\n"
               "CSeq: 1 INVITE\nContact: <sip:x@192.0.2.16>\nContent-Length: 0\n\n");
    phone_reply(&p, 1, "INVITE", 200, "Contact: <sip:102@192.0.2.11>\n");
    routes_of(phone_got_status(&p, 6, 200), true, all, sizeof all);
    assert_non_null(end = strchr(all, '\n'));
    for (unsigned i = 0; i < 2; i++) {
        harness_clear(&p.h);
        phone_send(&p, 6,
                   "MESSAGE sip:900@198.51.100.7 SIP/2.0\n"
                   "Via: SIP/2.0/UDP 192.0.2.16;branch=z9hG4bKstr%u;rport\nMax-Forwards: 69\n%.*s"
                   "From: <sip:x@other.test>;tag=a\nTo: <sip:102@example.test>;tag=t1\n"
                   "Call-ID: str\nCSeq: 2 MESSAGE\nContent-Length: 0\n\n",
                   i, i ? (int)strlen(all) : (int)(end - all) + 1, all);
        for (unsigned k = 0; k < p.h.sends_n; k++)
            assert_int_equal(p.h.sends[k].flow.peer.ip[0], 192);
    }
    phone_got(&p, 1, "MESSAGE");
}

/* In the call of call_between_transports: whoever takes his re-INVITE back does not want it to
 * begin again over the callee's other connection when the first one breaks. */
static void taken_back_is_not_begun_anew(void)
{
    harness_clear(&p.h);
    phones_tcp(&p, 3, 100);
    phone_register(&p, 3, "103", "");
    phones_tcp(&p, 3, 99);
    for (unsigned i = 0; i < 2; i++) {
        phone_send(&p, 0,
                   "%s sip:103@192.0.2.13;transport=tcp SIP/2.0\n"
                   "Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKre;rport\n%s"
                   "From: <sip:101@example.test>;tag=a\nTo: <sip:103@example.test>;tag=t3\n"
                   "Call-ID: mix\nCSeq: 4 %s\nContent-Length: 0\n\n",
                   i ? "CANCEL" : "INVITE", routes, i ? "CANCEL" : "INVITE");
        if (i == 0)
            phone_reply(&p, 3, "INVITE", 180, "");
    }
    assert_int_equal(phone_requests(&p, 3, "CANCEL"), 1);
    oh__serve_flow_closed(p.h.s, &p.h.env, &p.flow[3]);
    harness_collect(&p.h);
    assert_int_equal(phone_statuses(&p, 0, 480), 1);
    phones_tcp(&p, 3, 100);
    assert_int_equal(phone_requests(&p, 3, "INVITE"), 0);
    phone_register_as(&p, 3, "103", "<sip:103@192.0.2.13;transport=tcp>;expires=0", "");
    phones_tcp(&p, 3, 99);
}

/* PRX-016: UDP on one side, TCP on the other; both rows say so, both ways work. */
static void call_between_transports(void **state)
{
    char back[2048];

    (void)state;
    phones_tcp(&p, 3, 99);
    phone_register(&p, 3, "103", "");
    phone_invite(&p, "mix", "103", "");
    const struct oh_msg *m = phone_got(&p, 3, "INVITE");

    assert_true(message_has(m, "@192.0.2.1:5060;transport=tcp;lr>\r\nRecord-Route: <sip:oh"));
    assert_true(message_has(m, "@192.0.2.1:5060;lr>\r\n"));
    routes_of(m, false, back, sizeof back);
    phone_reply(&p, 3, "INVITE", 200, "Contact: <sip:103@192.0.2.13;transport=tcp>\n");
    routes_of(phone_got_status(&p, 0, 200), true, routes, sizeof routes);
    harness_clear(&p.h);
    phone_send(
        &p, 0,
        "INFO sip:103@192.0.2.13;transport=tcp SIP/2.0\n"
        "Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKi;rport\n%s"
        "From: <sip:101@example.test>;tag=a\nTo: <sip:103@example.test>;tag=t3\nCall-ID: mix\n"
        "CSeq: 2 INFO\n"
        "Content-Length: 0\n\n",
        routes);
    assert_int_equal(phone_requests(&p, 3, "INFO"), 1);
    phone_send(
        &p, 3,
        "BYE sip:101@192.0.2.10 SIP/2.0\nVia: SIP/2.0/TCP 192.0.2.13;branch=z9hG4bKj;rport\n%s"
        "From: <sip:103@example.test>;tag=t3\nTo: <sip:101@example.test>;tag=a\nCall-ID: mix\n"
        "CSeq: 9 BYE\n"
        "Content-Length: 0\n\n",
        back);
    assert_int_equal(phone_requests(&p, 0, "BYE"), 1);

    /* The callee's connection is gone, but it has registered over another one. */
    harness_clear(&p.h);
    phone_send(&p, 0,
               "UPDATE sip:103@192.0.2.13;transport=tcp SIP/2.0\n"
               "Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKu;rport\n%s"
               "From: <sip:101@example.test>;tag=a\nTo: <sip:103@example.test>;tag=t3\n"
               "Call-ID: mix\nCSeq: 3 UPDATE\nContent-Length: 0\n\n",
               routes);
    int old = phone_request_at(&p, 3, "UPDATE");

    assert_true(old >= 0);
    uint64_t ticket = p.h.sends[old].ticket;

    phones_tcp(&p, 3, 100);
    phone_register(&p, 3, "103", "");
    harness_answer(&p.h, ticket, OH_E_IO, NULL, 0);
    assert_span(phone_got(&p, 3, "UPDATE")->uri, "sip:103@192.0.2.13;transport=tcp");
    phone_reply(&p, 3, "UPDATE", 200, "");
    phone_got_status(&p, 0, 200);
    /* Now the binding goes as well. */
    phones_tcp(&p, 3, 99);
    phone_register_as(&p, 3, "103", "<sip:103@192.0.2.13;transport=tcp>;expires=0", "");

    taken_back_is_not_begun_anew();

    /* It is gone for good: said, and recorded. */
    harness_clear(&p.h);
    in_dialog("BYE", "mix", "sip:103@192.0.2.13;transport=tcp", routes);
    oh__serve_flow_closed(p.h.s, &p.h.env, &p.flow[3]);
    harness_collect(&p.h);
    phone_got_status(&p, 0, 480);
    assert_decided("the connection to 192.0.2.13:40000 is gone");
}

/* PRX-015: which requests are record-routed. */
static void record_route_by_method(void **state)
{
    static const struct {
        const char *method;
        bool want;
    } rows[] = {{"INVITE", true},   {"SUBSCRIBE", true}, {"REFER", true},   {"BREW", true},
                {"MESSAGE", false}, {"OPTIONS", false},  {"PUBLISH", false}};

    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        harness_clear(&p.h);
        phone_request(&p, rows[i].method, rows[i].method, "sip:102@example.test", "");
        const struct oh_msg *m = phone_got(&p, 1, rows[i].method);

        assert_int_equal(message_value(m, OH_HEADER_RECORD_ROUTE, 1).n > 0, rows[i].want);
        assert_true(!rows[i].want || message_has(m, ";lr>\r\n"));
    }
}

/* RFC 3327 5.3: Path of the binding becomes Route; the way is the flow it came on. */
static void path_becomes_route(void **state)
{
    (void)state;
    phone_register_as(&p, 4, "104", "<sip:104@10.0.0.9>",
                      "Path: <sip:edge.test;lr>, <sip:inner.test;lr>\nSupported: path\n");
    phone_request(&p, "OPTIONS", "path", "sip:104@example.test", "");
    const struct oh_msg *m = phone_got(&p, 4, "OPTIONS");

    assert_span(m->uri, "sip:104@10.0.0.9");
    assert_span(message_value(m, OH_HEADER_ROUTE, 0), "<sip:edge.test;lr>");
    assert_span(message_value(m, OH_HEADER_ROUTE, 1), "<sip:inner.test;lr>");
}

/* RFC 3261 19.1.1 table 1: a Contact may hold what a Request-URI may not. */
static void request_uri_is_cleaned(void **state)
{
    (void)state;
    phone_register_as(&p, 4, "104", "<sip:104@10.0.0.9;method=INVITE;ob;user=phone?Subject=x>", "");
    phone_request(&p, "OPTIONS", "clean", "sip:104@example.test", "");
    assert_span(phone_got(&p, 4, "OPTIONS")->uri, "sip:104@10.0.0.9;ob;user=phone");
}

/* ---- loops (PRX-004, SEC-005) ---- */

/* What we sent to phone 1 comes back from it, as a proxy that leads back here would send it. */
static void send_back(const char *uri)
{
    static char text[8192], head[256];
    const struct oh_msg *m = phone_got(&p, 1, "INVITE");
    struct oh_buf b;

    snprintf(head, sizeof head,
             "INVITE %s SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.11;branch=z9hG4bKx%u;rport\r\n", uri,
             ++p.cseq);
    oh_buf_init(&b, text, sizeof text);
    oh_buf_span(&b, oh_span_str(head));
    oh_buf_span(&b, oh_span_from(m->raw, m->start.n + 2));
    harness_bytes(&p.h, &p.flow[1], oh_buf_view(&b));
}

static void loop_is_482_spiral_is_not(void **state)
{
    (void)state;
    phone_register(&p, 3, "103", "");
    phone_invite(&p, "lp", "102", "");
    send_back("sip:103@example.test");
    assert_int_equal(phone_requests(&p, 3, "INVITE"), 1);
    harness_clear(&p.h);
    phone_invite(&p, "lp2", "102", "");
    send_back("sip:102@example.test");
    phone_got_status(&p, 1, 482);
    assert_decided("the request came back unchanged: it runs in a circle");
    assert_int_equal(phone_requests(&p, 1, "INVITE"), 1);
    /* A parameter that decides nothing makes no other target of it (RFC 5393 4.2.4). */
    harness_clear(&p.h);
    phone_invite(&p, "lp3", "102", "");
    send_back("sip:102@example.test;x=1");
    phone_got_status(&p, 1, 482);
    assert_int_equal(phone_requests(&p, 1, "INVITE"), 1);
}

/* ---- relay (PRX-010, PRX-049) ---- */

static void strangers_are_not_relayed(void **state)
{
    (void)state;
    p.h.settings->no_auth = false;
    p.h.settings->domains[0].accept_foreign = true;
    phone_request(&p, "INVITE", "rel1", "sip:x@198.51.100.7", "");
    assert_true(harness_code(&p.h) == 407 || harness_code(&p.h) == 403);
    phone_request(&p, "INVITE", "rel2", "sip:102@example.test", "Route: <sip:198.51.100.8;lr>\n");
    assert_true(harness_code(&p.h) == 407 || harness_code(&p.h) == 403);
    assert_int_equal(contexts(), 0);
}

/* PRX-007, race 15: our credentials stay here, those of others go on as they are. */
static void credentials_are_consumed(void **state)
{
    static const char others[] = "Proxy-Authorization: Digest  username=\"x\", realm=\"other\", "
                                 "nonce=\"n\", uri=\"sip:y\", response=\"00\"\n";
    char row[1024], rows[2048], tag[64];

    (void)state;
    harness_account(&p.h, "101", "secret", 0);
    harness_account(&p.h, "102", "secret", 0);
    p.h.settings->no_auth = false;
    phone_invite(&p, "cr1", "102", "");
    snprintf(tag, sizeof tag, "%.*s", OH_PRI(phone_got_status(&p, 0, 407)->to_tag));
    phone_invite(&p, "cr1", "102", "");
    assert_int_equal(phone_statuses(&p, 0, 407), 2);
    assert_span(phone_got_status(&p, 0, 407)->to_tag, tag);
    assert_int_equal(contexts(), 0);
    phone_ack(&p, "cr1", "sip:102@example.test");

    harness_authorize(
        &p.h,
        &(struct harness_digest){
            .user = "101", .password = "secret", .method = "INVITE", .uri = "sip:102@example.test"},
        row, sizeof row);
    snprintf(rows, sizeof rows, "%s%s", others, row);
    harness_clear(&p.h);
    phone_invite(&p, "cr2", "102", rows);
    const struct oh_msg *m = phone_got(&p, 1, "INVITE");

    assert_false(message_has(m, "realm=\"example.test\""));
    assert_true(message_has(m, "Digest  username=\"x\", realm=\"other\""));

    /* Whoever is known may also reach others (PRX-010). */
    struct oh__decision d;

    phone_reply(&p, 1, "INVITE", 200, "");
    assert_true(harness_decision(&p.h, &d));
    assert_string_equal(d.account, "101@example.test");
}

/* ---- policy ---- */

static struct oh__policy_result scripted;
static int scripted_error;
static unsigned policy_runs;

static int run_script(void *ctx, enum oh__policy_point point,
                      const struct oh__policy_request *request, struct oh_arena *arena,
                      struct oh__policy_result *result)
{
    (void)ctx;
    (void)arena;
    assert_true(point == OH__POLICY_ON_CALL || point == OH__POLICY_ON_REQUEST);
    assert_span(request->domain, "example.test");
    policy_runs++;
    *result = scripted;
    return scripted_error;
}

static const struct oh__policy policy = {NULL, run_script};

static void with_policy(void)
{
    p.h.settings->has_on_call = true;
    p.h.env.policy = &policy;
    memset(&scripted, 0, sizeof scripted);
    scripted_error = OH_OK;
    policy_runs = 0;
}

static void policy_decides(void **state)
{
    (void)state;
    with_policy();
    phone_invite(&p, "po1", "102", "");
    assert_int_equal(phone_requests(&p, 1, "INVITE"), 1);
    phone_request(&p, "MESSAGE", "po1m", "sip:102@example.test", "");
    assert_int_equal(policy_runs, 1);

    harness_clear(&p.h);
    scripted = (struct oh__policy_result){
        .verdict = OH__POLICY_REPLY,
        .code = 486,
        .reason = OH_LIT("Closed today"),
        .headers = OH_LIT("X-Rule: 7\r\n"),
        .why = OH_LIT("on_call at office.lua:41 returned reply{486}")};
    phone_invite(&p, "po2", "102", "");
    const struct oh_msg *m = phone_got_status(&p, 0, 486);

    assert_span(m->reason, "Closed today");
    assert_true(message_has(m, "X-Rule: 7\r\n"));
    assert_decided("on_call at office.lua:41 returned reply{486}");

    harness_clear(&p.h);
    scripted_error = OH_E_LIMIT;
    phone_invite(&p, "po3", "102", "");
    phone_got_status(&p, 0, 500);
}

/* Class: a dialog that was made up. A tag in To gets nobody past the policy; a token of ours does.
 */
static void policy_is_not_fooled_by_a_tag(void **state)
{
    static const char to[] = "To: <sip:102@example.test>;tag=made-up\n";

    (void)state;
    call_up("pt", 1, "102");
    with_policy();
    p.h.settings->has_on_request = true;
    scripted = (struct oh__policy_result){.verdict = OH__POLICY_REPLY, .code = 403};
    for (unsigned i = 0; i < 4; i++) {
        static const char *const methods[] = {"INVITE", "MESSAGE", "SUBSCRIBE", "NOTIFY"};

        harness_clear(&p.h);
        phone_send(&p, 0,
                   "%s sip:102@example.test SIP/2.0\nVia: SIP/2.0/UDP "
                   "192.0.2.10;branch=z9hG4bKpt%u;rport\nMax-Forwards: 70\n"
                   "From: <sip:101@example.test>;tag=a\n%sCall-ID: pt%u\nCSeq: 2 %s\n"
                   "Content-Length: 0\n\n",
                   methods[i], i, to, i, methods[i]);
        assert_int_equal(harness_code(&p.h), 403);
        assert_int_equal(policy_runs, i + 1);
    }
    harness_clear(&p.h);
    in_dialog("INVITE", "pt", "sip:102@192.0.2.11", routes);
    phone_got(&p, 1, "INVITE");
    assert_int_equal(policy_runs, 4);
}

/*
 * Class: a redirection that evades the rules. Where a policy decides, a phone's
 * 302 to somewhere else goes to the caller; one to a user of ours is followed.
 */
static void policy_is_not_evaded_by_302(void **state)
{
    (void)state;
    with_policy();
    phone_register(&p, 3, "103", "");
    phone_invite(&p, "pe1", "102", "");
    phone_reply(&p, 1, "INVITE", 302, "Contact: <sip:900@198.51.100.7>, <sip:103@example.test>\n");
    phone_got(&p, 3, "INVITE");
    phone_reply(&p, 3, "INVITE", 486, "");
    assert_true(message_has(phone_got_status(&p, 0, 302), "Contact: <sip:900@198.51.100.7>\r\n"));
    for (unsigned i = 0; i < p.h.sends_n; i++)
        assert_int_equal(p.h.sends[i].flow.peer.ip[0], 192);
}

/* What the administrator names may be on loopback: a gateway beside the server. */
static void policy_may_name_loopback(void **state)
{
    (void)state;
    with_policy();
    scripted = (struct oh__policy_result){.verdict = OH__POLICY_ROUTE,
                                          .targets_n = 1,
                                          .targets = {{OH_LIT("sip:9@127.0.0.1:5070"), 1000}}};
    phone_invite(&p, "pl", "9", "");
    assert_sent_to(OH_TRANSPORT_UDP, "127.0.0.1:5070");
}

/* Targets of the policy: a user of ours, a foreign address, one of them twice (PRX-013). */
static void policy_routes(void **state)
{
    (void)state;
    with_policy();
    phone_register(&p, 3, "103", "");
    scripted = (struct oh__policy_result){.verdict = OH__POLICY_ROUTE,
                                          .headers = OH_LIT("X-Trunk: a\r\n"),
                                          .targets_n = 3,
                                          .targets = {{OH_LIT("sip:103@example.test"), 1000},
                                                      {OH_LIT("sip:900@198.51.100.7"), 500},
                                                      {OH_LIT("sip:900@198.51.100.7:5060"), 400}}};
    phone_invite(&p, "po4", "200", "");
    assert_true(message_has(phone_got(&p, 3, "INVITE"), "X-Trunk: a\r\n"));
    assert_int_equal(p.h.sends_n, 2);
    phone_reply(&p, 3, "INVITE", 486, "");
    assert_sent_to(OH_TRANSPORT_UDP, "198.51.100.7:5060");
    assert_span(harness_last(&p.h)->uri, "sip:900@198.51.100.7");

    harness_clear(&p.h);
    scripted.targets_n = 1;
    scripted.targets[0].uri = OH_LIT("sip:nobody@example.test");
    phone_invite(&p, "po5", "200", "");
    phone_got_status(&p, 0, 480);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, up, down)
    const struct CMUnitTest tests[] = {
        T(numeric_targets),
        T(nowhere_to_send),
        T(loopback_is_not_for_outsiders),
        T(name_is_looked_up),
        T(no_failover_after_cancel),
        T(names_that_do_not_resolve),
        T(cancel_while_resolving),
        T(large_request_goes_over_tcp),
        T(content_length_for_streams),
        T(strict_router_upstream),
        T(strict_router_downstream),
        T(own_routes_are_popped),
        T(token_of_another_call),
        T(token_without_listener),
        T(ack_to_a_name),
        T(wildcard_listener),
        T(wildcard_hears_loopback),
        T(advertised_name),
        T(caller_behind_a_proxy),
        T(tokens_of_a_stranger),
        T(call_between_transports),
        T(record_route_by_method),
        T(path_becomes_route),
        T(request_uri_is_cleaned),
        T(loop_is_482_spiral_is_not),
        T(strangers_are_not_relayed),
        T(credentials_are_consumed),
        T(policy_decides),
        T(policy_is_not_fooled_by_a_tag),
        T(policy_is_not_evaded_by_302),
        T(policy_may_name_loopback),
        T(policy_routes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
