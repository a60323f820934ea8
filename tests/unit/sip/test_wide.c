/* Vectors against single bytes: what may be read behind a text must change no answer about it. */
#include "sip/wide.h"

#include "sip/address.h"
#include "sip/host.h"
#include "sip/uri.h"
#include "sip/via.h"
#include "sip_test.h"

/* Texts of the bytes that decide, mostly plain ones, in a larger block. */
struct sample {
    char block[160];
    const char *p, *end;
};

static void draw(struct oh__rng *r, const char *alphabet, struct sample *s)
{
    size_t from = (size_t)oh__rng_below(r, 40), n = (size_t)oh__rng_below(r, 80);

    for (size_t i = 0; i < sizeof(s->block); i++)
        s->block[i] = oh__rng_below(r, 12) ? "abcXYZ019"[oh__rng_below(r, 9)]
                                           : alphabet[oh__rng_below(r, strlen(alphabet))];
    s->p = s->block + from;
    s->end = s->p + n;
}

/* Every byte, alone in a vector of others. */
static void plain(void **state)
{
    static const unsigned sets[] = {OH__C_TOKEN,  OH__C_WORD,   OH__C_USER, OH__C_PASS,
                                    OH__C_PARAM,  OH__C_HEADER, OH__C_URI,  OH__C_VALUE,
                                    OH__C_SCHEME, OH__C_QTEXT};
    char text[32];

    (void)state;
    for (int c = 0; c < 256; c++)
        for (size_t i = 0; i < COUNT(sets); i++) {
            memset(text, 'x', sizeof(text));
            text[5] = (char)c;
            assert_ptr_equal(oh__skip_wide(text, text + 16, text + 32, sets[i]),
                             oh__skip_run(text, text + 16, sets[i]));
        }
}

static void runs(void **state)
{
    struct oh__rng r = test_rng(1);

    (void)state;
    for (unsigned round = 0; round < 10000; round++) {
        unsigned set = 1u << oh__rng_below(&r, 15);
        struct sample s;

        draw(&r, "-._~!;:=?@<>\" %\t\r\n\x7f\xff", &s);
        if (set & OH__C_HAS_PLAIN)
            assert_ptr_equal(oh__skip_wide(s.p, s.end, s.block + sizeof(s.block), set),
                             oh__skip_run(s.p, s.end, set));
    }
}

static void finds(void **state)
{
    struct oh__rng r = test_rng(2);

    (void)state;
    for (unsigned round = 0; round < 10000; round++) {
        const char *limit, *a, *b;
        struct sample s;

        draw(&r, ",\"<>@", &s);
        limit = s.block + sizeof(s.block);
        for (a = s.p; a < s.end && *a != ','; a++)
            ;
        for (b = s.p; b < s.end && !strchr(",\"<", *b); b++)
            ;
        assert_ptr_equal(oh__find(s.p, s.end, limit, ','), a);
        assert_ptr_equal(oh__find(s.p, s.end, s.end, ','), a);
        assert_ptr_equal(oh__find3(s.p, s.end, limit, ",\"<"), b);
        assert_ptr_equal(oh__find3(s.p, s.end, s.end, ",\"<"), b);
    }
}

/* A host that is read with room behind it and one that is read without. */
static void hosts(void **state)
{
    struct oh__rng r = test_rng(3);
    unsigned fine = 0, wrong = 0;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        struct oh_addr a = {0}, b = {0};
        const char *why_a = NULL, *why_b = NULL, *behind;
        struct sample s;

        draw(&r, "....--_1:;>@ ", &s);
        behind = oh__host_skip(s.p, s.end, s.block + sizeof(s.block), &a, &why_a);
        assert_ptr_equal(behind, oh__host_skip(s.p, s.end, s.end, &b, &why_b));
        assert_ptr_equal(why_a, why_b);
        assert_true(a.family == b.family && memcmp(a.ip, b.ip, sizeof(a.ip)) == 0);
        fine += behind != NULL;
        wrong += behind == NULL;
    }
    assert_true(fine > 2000 && wrong > 2000);
}

/* Damages one of some texts by a byte or two. */
static struct oh_span spoil(struct oh__rng *r, const char *const *texts, size_t texts_n, char *to,
                            size_t cap)
{
    static const char spice[] = ",,;;<>\"\" @:%=\\\r\n\t*?-._1";
    int n = snprintf(to, cap, "%s", texts[oh__rng_below(r, texts_n)]);

    for (unsigned times = (unsigned)oh__rng_below(r, 3); times; times--)
        to[oh__rng_below(r, (uint64_t)n)] = spice[oh__rng_below(r, sizeof(spice) - 1)];
    return oh_span(to, (size_t)n);
}

/* The reader of usual addresses takes nothing that the two strict decoders refuse or see otherwise.
 */
static void addresses(void **state)
{
    static const char *const texts[] = {
        "<sip:alice@example.com>;tag=a1",
        "\"A, B\" <sips:a:b@[::1]:5061;x=y?p=q>;tag=1;z",
        "Bob  Q <tel:+1-201-555;ext=1>",
        "<sip:h.example.com:5060;lr>;a=\"b,c\"",
    };
    struct oh__rng r = test_rng(4);
    unsigned taken = 0;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        struct oh_address a, b;
        struct oh_uri u, v;
        struct oh_span tag, text, whole;
        const char *end;
        char block[128];

        text = spoil(&r, texts, COUNT(texts), block, sizeof(block) - 32);
        end = oh__address_read(text.p, text.p + text.n, block + sizeof(block), &a, &u, &tag);
        if (!end)
            continue;
        taken++;
        whole = oh_span(text.p, (size_t)(a.params.p + a.params.n - text.p));
        assert_int_equal(oh_address_decode(whole, &b, NULL), OH_OK);
        assert_int_equal(oh_uri_parse(b.uri, &v, NULL), OH_OK);
        assert_memory_equal(&a.display, &b.display, sizeof(a.display));
        assert_memory_equal(&a.uri, &b.uri, sizeof(a.uri));
        assert_memory_equal(&a.params, &b.params, sizeof(a.params));
        assert_true(a.bracketed && b.bracketed && !b.star && oh_uri_equal(&u, &v));
        assert_true(oh_span_eq(u.text, v.text) && u.addr.family == v.addr.family);
        assert_true(oh_span_eq(u.user, v.user) && oh_span_eq(u.host, v.host) && u.port == v.port);
        assert_true(oh_span_eq(tag, oh_address_tag(&b)));
        assert_true(end == text.p + text.n || *end == ',');
    }
    assert_true(taken > 4000);
}

/* A Via that is read up to its comma is the one that is cut off there first. */
static void vias(void **state)
{
    static const char *const texts[] = {
        "SIP/2.0/UDP a.example.com:5060;branch=z9hG4bK1;rport, SIP/2.0/TCP b",
        "SIP/2.0/TLS [2001:db8::1] ;branch=x;received=192.0.2.1 , SIP/2.0/WS c",
        "SIP/2.0/UDP 192.0.2.1;x=\"a,b\";maddr=d,e",
    };
    struct oh__rng r = test_rng(5);
    unsigned taken = 0;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        struct oh_span text, rest, first;
        struct oh_via a, b;
        char block[128];

        /* As the value of a row: nothing white at its ends. */
        text = rest = oh_span_trim(spoil(&r, texts, COUNT(texts), block, sizeof(block) - 32));
        if (oh__via_decode(text, block + sizeof(block), true, &a, NULL) != OH_OK)
            continue;
        taken++;
        assert_int_equal(oh_comma_next(&rest, &first), OH_OK);
        assert_int_equal(oh_via_decode(first, &b, NULL), OH_OK);
        assert_true(oh_span_eq(a.text, first) && oh_span_eq(a.params, b.params));
        assert_true(oh_span_eq(a.host, b.host) && a.port == b.port && a.transport == b.transport);
        assert_true(oh_span_eq(a.branch, b.branch) && oh_span_eq(a.received, b.received));
        assert_true(oh_span_eq(a.maddr, b.maddr) && a.rport_at == b.rport_at);
        assert_true(a.has_rport == b.has_rport && a.rport == b.rport && a.cookie == b.cookie);
    }
    assert_true(taken > 4000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain), cmocka_unit_test(runs),      cmocka_unit_test(finds),
        cmocka_unit_test(hosts), cmocka_unit_test(addresses), cmocka_unit_test(vias),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
