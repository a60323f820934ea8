/* Templates, formats, hexadecimal fields, and the route sets of dialogs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cmd/load.h"

#define assert_text(span, text)                                    \
    do {                                                           \
        struct oh_span s_ = (span);                                \
        assert_int_equal(s_.n, strlen(text));                      \
        assert_memory_equal(s_.p ? s_.p : "", text, strlen(text)); \
    } while (0)

/* ---- templates ---- */

static void test_render(void **state)
{
    struct oh_span v[OH__HOLE_COUNT] = {{NULL, 0}};
    struct oh__load_template t;
    struct oh_buf b;
    char out[64];

    (void)state;
    v[OH__HOLE_user] = OH_LIT("sip:u@h");
    v[OH__HOLE_txn] = OH_LIT("07");
    assert_int_equal(oh__load_template_compile(OH_LIT("{user}a{txn}{auth}b{user}"), &t), OH_OK);
    oh_buf_init(&b, out, sizeof out);
    oh__load_template_render(&t, v, &b);
    assert_text(oh_buf_view(&b), "sip:u@ha07bsip:u@h");
    assert_int_equal(oh__load_template_compile(OH_LIT("plain"), &t), OH_OK);
    oh_buf_init(&b, out, sizeof out);
    oh__load_template_render(&t, v, &b);
    assert_text(oh_buf_view(&b), "plain");
    /* Too long a message is told, not cut. */
    oh_buf_init(&b, out, 4);
    oh__load_template_render(&t, v, &b);
    assert_true(b.full);
}

static void test_bad_templates(void **state)
{
    struct oh__load_template t = {.n = 77};
    char many[200];

    (void)state;
    assert_int_equal(oh__load_template_compile(OH_LIT("a{nothing}"), &t), OH_E_NOTFOUND);
    assert_int_equal(oh__load_template_compile(OH_LIT("a{}"), &t), OH_E_NOTFOUND);
    assert_int_equal(oh__load_template_compile(OH_LIT("a{user"), &t), OH_E_SYNTAX);
    for (size_t i = 0; i < sizeof many; i += 4)
        memcpy(many + i, "{id}", 4);
    assert_int_equal(oh__load_template_compile(oh_span(many, sizeof many), &t), OH_E_LIMIT);
    assert_int_equal(t.n, 77); /* nothing is written on failure */
}

/* ---- formats ---- */

static void test_formats(void **state)
{
    static const struct {
        const char *format;
        uint64_t n;
        const char *text; /* NULL: refused */
        bool number;
    } cases[] = {
        {"u%06d", 42, "u000042", true}, {"u%06d", 12345678, "u12345678", true},
        {"%d", 0, "0", true},           {"a%db", 7, "a7b", true},
        {"100%%", 1, "100%", false},    {"%%%d", 5, "%5", true},
        {"plain", 5, "plain", false},   {"", 5, "", false},
        {"%9d", 1, NULL, false},        {"%s", 1, NULL, false},
        {"%", 1, NULL, false},          {"%0d", 1, NULL, false},
        {"%d%d", 1, NULL, true},        {"%010d", 1, NULL, false},
        {"%n", 1, NULL, false},         {"x%0", 1, NULL, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct oh_span format = oh_span_str(cases[i].format);
        char out[64];
        struct oh_buf b;
        int rc;

        oh_buf_init(&b, out, sizeof out);
        rc = oh__load_format(format, cases[i].n, &b);
        assert_int_equal(rc, cases[i].text ? OH_OK : OH_E_SYNTAX);
        if (cases[i].text)
            assert_text(oh_buf_view(&b), cases[i].text);
        assert_int_equal(oh__load_format_has_number(format), cases[i].number);
    }
}

static void test_hex(void **state)
{
    struct oh_span rest;
    char out[16];
    uint64_t v = 99;

    (void)state;
    oh__load_hex_put(out, 0xdeadbeef12, 8);
    assert_memory_equal(out, "adbeef12", 8);
    oh__load_hex_put(out, 7, 2);
    assert_memory_equal(out, "07", 2);
    rest = OH_LIT("00ff1");
    assert_true(oh__load_hex_get(&rest, 4, &v));
    assert_int_equal(v, 255);
    assert_text(rest, "1");
    assert_false(oh__load_hex_get(&rest, 2, &v));
    rest = OH_LIT("0G");
    assert_false(oh__load_hex_get(&rest, 2, &v));
    rest = OH_LIT("0A");
    assert_false(oh__load_hex_get(&rest, 2, &v)); /* ours are in lower case */
    assert_int_equal(v, 255);
}

/* ---- dialogs ---- */

static unsigned quick_dialogs; /* that were read at a glance */

static int read_dialog(const char *rows, struct oh__load_target *t, struct oh_buf *routes)
{
    static struct oh_msg m;
    static char text[4096];
    size_t used;
    int n = snprintf(text, sizeof text, "SIP/2.0 200 OK\r\n%s\r\n", rows);

    assert_int_equal(oh_msg_parse(oh_span(text, (size_t)n), OH_MSG_DATAGRAM, NULL, &m, &used, NULL),
                     OH_OK);
    return oh__load_dialog_read(&m, t, routes);
}

/* The quick way finds the same dialog, or leaves it to the careful one. */
static void quick_agrees(const char *rows, int rc, const struct oh__load_target *t,
                         struct oh_span routes)
{
    static struct oh__load_hop known; /* as in a run: what came before stays */
    struct oh__load_view v;
    struct oh__load_target target;
    char text[4096], room[512];
    struct oh_buf b;
    int n = snprintf(text, sizeof text,
                     "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h\r\nFrom: <sip:a@h>\r\nTo: <sip:b@h>\r\n"
                     "Call-ID: x\r\nCSeq: 1 INVITE\r\n%s\r\n",
                     rows);

    assert_int_equal(oh__load_view_read(oh_span(text, (size_t)n), &v), OH_OK);
    for (unsigned again = 0; again < 2; again++) {
        int quick;

        oh_buf_init(&b, room, sizeof room);
        quick = oh__load_dialog_quick(&v, &known, &target, &b);
        if (quick == OH_E_UNSUPPORTED)
            continue;
        quick_dialogs++;
        assert_int_equal(quick, rc);
        assert_true(oh_span_eq(target.uri, t->uri));
        assert_true(oh_addr_eq(&target.hop, &t->hop));
        assert_true(oh_span_eq(oh_buf_view(&b), routes));
    }
}

static void test_dialogs(void **state)
{
    static const struct {
        const char *rows;
        int rc;
        const char *uri, *hop, *routes;
    } cases[] = {
        {"Contact: <sip:c@127.0.0.9:99>\r\n", OH_OK, "sip:c@127.0.0.9:99", "127.0.0.9:99", ""},
        {"Contact: sip:c@127.0.0.9;expires=5\r\n", OH_OK, "sip:c@127.0.0.9", "127.0.0.9:5060", ""},
        /* Two loose proxies: the one nearest to the caller stands last in the response. */
        {"Record-Route: <sip:127.0.0.2;lr>, \"x, y\" <sip:127.0.0.3:7;lr;tok=1>\r\n"
         "Contact: <sip:c@127.0.0.9>\r\n",
         OH_OK, "sip:c@127.0.0.9", "127.0.0.3:7",
         "Route: \"x, y\" <sip:127.0.0.3:7;lr;tok=1>\r\nRoute: <sip:127.0.0.2;lr>\r\n"},
        {"Record-Route: <sip:127.0.0.2;lr>\r\nRecord-Route: <sip:127.0.0.3;lr>\r\n"
         "Contact: <sip:c@127.0.0.9>\r\n",
         OH_OK, "sip:c@127.0.0.9", "127.0.0.3:5060",
         "Route: <sip:127.0.0.3;lr>\r\nRoute: <sip:127.0.0.2;lr>\r\n"},
        /* The nearest is a strict router. */
        {"Record-Route: <sip:127.0.0.2;lr>\r\nRecord-Route: <sip:127.0.0.3>\r\n"
         "Contact: <sip:c@127.0.0.9>\r\n",
         OH_OK, "sip:127.0.0.3", "127.0.0.3:5060",
         "Route: <sip:127.0.0.2;lr>\r\nRoute: <sip:c@127.0.0.9>\r\n"},
        /* Names are the server's to find. */
        {"Record-Route: <sip:proxy.example;lr>\r\nContact: <sip:c@127.0.0.9>\r\n", OH_OK,
         "sip:c@127.0.0.9", NULL, "Route: <sip:proxy.example;lr>\r\n"},
        {"Contact: <sip:c@host.example;maddr=127.0.0.8>\r\n", OH_OK,
         "sip:c@host.example;maddr=127.0.0.8", "127.0.0.8:5060", ""},
        {"Contact: <sip:c@127.0.0.9;maddr=x.example>\r\n", OH_OK, "sip:c@127.0.0.9;maddr=x.example",
         NULL, ""},
        {"", OH_E_ABSENT, NULL, NULL, NULL},
        {"Contact: *\r\n", OH_E_SYNTAX, NULL, NULL, NULL},
        {"Contact: <tel:123>\r\n", OH_E_SYNTAX, NULL, NULL, NULL},
        {"Contact: <sip:c@[>\r\n", OH_E_SYNTAX, NULL, NULL, NULL},
        {"Record-Route: <sip:\r\nContact: <sip:c@127.0.0.9>\r\n", OH_E_SYNTAX, NULL, NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct oh__load_target t = {{NULL, 0}, {0}};
        char room[512], hop[OH_ADDR_TEXT_MAX];
        struct oh_buf b;

        oh_buf_init(&b, room, sizeof room);
        assert_int_equal(read_dialog(cases[i].rows, &t, &b), cases[i].rc);
        quick_agrees(cases[i].rows, cases[i].rc, &t, oh_buf_view(&b));
        if (cases[i].rc != OH_OK)
            continue;
        assert_text(t.uri, cases[i].uri);
        assert_text(oh_buf_view(&b), cases[i].routes);
        if (cases[i].hop) {
            oh_addr_text(&t.hop, hop);
            assert_string_equal(hop, cases[i].hop);
        } else {
            assert_int_equal(t.hop.family, OH_FAMILY_NONE);
        }
    }
    assert_true(quick_dialogs >= 8);
}

static void test_dialog_limits(void **state)
{
    struct oh__load_target t;
    char rows[2048], room[64];
    struct oh_buf b;
    size_t n = 0;

    (void)state;
    for (unsigned i = 0; i < 17; i++)
        n += (size_t)snprintf(rows + n, sizeof rows - n, "Record-Route: <sip:127.0.0.1;lr>\r\n");
    snprintf(rows + n, sizeof rows - n, "Contact: <sip:c@127.0.0.9>\r\n");
    oh_buf_init(&b, room, sizeof room);
    assert_int_equal(read_dialog(rows, &t, &b), OH_E_LIMIT);
    /* Fewer routes, and still more than the room. */
    assert_int_equal(read_dialog(rows + 3 * strlen("Record-Route: <sip:127.0.0.1;lr>\r\n"), &t, &b),
                     OH_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_render),  cmocka_unit_test(test_bad_templates),
        cmocka_unit_test(test_formats), cmocka_unit_test(test_hex),
        cmocka_unit_test(test_dialogs), cmocka_unit_test(test_dialog_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
