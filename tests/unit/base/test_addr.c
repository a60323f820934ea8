#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include <offhook/addr.h>
#include <offhook/error.h>

#include "base/hash.h"
#include "exact.h"

/* From a block that ends where the text does, so that the sanitizer sees a byte too many. */
static int parse(const char *text, struct oh_addr *out)
{
    struct oh_span copy = exact_copy(oh_span_str(text));
    int rc = oh_addr_parse(copy, out);

    exact_free(copy);
    return rc;
}

static int parse_port(const char *text, struct oh_addr *out)
{
    struct oh_span copy = exact_copy(oh_span_str(text));
    int rc = oh_addr_parse_port(copy, out);

    exact_free(copy);
    return rc;
}

static struct oh_addr addr(const char *text)
{
    struct oh_addr a;
    int rc = oh_addr_parse_port(oh_span_str(text), &a);

    if (rc)
        fail_msg("no address: %s", text);
    return a;
}

/* Good addresses, and the form RFC 5952 gives them. */
static void reads_and_writes(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"0.0.0.0", "0.0.0.0"},
        {"192.0.2.1", "192.0.2.1"},
        {"255.255.255.255", "255.255.255.255"},
        {"9.10.99.100", "9.10.99.100"},
        {"::", "::"},
        {"[::]", "::"},
        {"::1", "::1"},
        {"1::", "1::"},
        {"[2001:db8::10]", "2001:db8::10"},
        {"2001:DB8::9:ABCD", "2001:db8::9:abcd"},
        {"2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"},
        {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
        {"1::8", "1::8"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
        /* RFC 5952 4.2.2: one zero group is not shortened. */
        {"2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
        {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
        /* RFC 5952 4.2.3: the longest run, the first of equals. */
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"0:0:1:0:0:0:0:0", "0:0:1::"},
        {"0:0:0:0:1:0:0:0", "::1:0:0:0"},
        /* RFC 5954 4.1 and RFC 4291 2.5.5: IPv4 at the end. */
        {"::ffff:192.0.2.10", "::ffff:192.0.2.10"},
        {"[::ffff:192.0.2.2]", "::ffff:192.0.2.2"},
        {"::FFFF:c000:020a", "::ffff:192.0.2.10"},
        {"::192.0.2.1", "::c000:201"},
        {"2001:db8::192.0.2.1", "2001:db8::c000:201"},
        {"1:2:3:4:5:6:192.0.2.1", "1:2:3:4:5:6:c000:201"},
        {"1:2:3:4:5::192.0.2.1", "1:2:3:4:5:0:c000:201"},
        {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
        /* RFC 5118 4.10: the third colon of RFC 3261's grammar. */
        {"[2001:db8:::192.0.2.1]", "2001:db8::c000:201"},
        {"2001:db8:::192.0.2.1", "2001:db8::c000:201"},
        {":::192.0.2.1", "::c000:201"},
        {":::255.255.255.255", "::ffff:ffff"},
        /* RFC 4007 11. */
        {"fe80::1%3", "fe80::1%3"},
        {"[fe80::1%4294967295]", "fe80::1%4294967295"},
        {"fe80::1%0", "fe80::1"},
        {"fe80::192.0.2.1%25", "fe80::c000:201%25"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct oh_addr a, again;
        char text[OH_ADDR_TEXT_MAX];
        size_t n;

        if (parse(cases[i].in, &a) != OH_OK)
            fail_msg("refused: %s", cases[i].in);
        assert_int_equal(a.port, 0);
        n = oh_addr_host_text(&a, text);
        assert_string_equal(text, cases[i].out);
        assert_int_equal(n, strlen(text));
        assert_int_equal(parse(text, &again), OH_OK);
        assert_memory_equal(again.ip, a.ip, sizeof(a.ip));
        assert_int_equal(again.family, a.family);
        assert_int_equal(again.scope, a.scope);
    }
}

static void lays_out_bytes(void **state)
{
    static const uint8_t v6[16] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0x12, 192, 0, 2, 1};
    static const uint8_t v4[16] = {192, 0, 2, 1};
    struct oh_addr a;
    (void)state;

    assert_int_equal(parse("2001:db8::12:192.0.2.1", &a), OH_OK);
    assert_int_equal(a.family, OH_FAMILY_IPV6);
    assert_memory_equal(a.ip, v6, 16);
    assert_int_equal(parse("192.0.2.1", &a), OH_OK);
    assert_int_equal(a.family, OH_FAMILY_IPV4);
    assert_memory_equal(a.ip, v4, 16);
}

/* The formatter would give each a line of its own. */
/* clang-format off */
static const char *const no_address[] = {
    "", " ", "a", "example.com", "1", "1.2", "1.2.3", "1.2.3.", "1.2.3.4.", "1.2.3.4.5",
    ".1.2.3.4", "1..2.3", "1.2.3.256", "1.2.3.999", "1.2.3.1000", "01.2.3.4", "1.2.3.00",
    "1.2.3.010", "0x1.2.3.4", "1.2.3.4 ", " 1.2.3.4", "1.2.3.-4", "1.2.3.+4", "1.2.3.4%1",
    "[1.2.3.4]", "1.2.3.4]", "[1.2.3.4", "3221225985", ":", ":::", "::::", "[]", "[", "]", "[:]",
    "1:", ":1", "1:2", "::1:", ":::1", "1:::2", "1:::", "1::2::3", "::1::", "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:", "1:2:3:4:5:6:7:8:", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::",
    "::1:2:3:4:5:6:7:8", "1:2:3:4::5:6:7:8", "12345::", "::12345", "::g", "::G1", "::1 ", " ::1",
    "::-1", "[::1", "::1]", "[[::1]]", "[::1]:5060", "[::1] ", "::1.2.3", "::1.2.3.4.5",
    "::1.2.3.256", "::01.2.3.4", "::1.2.3.4:5", "1.2.3.4::", "::1.2.3.4::", "::a.1.1.1",
    "1:2:3:4:5:6:7:1.2.3.4", "1:2:3:4:5:6:7:1.2.12.0",
    "1:2:3:4:5:6::1.2.3.4", "1:2:3:4:5:1.2.3.4", "1.2.3.4:1::",
    ":::1:1.2.3.4", "1::2:::1.2.3.4", "1::::1.2.3.4", "::%", "::%eth0", "::1%1%2", "::1%-1",
    "::1%4294967296", "%1", "1%1", "[::1]%1", "::1%1]", "1:2:3:4:5:6:7:8:1.2.3.4",
    "::ffff:1.2.3.4.", "::fffff:1.2.3.4", "1::2:", "1:2::3:",
};
/* clang-format on */

static void refuses(void **state)
{
    (void)state;

    for (size_t i = 0; i < sizeof(no_address) / sizeof(no_address[0]); i++) {
        struct oh_addr a = {.family = 99, .port = 98};

        if (parse(no_address[i], &a) != OH_E_SYNTAX)
            fail_msg("not refused: %s", no_address[i]);
        assert_int_equal(a.family, 99);
        assert_int_equal(a.port, 98);
    }
    assert_int_equal(oh_addr_parse(OH_LIT("1.2.3.4\0"), &(struct oh_addr){0}), OH_E_SYNTAX);
    assert_int_equal(oh_addr_parse(oh_span(NULL, 0), &(struct oh_addr){0}), OH_E_SYNTAX);
}

static void reads_ports(void **state)
{
    static const struct {
        const char *in;
        uint16_t port;
        const char *out;
    } cases[] = {
        {"192.0.2.1", 0, "192.0.2.1"},
        {"192.0.2.1:0", 0, "192.0.2.1"},
        {"192.0.2.1:1", 1, "192.0.2.1:1"},
        {"192.0.2.1:5060", 5060, "192.0.2.1:5060"},
        {"192.0.2.1:65534", 65534, "192.0.2.1:65534"},
        {"192.0.2.1:65535", 65535, "192.0.2.1:65535"},
        {"192.0.2.1:05060", 5060, "192.0.2.1:5060"},
        {"[::1]", 0, "[::1]"},
        {"[::1]:5061", 5061, "[::1]:5061"},
        {"::1", 0, "[::1]"},
        /* RFC 5118 4.3: without brackets the number is part of the address. */
        {"2001:db8::10:5070", 0, "[2001:db8::10:5070]"},
        {"[2001:db8::10]:5070", 5070, "[2001:db8::10]:5070"},
        {"[fe80::1%2]:5060", 5060, "[fe80::1%2]:5060"},
        {"[::ffff:192.0.2.1]:5060", 5060, "[::ffff:192.0.2.1]:5060"},
        {"[2001:db8:::192.0.2.1]:5060", 5060, "[2001:db8::c000:201]:5060"},
    };
    static const char *const bad[] = {
        "",           ":",        ":5060",       "1.2.3.4:",       "1.2.3.4:65536", "1.2.3.4:x",
        "1.2.3.4:1x", "[::1]:",   "[::1]:65536", "[::1]5060",      "[::1]x:5060",   "]:5060",
        "[]:5060",    "x:5060",   "1.2.3.4:5:6", "[1.2.3.4]:5060", "[::1:5060",     "1.2.3.4:-1",
        "1.2.3.4: 1", "[::1]]:1", "[::1]::1",
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[OH_ADDR_TEXT_MAX];
        struct oh_addr a, again;

        assert_int_equal(parse_port(cases[i].in, &a), OH_OK);
        assert_int_equal(a.port, cases[i].port);
        assert_int_equal(oh_addr_text(&a, text), strlen(cases[i].out));
        assert_string_equal(text, cases[i].out);
        assert_int_equal(oh_addr_parse_port(oh_span_str(text), &again), OH_OK);
        assert_true(oh_addr_eq(&a, &again));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct oh_addr a = {.family = 99};

        if (parse_port(bad[i], &a) != OH_E_SYNTAX)
            fail_msg("not refused: %s", bad[i]);
        assert_int_equal(a.family, 99);
    }
}

static void longest_text_fits(void **state)
{
    struct oh_addr a = {.family = OH_FAMILY_IPV6, .port = 65535, .scope = UINT32_MAX};
    char text[OH_ADDR_TEXT_MAX];
    (void)state;

    memset(a.ip, 0xff, sizeof(a.ip));
    oh_addr_text(&a, text);
    assert_string_equal(text, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535");
    a.family = OH_FAMILY_NONE;
    a.port = 0;
    assert_int_equal(oh_addr_host_text(&a, text), 1);
    assert_string_equal(text, "-");
}

static void compares(void **state)
{
    struct oh_addr a = addr("192.0.2.1:5060"), mapped = addr("[::ffff:192.0.2.1]:5060");
    struct oh_addr other_port = addr("192.0.2.1:5061"), other = addr("192.0.2.2:5060");
    struct oh_addr compatible = addr("[::192.0.2.1]:5060");
    struct oh_addr zone1 = addr("[fe80::1%1]:5060"), zone2 = addr("[fe80::1%2]:5060");
    struct oh_addr none = {0};
    (void)state;

    assert_true(oh_addr_eq(&a, &a));
    assert_true(oh_addr_eq(&a, &mapped));
    assert_true(oh_addr_eq(&mapped, &a));
    assert_false(oh_addr_eq(&a, &other_port));
    assert_true(oh_addr_same_host(&a, &other_port));
    assert_true(oh_addr_same_host(&mapped, &other_port));
    assert_false(oh_addr_same_host(&a, &other));
    assert_false(oh_addr_same_host(&a, &compatible));
    assert_false(oh_addr_same_host(&zone1, &zone2));
    assert_true(oh_addr_same_host(&zone1, &zone1));
    assert_false(oh_addr_same_host(&a, &none));
    assert_true(oh_addr_eq(&none, &none));
}

static void unmaps(void **state)
{
    struct oh_addr mapped = addr("[::ffff:192.0.2.1]:5060"), plain = addr("192.0.2.1:5060");
    struct oh_addr v6 = addr("[::fffe:192.0.2.1]"), kept = v6;
    (void)state;

    oh_addr_unmap(&mapped);
    assert_int_equal(mapped.family, OH_FAMILY_IPV4);
    assert_int_equal(mapped.port, 5060);
    assert_memory_equal(mapped.ip, plain.ip, 16);
    oh_addr_unmap(&plain);
    assert_true(oh_addr_eq(&plain, &mapped));
    oh_addr_unmap(&v6);
    assert_int_equal(v6.family, OH_FAMILY_IPV6);
    assert_memory_equal(v6.ip, kept.ip, 16);
}

static void classifies(void **state)
{
    enum { NOTHING = 0, LOOPBACK = 1, ANY = 2, BROADCAST = 4 };
    static const struct {
        const char *text;
        int what;
    } cases[] = {
        {"126.255.255.255", NOTHING},
        {"127.0.0.0", LOOPBACK},
        {"127.255.255.255", LOOPBACK},
        {"128.0.0.0", NOTHING},
        {"::1", LOOPBACK},
        {"::2", NOTHING},
        {"1::1", NOTHING},
        {"::ffff:127.0.0.1", LOOPBACK},
        {"0.0.0.0", ANY},
        {"0.0.0.1", NOTHING},
        {"::", ANY},
        {"::ffff:0.0.0.0", ANY},
        {"223.255.255.255", NOTHING},
        {"224.0.0.0", BROADCAST},
        {"239.255.255.255", BROADCAST},
        {"240.0.0.0", NOTHING},
        {"255.255.255.254", NOTHING},
        {"255.255.255.255", BROADCAST},
        {"::ffff:255.255.255.255", BROADCAST},
        {"fe00::", NOTHING},
        {"ff02::1", BROADCAST},
        {"ffff::", BROADCAST},
        {"fe80::1%2", NOTHING},
    };
    struct oh_addr none = {0};
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct oh_addr a = addr(cases[i].text);
        int what = oh_addr_is_loopback(&a) * LOOPBACK + oh_addr_is_any(&a) * ANY +
                   oh_addr_is_broadcast(&a) * BROADCAST;

        if (what != cases[i].what)
            fail_msg("%s is %d", cases[i].text, what);
    }
    assert_false(oh_addr_is_loopback(&none));
    assert_false(oh_addr_is_any(&none));
    assert_false(oh_addr_is_broadcast(&none));
}

static void networks_contain(void **state)
{
    static const struct {
        const char *net, *addr;
        bool in;
    } cases[] = {
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "9.255.255.255", false},
        {"10.1.2.3/8", "10.9.9.9", true},
        {"172.16.0.0/12", "172.31.255.255", true},
        {"172.16.0.0/12", "172.32.0.0", false},
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"192.0.2.1/32", "192.0.2.1", true},
        {"192.0.2.0/31", "192.0.2.1", true},
        {"192.0.2.0/31", "192.0.2.2", false},
        {"0.0.0.0/0", "255.255.255.255", true},
        {"0.0.0.0/0", "::ffff:1.2.3.4", true},
        {"0.0.0.0/0", "::1", false},
        {"128.0.0.0/1", "127.255.255.255", false},
        {"128.0.0.0/1", "128.0.0.0", true},
        {"::/0", "2001:db8::1", true},
        {"::/0", "1.2.3.4", false},
        {"::/0", "::ffff:1.2.3.4", false},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/32", "2001:db9::", false},
        {"[2001:db8::]/32", "2001:db8::1", true},
        {"2001:db8::/33", "2001:db8:8000::", false},
        {"2001:db8::1", "2001:db8::1", true},
        {"2001:db8::/127", "2001:db8::1", true},
        {"2001:db8::/127", "2001:db8::2", false},
        {"::ffff:10.0.0.0/104", "10.1.2.3", true},
        {"::ffff:10.0.0.0/104", "11.1.2.3", false},
        {"::ffff:0:0/96", "11.1.2.3", true},
        {"::ffff:192.0.2.1", "192.0.2.1", true},
        {"fe80::%2/10", "fe80::1%2", true},
        {"fe80::%2/10", "fe80::1%3", false},
        {"fe80::/10", "fe80::1%3", true},
    };
    static const char *const bad[] = {
        "",
        "/",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/8/8",
        "10.0.0/8",
        "::/129",
        "::/",
        "::/x",
        "example.com",
        "10.0.0.0 /8",
        "10.0.0.0/ 8",
        "10.0.0.0/4294967304",
        "10.0.0.0:5060/8",
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct oh_addr a = addr(cases[i].addr);
        struct oh_network net;

        assert_int_equal(oh_network_parse(oh_span_str(cases[i].net), &net), OH_OK);
        if (oh_network_has(&net, &a) != cases[i].in)
            fail_msg("%s in %s", cases[i].addr, cases[i].net);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct oh_network net = {.bits = 99};

        if (oh_network_parse(oh_span_str(bad[i]), &net) != OH_E_SYNTAX)
            fail_msg("not refused: %s", bad[i]);
        assert_int_equal(net.bits, 99);
    }
}

static void networks_are_canonical(void **state)
{
    struct oh_network a, b;
    struct oh_addr none = {0};
    (void)state;

    assert_int_equal(oh_network_parse(OH_LIT("10.1.2.3/12"), &a), OH_OK);
    assert_int_equal(oh_network_parse(OH_LIT("::ffff:10.0.0.0/108"), &b), OH_OK);
    assert_true(oh_addr_eq(&a.addr, &b.addr));
    assert_int_equal(a.bits, 12);
    assert_int_equal(b.bits, 12);
    assert_false(oh_network_has(&a, &none));
    assert_int_equal(oh_network_parse(OH_LIT("2001:db8::/96"), &a), OH_OK);
    assert_int_equal(a.bits, 96);
}

/* Every split of the groups around "::", against a table-free reading of the bytes. */
static void gaps_everywhere(void **state)
{
    (void)state;
    for (int left = 0; left <= 7; left++) {
        for (int right = 0; left + right <= 7; right++) {
            char text[64] = "";
            uint8_t want[16] = {0};
            struct oh_addr a;
            size_t n = 0;

            for (int i = 0; i < left; i++) {
                n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%x", i ? ":" : "", 0xa0 + i);
                want[2 * i + 1] = (uint8_t)(0xa0 + i);
            }
            n += (size_t)snprintf(text + n, sizeof(text) - n, "::");
            for (int i = 0; i < right; i++) {
                n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%x", i ? ":" : "", 0xb0 + i);
                want[16 - 2 * (right - i) + 1] = (uint8_t)(0xb0 + i);
            }
            assert_int_equal(parse(text, &a), OH_OK);
            assert_memory_equal(a.ip, want, 16);
        }
    }
}

/* What the system's parser says of the same text, without what only ours takes. */
static bool system_reads(const char *text, uint8_t ip[16])
{
    memset(ip, 0, 16);
    return inet_pton(strchr(text, ':') ? AF_INET6 : AF_INET, text, ip) == 1;
}

/*
 * Good addresses with a few bytes changed, left out or put in, against the
 * system's parser. Zones, brackets and three colons are ours alone, so the
 * alphabet leaves out the first two and texts with the third are passed over.
 */
static void agrees_with_the_system(void **state)
{
    static const char *const seeds[] = {
        "192.0.2.1",        "2001:db8::1",     "1:2:3:4:5:6:7:8", "::ffff:192.0.2.1",
        "1:2:3::192.0.2.1", "::255.255.255.0", "fe80::",          "1:2:3:4:5:6:10.0.0.1",
    };
    static const char alphabet[] = "0123456789abcdefABCDEF::::::......g";
    uint8_t key[32] = {11};
    struct oh__rng rng;
    int good = 0;
    (void)state;

    oh__rng_init(&rng, key);
    for (int i = 0; i < 200000; i++) {
        const char *from = seeds[oh__rng_below(&rng, sizeof(seeds) / sizeof(seeds[0]))];
        char text[64] = {0};
        uint8_t want[16];
        struct oh_addr a = {0};
        bool ours, theirs;

        memcpy(text, from, strlen(from));
        for (uint64_t k = oh__rng_below(&rng, 4); k > 0; k--) {
            size_t n = strlen(text), at = (size_t)oh__rng_below(&rng, n + 1);
            char c = alphabet[oh__rng_below(&rng, sizeof(alphabet) - 1)];

            switch (oh__rng_below(&rng, 3)) {
            case 0: text[at] = c; break;
            case 1: memmove(text + at + 1, text + at, n - at), text[at] = c; break;
            default: memmove(text + at, text + at + (at < n), n - at);
            }
        }
        if (strstr(text, ":::"))
            continue;
        ours = parse(text, &a) == OH_OK;
        theirs = system_reads(text, want);
        if (ours != theirs)
            fail_msg("%s: we say %d, the system says %d", text, ours, theirs);
        if (ours)
            assert_memory_equal(a.ip, want, 16);
        good += ours;
    }
    assert_in_range(good, 50000, 190000);
}

/* RFC 5952 text as the system writes it, but for the old compatible form (::a.b.c.d). */
static void writes_like_the_system(void **state)
{
    uint8_t key[32] = {12};
    struct oh__rng rng;
    (void)state;

    oh__rng_init(&rng, key);
    for (int i = 0; i < 50000; i++) {
        struct oh_addr a = {.family = OH_FAMILY_IPV6};
        char want[64], text[OH_ADDR_TEXT_MAX];
        uint64_t zeros = oh__rng_u64(&rng) & oh__rng_u64(&rng);

        oh__rng_bytes(&rng, a.ip, 16);
        for (int g = 0; g < 8; g++) {
            if (zeros >> g & 1 || zeros >> (g + 8) & 1)
                a.ip[2 * g] = a.ip[2 * g + 1] = 0;
            else if (zeros >> (g + 16) & 1)
                a.ip[2 * g] = 0;
        }
        a.ip[0] |= 1;
        assert_non_null(inet_ntop(AF_INET6, a.ip, want, sizeof(want)));
        oh_addr_host_text(&a, text);
        assert_string_equal(text, want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_writes),
        cmocka_unit_test(lays_out_bytes),
        cmocka_unit_test(refuses),
        cmocka_unit_test(reads_ports),
        cmocka_unit_test(longest_text_fits),
        cmocka_unit_test(compares),
        cmocka_unit_test(unmaps),
        cmocka_unit_test(classifies),
        cmocka_unit_test(networks_contain),
        cmocka_unit_test(networks_are_canonical),
        cmocka_unit_test(gaps_everywhere),
        cmocka_unit_test(agrees_with_the_system),
        cmocka_unit_test(writes_like_the_system),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
