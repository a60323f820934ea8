/* Clocks, entropy, hashes, addresses; and the parts of net that need no socket. */
#include "unit/net/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/conns.h"
#include "net/dns_wire.h"
#include "net/hosts.h"
#include "net/mail.h"
#include "net/order.h"
#include "net/watch.h"

static void test_clock(void **state)
{
    uint64_t a = oh__clock_now(), b = oh__clock_now();

    (void)state;
    assert_true(b >= a && a > 0);
    assert_true(oh__clock_wall() > UINT64_C(1700000000000));
    assert_true(oh__clock_wall() < UINT64_C(7000000000000));
}

static void test_entropy(void **state)
{
    uint8_t a[600] = {0}, b[600] = {0};

    (void)state;
    assert_int_equal(oh__entropy(a, sizeof(a)), OH_OK);
    assert_int_equal(oh__entropy(b, sizeof(b)), OH_OK);
    assert_memory_not_equal(a, b, sizeof(a));
    assert_memory_not_equal(a + 568, (uint8_t[32]){0}, 32);
    assert_int_equal(oh__entropy(a, 0), OH_OK);
}

/* RFC 1321 A.5, FIPS 180-4 examples. */
static void test_hashes(void **state)
{
    static const struct {
        enum oh_hash algorithm;
        const char *text, *hex;
    } cases[] = {
        {OH_HASH_MD5, "", "d41d8cd98f00b204e9800998ecf8427e"},
        {OH_HASH_MD5, "abc", "900150983cd24fb0d6963f7d28e17f72"},
        {OH_HASH_SHA256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {OH_HASH_SHA512_256, "abc",
         "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"},
        {OH_HASH_MD5, "message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
        {OH_HASH_SHA256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    };
    struct oh_hasher *h = oh__hasher_new();
    uint8_t out[OH_HASH_BYTES_MAX];

    (void)state;
    assert_non_null(h);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct oh_span whole = oh_span_str(cases[i].text);
        struct oh_span parts[3] = {oh_span_head(whole, 1), {NULL, 0}, oh_span_from(whole, 1)};
        char hex[OH_HASH_HEX_MAX + 1] = "";
        size_t n = oh_hash_size(cases[i].algorithm);

        assert_int_equal(h->hash(h->ctx, cases[i].algorithm, parts, 3, out), OH_OK);
        for (size_t j = 0; j < n; j++)
            snprintf(hex + 2 * j, 3, "%02x", out[j]);
        assert_string_equal(hex, cases[i].hex);
    }
    assert_int_equal(h->hash(h->ctx, OH_HASH_NONE, NULL, 0, out), OH_E_UNSUPPORTED);
    assert_int_equal(h->hash(h->ctx, OH_HASH_COUNT, NULL, 0, out), OH_E_UNSUPPORTED);
    oh__hasher_free(h);
    oh__hasher_free(NULL);
}

static void test_local(void **state)
{
    struct oh_addr addrs[32];
    unsigned n = oh__local_addrs(addrs, 32);
    char name[256], tiny[1];

    (void)state;
    assert_in_range(n, 1, 32);
    /* Loopback is there, and nothing but loopback behind it. */
    assert_true(oh_addr_is_loopback(&addrs[n - 1]));
    for (unsigned i = 1; i < n; i++)
        assert_true(oh_addr_is_loopback(&addrs[i]) || !oh_addr_is_loopback(&addrs[i - 1]));
    assert_int_equal(oh__local_addrs(addrs, 1), 1);
    assert_int_equal(oh__local_addrs(addrs, 0), 0);
    oh__host_name(name, sizeof(name));
    assert_true(strlen(name) > 0);
    oh__host_name(tiny, sizeof(tiny));
    assert_string_equal(tiny, "");
}

static void test_hosts(void **state)
{
    static const char text[] = "# comment alpha\n"
                               "127.0.0.1\tlocalhost alpha # beta\r\n"
                               "bad-address alpha\n"
                               "  ::1 alpha\n"
                               "127.0.0.1 ALPHA\n"
                               "10.0.0.1 gamma";
    struct oh_addr out[4];
    struct oh_span t = oh_span(text, sizeof(text) - 1);

    (void)state;
    assert_int_equal(oh__hosts_find(t, OH_LIT("Alpha"), out, 4), 2);
    assert_int_equal(out[0].family, OH_FAMILY_IPV4);
    assert_int_equal(out[1].family, OH_FAMILY_IPV6);
    assert_int_equal(oh__hosts_find(t, OH_LIT("alpha"), out, 1), 1);
    assert_int_equal(oh__hosts_find(t, OH_LIT("beta"), out, 4), 0);
    assert_int_equal(oh__hosts_find(t, OH_LIT("gamma"), out, 4), 1);
    assert_int_equal(oh__hosts_find(t, OH_LIT("127.0.0.1"), out, 4), 0);
    assert_int_equal(oh__hosts_find(oh_span(NULL, 0), OH_LIT("alpha"), out, 4), 0);
}

/* A changed file is noticed after a second, a missing one is empty. */
static void test_hosts_refresh(void **state)
{
    struct oh__hosts h = {0};
    char path[] = "/tmp/offhook-hosts-XXXXXX";
    struct oh_addr out[2];
    int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");

    (void)state;
    fputs("10.1.1.1 one\n", f);
    fflush(f);
    oh__hosts_refresh(&h, path, 1000 * MS);
    assert_int_equal(oh__hosts_find(oh_span(h.text, h.n), OH_LIT("one"), out, 2), 1);
    fputs("10.1.1.2 two\n", f);
    fclose(f);
    oh__hosts_refresh(&h, path, 1500 * MS);
    assert_int_equal(oh__hosts_find(oh_span(h.text, h.n), OH_LIT("two"), out, 2), 0);
    oh__hosts_refresh(&h, path, 2100 * MS);
    assert_int_equal(oh__hosts_find(oh_span(h.text, h.n), OH_LIT("two"), out, 2), 1);
    remove(path);
    oh__hosts_refresh(&h, path, 4000 * MS);
    assert_int_equal(h.n, 0);
    oh__hosts_done(&h);
}

/* The examples of RFC 6724 10.2 that concern the rules we have. */
static void test_order(void **state)
{
    static const struct {
        const char *dst[2], *src[2]; /* in the order expected; "" = unreachable */
    } cases[] = {
        {{"[2001:db8:1::1]:0", "198.51.100.121:0"}, {"[2001:db8:1::2]:0", "169.254.13.78:0"}},
        {{"198.51.100.121:0", "[2001:db8:1::1]:0"}, {"198.51.100.117:0", "[fe80::1]:0"}},
        {{"[2001:db8:1::1]:0", "10.1.2.3:0"}, {"[2001:db8:1::2]:0", "10.1.2.4:0"}},
        {{"[2001:db8:1::1]:0", "[2002:c633:6401::1]:0"},
         {"[2001:db8:1::2]:0", "[2002:c633:6401::2]:0"}},
        {{"10.1.2.3:0", "[2001:db8::1]:0"}, {"10.1.2.4:0", ""}},
        {{"[fe80::1]:0", "[2001:db8:1::1]:0"}, {"[fe80::2]:0", "[2001:db8:1::2]:0"}},
        {{"10.0.0.2:0", "10.0.0.1:0"}, {"10.0.0.9:0", "10.0.0.9:0"}},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct oh_addr want[2], dst[2], src[2] = {{0}, {0}};
        bool stable = i == 6; /* equals keep the order that they came in */

        for (unsigned j = 0; j < 2; j++) {
            unsigned to = stable ? j : 1 - j;

            want[j] = dst[to] = kit_parse(cases[i].dst[j]);
            if (cases[i].src[j][0])
                src[to] = kit_parse(cases[i].src[j]);
        }
        oh__order_by(dst, src, 2);
        assert_true(oh_addr_eq(&dst[0], &want[0]));
        assert_true(oh_addr_eq(&dst[1], &want[1]));
    }
}

/* Answers that lie about their lengths are negative answers with the usual time. */
static void test_wire_hostile(void **state)
{
    uint8_t p[64] = {0, 1, 0x81, 0x83, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0x3f, 'a'};
    struct oh_addr out[4];
    uint32_t ttl = 7;

    (void)state;
    for (size_t n = 0; n <= sizeof(p); n++) {
        assert_int_equal(oh__dns_negative_ttl(p, n), OH__DNS_NEGATIVE_DEFAULT);
        assert_int_equal(oh__dns_addrs(p, n, OH_FAMILY_IPV4, out, 4, &ttl), 0);
        assert_int_equal(oh__dns_addrs(p, n, OH_FAMILY_IPV6, out, 4, &ttl), 0);
    }
    assert_int_equal(ttl, 7);
}

static void test_conns(void **state)
{
    struct oh__conns *c;
    struct oh__conn_name a, b, found;
    struct oh_addr first = kit_parse("[2001:db8:1:2::1]:5000"),
                   second = kit_parse("[2001:db8:1:2:ffff::9]:5001");
    struct oh_addr third = kit_parse("[2001:db8:1:3::1]:5000");
    bool fresh;

    (void)state;
    assert_int_equal(oh__conns_new(3, 1, &c), OH_OK);
    /* A /64 is one source; the next one is another. */
    assert_int_equal(oh__conns_accept(c, 5, OH_TRANSPORT_TCP, &first, &a), OH_OK);
    assert_int_equal(oh__conn_worker(a.id), 5);
    assert_int_equal(oh__conns_accept(c, 5, OH_TRANSPORT_TCP, &second, &b), OH_E_LIMIT);
    assert_int_equal(oh__conns_accept(c, 6, OH_TRANSPORT_TCP, &third, &b), OH_OK);
    assert_int_not_equal(a.id, b.id);
    /* Found by peer and transport. */
    assert_int_equal(oh__conns_open(c, 0, OH_TRANSPORT_TCP, &first, &found, &fresh), OH_OK);
    assert_false(fresh);
    assert_int_equal(found.id, a.id);
    /* Hidden, it still counts for its source. */
    oh__conns_hide(c, a.entry);
    oh__conns_hide(c, a.entry);
    assert_int_equal(oh__conns_accept(c, 5, OH_TRANSPORT_TCP, &second, &found), OH_E_LIMIT);
    assert_int_equal(oh__conns_open(c, 0, OH_TRANSPORT_TCP, &first, &found, &fresh), OH_OK);
    assert_true(fresh);
    assert_int_equal(oh__conns_open(c, 0, OH_TRANSPORT_TCP, &second, &found, &fresh), OH_E_FULL);
    oh__conns_leave(c, a.entry);
    oh__conns_leave(c, a.entry);
    assert_int_equal(oh__conns_accept(c, 5, OH_TRANSPORT_TCP, &second, &found), OH_OK);
    assert_true(found.id > a.id);
    oh__conns_free(c);
    oh__conns_free(NULL);
}

static void test_mail(void **state)
{
    struct oh__mailbox m;
    struct oh__bag bag = {0};
    struct oh__letter letter = {.kind = OH__LETTER_SEND, .ticket = 1}, got;
    struct oh_span bytes;
    static char big[1 << 20];
    size_t at = 0;
    int rc = OH_OK;

    (void)state;
    assert_int_equal(oh__mail_init(&m), OH_OK);
    assert_int_equal(oh__mail_post(&m, &letter, OH_LIT("x")), OH_E_STATE);
    oh__mail_open(&m, true);
    assert_int_equal(oh__mail_post(&m, &letter, OH_LIT("one")), OH_OK);
    letter.ticket = 2;
    assert_int_equal(oh__mail_post(&m, &letter, oh_span(NULL, 0)), OH_OK);
    oh__mail_wake(&m);
    assert_true(oh__mail_take(&m, &bag));
    assert_true(oh__bag_next(&bag, &at, &got, &bytes));
    assert_int_equal(got.ticket, 1);
    assert_true(oh_span_eq(bytes, OH_LIT("one")));
    assert_true(oh__bag_next(&bag, &at, &got, &bytes));
    assert_int_equal(got.ticket, 2);
    assert_int_equal(bytes.n, 0);
    assert_false(oh__bag_next(&bag, &at, &got, &bytes));
    assert_false(oh__mail_take(&m, &bag));
    /* A reader that is stuck does not fill the memory; what it owes the others still gets through.
     */
    for (unsigned i = 0; i < 100 && rc == OH_OK; i++)
        rc = oh__mail_post(&m, &letter, oh_span(big, sizeof(big)));
    assert_int_equal(rc, OH_E_FULL);
    letter.kind = OH__LETTER_FAILED;
    assert_int_equal(oh__mail_post(&m, &letter, oh_span(NULL, 0)), OH_OK);
    oh__mail_done(&m);
    oh__bag_done(&bag);
}

/* ICMP errors come as fast as they are forged: they do not fill a mailbox, and not even keep work
 * out of it. */
static void test_mail_errors(void **state)
{
    struct oh__mailbox m;
    struct oh__bag bag = {0};
    struct oh__letter letter = {.kind = OH__LETTER_UNREACHABLE}, got;
    struct oh_span bytes;
    unsigned posted = 0, taken = 0;
    size_t at = 0;

    (void)state;
    assert_int_equal(oh__mail_init(&m), OH_OK);
    oh__mail_open(&m, true);
    while (posted < 100000 && oh__mail_post(&m, &letter, oh_span(NULL, 0)) == OH_OK)
        posted++;
    assert_in_range(posted, 100, (256 << 10) / sizeof(letter));
    assert_int_equal(oh__mail_post(&m, &letter, oh_span(NULL, 0)), OH_E_FULL);
    letter.kind = OH__LETTER_SEND;
    assert_int_equal(oh__mail_post(&m, &letter, OH_LIT("work")), OH_OK);
    oh__mail_take(&m, &bag);
    while (oh__bag_next(&bag, &at, &got, &bytes))
        taken++;
    assert_int_equal(taken, posted + 1);
    /* Read, it has room again. */
    letter.kind = OH__LETTER_UNREACHABLE;
    assert_int_equal(oh__mail_post(&m, &letter, oh_span(NULL, 0)), OH_OK);
    oh__mail_done(&m);
    oh__bag_done(&bag);
}

/* The send that an error is about, when it brings back n bytes of it. */
static bool look(struct oh__watch *w, const struct oh_addr *peer, const char *text, size_t n,
                 uint64_t *run, uint64_t *ticket)
{
    struct oh_flow found;
    bool any = oh__watch_find(w, peer, oh__watch_mark(oh_span(text, n)), run, ticket, &found);

    assert_true(!any || oh_addr_eq(&found.peer, peer));
    return any;
}

/* The datagram that failed is found among many; the oldest are forgotten; an error that tells too
 * little, as a forged one does, finds nothing. */
static void test_watch(void **state)
{
    struct oh__watch *w = oh__watch_new();
    struct oh_flow flow = {.peer = kit_parse("192.0.2.1:5060")};
    uint64_t ticket, run;
    char text[400];

    (void)state;
    memset(text, 'x', sizeof(text));
    for (unsigned i = 1; i <= 100; i++) {
        text[0] = (char)i;
        oh__watch_add(w, &flow, oh__watch_mark(oh_span(text, sizeof(text))), 0, i);
    }
    text[0] = 50;
    assert_true(look(w, &flow.peer, text, sizeof(text), &run, &ticket));
    assert_int_equal(ticket, 50);
    assert_int_equal(run, 0);
    assert_false(look(w, &flow.peer, text, sizeof(text), &run, &ticket));
    text[0] = 100;
    for (size_t n = 0; n < OH__WATCH_BYTES; n++)
        assert_false(look(w, &flow.peer, text, n, &run, &ticket));
    /* Enough of it, and all of a small one. */
    assert_true(look(w, &flow.peer, text, OH__WATCH_BYTES, &run, &ticket));
    assert_int_equal(ticket, 100);
    oh__watch_add(w, &flow, oh__watch_mark(OH_LIT("small")), 0, 101);
    assert_true(look(w, &flow.peer, "small", 5, &run, &ticket));
    assert_int_equal(ticket, 101);
    flow.peer.port++;
    assert_false(look(w, &flow.peer, "", 0, &run, &ticket));
    oh__watch_free(w);
    oh__watch_free(NULL);
}

/* One datagram of a run leads to the others, each once, and to those of no other run. */
static void test_watch_run(void **state)
{
    struct oh__watch *w = oh__watch_new();
    struct oh_flow flow = {.peer = kit_parse("192.0.2.1:5060")}, found;
    uint64_t ticket, run, seen = 0, first = oh__watch_run(w), second = oh__watch_run(w);
    char text[400];
    unsigned at = 0;

    (void)state;
    assert_true(first && second && first != second);
    memset(text, 'x', sizeof(text));
    for (unsigned i = 0; i < 60; i++) {
        text[0] = (char)i;
        oh__watch_add(w, &flow, oh__watch_mark(oh_span(text, sizeof(text))),
                      i < 20   ? first
                      : i < 40 ? second
                               : 0,
                      1 + i);
    }
    text[0] = 20;
    assert_true(look(w, &flow.peer, text, sizeof(text), &run, &ticket));
    assert_int_equal(ticket, 21);
    assert_true(run == second);
    while (oh__watch_next(w, run, &at, &ticket, &found)) {
        assert_in_range(ticket, 22, 40);
        assert_false(seen >> ticket & 1);
        seen |= UINT64_C(1) << ticket;
    }
    assert_int_equal(__builtin_popcountll(seen), 19);
    /* What left by itself leads nowhere. */
    at = 0;
    assert_false(oh__watch_next(w, 0, &at, &ticket, &found));
    oh__watch_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock),       cmocka_unit_test(test_entropy),
        cmocka_unit_test(test_hashes),      cmocka_unit_test(test_local),
        cmocka_unit_test(test_hosts),       cmocka_unit_test(test_hosts_refresh),
        cmocka_unit_test(test_order),       cmocka_unit_test(test_wire_hostile),
        cmocka_unit_test(test_conns),       cmocka_unit_test(test_mail),
        cmocka_unit_test(test_mail_errors), cmocka_unit_test(test_watch),
        cmocka_unit_test(test_watch_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
