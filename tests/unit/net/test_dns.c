/* Names, against a small name server inside the test. */
#include "unit/net/kit.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TYPE_A    1
#define TYPE_SOA  6
#define TYPE_AAAA 28

struct server {
    struct kit k;
    int fd;
    char text[OH_ADDR_TEXT_MAX];
    unsigned queries;
    unsigned ttl;
    unsigned silent_type; /* not answered */
};

static void open_server(struct server *s, uint64_t timeout)
{
    struct oh_addr addr;

    s->fd = kit_socket(SOCK_DGRAM, "127.0.0.1:0", &addr);
    oh_addr_text(&addr, s->text);
    s->k.options.nameservers = s->text;
    s->k.options.dns_timeout = timeout;
    kit_listen(&s->k, OH_TRANSPORT_UDP, "127.0.0.1:0");
    kit_open(&s->k);
}

static void close_server(struct server *s)
{
    kit_close(&s->k);
    close(s->fd);
}

static size_t put(uint8_t *out, size_t at, uint32_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        out[at + i] = (uint8_t)(v >> 8 * (bytes - 1 - i));
    return at + bytes;
}

/* A record whose name is the question's. */
static size_t put_record(uint8_t *out, size_t at, unsigned type, unsigned ttl, const void *data,
                         size_t n)
{
    at = put(out, at, 0xc00c, 2);
    at = put(out, at, type, 2);
    at = put(out, at, 1, 2);
    at = put(out, at, ttl, 4);
    at = put(out, at, (uint32_t)n, 2);
    memcpy(out + at, data, n);
    return at + n;
}

/* "absent" does not exist (SOA minimum 1 s), "fails" is SERVFAIL, the others have one A and one
 * AAAA. */
static size_t reply_to(const struct server *s, uint8_t *p, size_t n)
{
    static const uint8_t v4[4] = {127, 0, 0, 9}, v6[16] = {[15] = 1};
    static const uint8_t soa[22] = {
        [21] = 1}; /* two root names, five numbers, the last is MINIMUM */
    unsigned type = p[n - 3];
    unsigned rcode = memcmp(p + 13, "absent", 6) == 0 ? 3 : memcmp(p + 13, "fails", 5) == 0 ? 2 : 0;

    p[2] = 0x81;
    p[3] = (uint8_t)(0x80 | rcode);
    put(p, 6, rcode == 0, 2);
    put(p, 8, rcode == 3, 2);
    put(p, 10, 0, 2);
    if (rcode == 3)
        return put_record(p, n, TYPE_SOA, 60, soa, sizeof(soa));
    if (rcode == 0 && type == TYPE_A)
        return put_record(p, n, TYPE_A, s->ttl, v4, sizeof(v4));
    if (rcode == 0)
        return put_record(p, n, TYPE_AAAA, s->ttl, v6, sizeof(v6));
    return n;
}

/* Answers what has come, except for the type that is silent. */
static void serve(struct server *s)
{
    uint8_t p[512];
    struct oh_addr from;

    for (;;) {
        struct timeval none = {.tv_usec = 1000};
        ssize_t n;

        setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none));
        n = kit_recvfrom(s->fd, (char *)p, 300, &from);
        if (n < 17)
            return;
        s->queries++;
        if (p[n - 3] == s->silent_type || s->silent_type == 255)
            continue;
        kit_sendto(s->fd, &from, oh_span((char *)p, reply_to(s, p, (size_t)n)));
    }
}

/* Waits for an answer while the server works. */
static bool resolved(struct server *s, struct oh__net_input *in, unsigned ms)
{
    uint64_t end = oh__clock_now() + ms * MS;

    while (oh__clock_now() < end) {
        serve(s);
        if (kit_next(s->k.net, OH__NET_RESOLVED, in, 2))
            return true;
    }
    return false;
}

static void test_both_families(void **state)
{
    struct server s = {.ttl = 60};
    struct oh__net_input in;
    struct oh_addr v4 = kit_parse("127.0.0.9:0"), v6 = kit_parse("[::1]:0");

    (void)state;
    open_server(&s, 1000 * MS);
    oh__net_resolve(s.k.net, OH_LIT("phone.example"), 42);
    assert_true(resolved(&s, &in, 1000));
    assert_int_equal(in.ticket, 42);
    assert_int_equal(in.result, OH_OK);
    assert_int_equal(in.addrs_n, 2);
    assert_true(oh_addr_same_host(&in.addrs[0], &v6));
    assert_true(oh_addr_same_host(&in.addrs[1], &v4));
    assert_int_equal(s.queries, 2);
    assert_int_equal(kit_stats(&s.k).dns_queries, 2);
    /* Again, without case and with a final dot: from the cache. */
    oh__net_resolve(s.k.net, OH_LIT("PHONE.example."), 43);
    assert_true(resolved(&s, &in, 1000));
    assert_int_equal(in.ticket, 43);
    assert_int_equal(in.addrs_n, 2);
    assert_int_equal(s.queries, 2);
    assert_int_equal(kit_stats(&s.k).dns_cache_hits, 1);
    close_server(&s);
}

/* One second of life, then the server is asked again; a TTL of 0 is used once. */
static void test_ttl(void **state)
{
    struct server s = {.ttl = 0};
    struct oh__net_input in;

    (void)state;
    open_server(&s, 1000 * MS);
    for (unsigned i = 1; i <= 2; i++) {
        oh__net_resolve(s.k.net, OH_LIT("now.example"), i);
        assert_true(resolved(&s, &in, 1000));
        assert_int_equal(in.result, OH_OK);
        assert_int_equal(s.queries, 2 * i);
    }
    s.ttl = 1;
    oh__net_resolve(s.k.net, OH_LIT("soon.example"), 3);
    assert_true(resolved(&s, &in, 1000));
    kit_run(s.k.net, OH__NET_RESOLVED, 1010);
    oh__net_resolve(s.k.net, OH_LIT("soon.example"), 4);
    assert_true(resolved(&s, &in, 1000));
    assert_int_equal(s.queries, 8);
    assert_int_equal(kit_stats(&s.k).dns_cache_hits, 0);
    close_server(&s);
}

static void test_negative(void **state)
{
    struct server s = {0};
    struct oh__net_input in;

    (void)state;
    open_server(&s, 1000 * MS);
    oh__net_resolve(s.k.net, OH_LIT("absent.example"), 1);
    assert_true(resolved(&s, &in, 1000));
    assert_int_equal(in.result, OH_E_NOTFOUND);
    assert_int_equal(in.addrs_n, 0);
    oh__net_resolve(s.k.net, OH_LIT("absent.example"), 2);
    assert_true(resolved(&s, &in, 1000));
    assert_int_equal(in.result, OH_E_NOTFOUND);
    assert_int_equal(s.queries, 2);
    oh__net_resolve(s.k.net, OH_LIT("fails.example"), 3);
    assert_true(resolved(&s, &in, 1500));
    assert_int_equal(in.result, OH_E_IO);
    close_server(&s);
}

static void test_silence(void **state)
{
    struct server s = {.silent_type = 255};
    struct oh__net_input in;
    uint64_t began = oh__clock_now();

    (void)state;
    open_server(&s, 200 * MS);
    oh__net_resolve(s.k.net, OH_LIT("void.example"), 5);
    oh__net_resolve(s.k.net, OH_LIT("void.example"), 6);
    assert_true(resolved(&s, &in, 1000));
    assert_int_equal(in.result, OH_E_TIMEOUT);
    assert_true(resolved(&s, &in, 1000));
    assert_int_equal(in.result, OH_E_TIMEOUT);
    assert_in_range((oh__clock_now() - began) / MS, 130, 600);
    assert_int_equal(kit_stats(&s.k).dns_timeouts, 1);
    close_server(&s);
}

/* One family is enough: the other one's silence costs half a second at most. */
static void test_one_family_silent(void **state)
{
    struct server s = {.ttl = 60, .silent_type = TYPE_AAAA};
    struct oh__net_input in;
    uint64_t began = oh__clock_now();

    (void)state;
    open_server(&s, 5000 * MS);
    oh__net_resolve(s.k.net, OH_LIT("old.example"), 5);
    assert_true(resolved(&s, &in, 2000));
    assert_int_equal(in.result, OH_OK);
    assert_int_equal(in.addrs_n, 1);
    assert_int_equal(in.addrs[0].family, OH_FAMILY_IPV4);
    assert_in_range((oh__clock_now() - began) / MS, 400, 1000);
    close_server(&s);
}

/* Different names at once, and one name twice: every ticket comes back once. */
static void test_in_flight(void **state)
{
    struct server s = {.ttl = 60};
    struct oh__net_input in;
    unsigned seen = 0;

    (void)state;
    open_server(&s, 1000 * MS);
    oh__net_resolve(s.k.net, OH_LIT("one.example"), 0);
    oh__net_resolve(s.k.net, OH_LIT("two.example"), 1);
    oh__net_resolve(s.k.net, OH_LIT("One.Example"), 2);
    oh__net_resolve(s.k.net, OH_LIT("absent.example"), 3);
    for (unsigned i = 0; i < 4; i++) {
        assert_true(resolved(&s, &in, 1000));
        assert_in_range(in.ticket, 0, 3);
        assert_int_equal(in.result, in.ticket == 3 ? OH_E_NOTFOUND : OH_OK);
        seen |= 1u << in.ticket;
    }
    assert_int_equal(seen, 15);
    assert_int_equal(s.queries, 6);
    close_server(&s);
}

/* Numbers, this machine and nonsense are answered without a question. */
static void test_no_question(void **state)
{
    static const struct {
        const char *host;
        int result;
        const char *addr;
    } cases[] = {
        {"192.0.2.7", OH_OK, "192.0.2.7:0"},
        {"[2001:db8::5]", OH_OK, "[2001:db8::5]:0"},
        {"2001:db8::5", OH_OK, "[2001:db8::5]:0"},
        {"", OH_E_NOTFOUND, NULL},
        {".", OH_E_NOTFOUND, NULL},
        {"a..b", OH_E_NOTFOUND, NULL},
        {"a b", OH_E_NOTFOUND, NULL},
        {"a\\046b", OH_E_NOTFOUND, NULL},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example", OH_E_NOTFOUND,
         NULL},
    };
    struct server s = {0};
    struct oh__net_input in;

    (void)state;
    open_server(&s, 1000 * MS);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        oh__net_resolve(s.k.net, oh_span_str(cases[i].host), i);
        assert_true(kit_next(s.k.net, OH__NET_RESOLVED, &in, 100));
        assert_int_equal(in.ticket, i);
        assert_int_equal(in.result, cases[i].result);
        assert_int_equal(in.addrs_n, cases[i].addr != NULL);
        if (cases[i].addr) {
            struct oh_addr a = kit_parse(cases[i].addr);

            assert_true(oh_addr_same_host(&a, &in.addrs[0]));
        }
    }
    oh__net_resolve(s.k.net, OH_LIT("localhost"), 99);
    assert_true(kit_next(s.k.net, OH__NET_RESOLVED, &in, 100));
    assert_true(in.addrs_n >= 1 && oh_addr_is_loopback(&in.addrs[0]));
    oh__net_resolve(s.k.net, OH_LIT("some.LocalHost"), 100);
    assert_true(kit_next(s.k.net, OH__NET_RESOLVED, &in, 100));
    assert_true(in.addrs_n >= 1 && oh_addr_is_loopback(&in.addrs[0]));
    assert_int_equal(kit_stats(&s.k).dns_queries, 0);
    close_server(&s);
}

/* More names than the cache holds: it stays bounded, and every one is answered. */
static void test_bounded(void **state)
{
    struct server s = {.ttl = 600};
    struct oh__net_input in;
    unsigned answered = 0;

    (void)state;
    open_server(&s, 2000 * MS);
    for (unsigned i = 0; i < 4200; i += 100) {
        for (unsigned j = i; j < i + 100; j++) {
            char name[32];
            int n = snprintf(name, sizeof(name), "h%u.example", j);

            oh__net_resolve(s.k.net, oh_span(name, (size_t)n), j);
        }
        for (unsigned j = 0; j < 100; j++) {
            assert_true(kit_next(s.k.net, OH__NET_RESOLVED, &in, 0) || resolved(&s, &in, 1000));
            answered += in.result == OH_OK;
        }
    }
    assert_int_equal(answered, 4200);
    close_server(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_families),     cmocka_unit_test(test_ttl),
        cmocka_unit_test(test_negative),          cmocka_unit_test(test_silence),
        cmocka_unit_test(test_one_family_silent), cmocka_unit_test(test_in_flight),
        cmocka_unit_test(test_no_question),       cmocka_unit_test(test_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
