/* Edit lists, against examples and against a naive implementation on random lists. */
#include <offhook/edit.h>

#include "sip_test.h"

#define START "INVITE sip:a@b SIP/2.0\r\n"

static void assert_apply(const struct oh_msg *m, const struct oh_edits *base,
                         const struct oh_edits *branch, const char *want)
{
    char text[1024];
    struct oh_buf out;

    oh_buf_init(&out, text, sizeof(text));
    assert_int_equal(oh_edits_apply(m->raw, base, branch, &out), OH_OK);
    assert_text(oh_buf_view(&out), want);
}

/* The edits of a proxy: nothing else of the message changes. */
static void proxy(void **state)
{
    struct oh_edits base, branch;
    struct oh_msg m;

    (void)state;
    read_message(START "Via: SIP/2.0/UDP c\r\nmax-FORWARDS :  70 \r\nX-Odd:\r\n  a \r\nTo: x\r\n"
                       "Route: <sip:p;lr>,\r\n\t<sip:q;lr>\r\n\r\nbody",
                 &m);
    oh_edits_init(&base);
    oh_edits_init(&branch);
    assert_apply(&m, NULL, NULL, (const char *)m.raw.p);
    oh_edits_set_value(&base, &m, oh_msg_row(&m, OH_HEADER_MAX_FORWARDS), OH_LIT("69"));
    oh_edits_pop_value(&base, &m, OH_HEADER_ROUTE);
    oh_edits_insert_rows(&base, &m, oh_msg_row(&m, OH_HEADER_VIA), OH_LIT("Record-Route: <r>\r\n"));
    oh_edits_insert_rows(&branch, &m, oh_msg_row(&m, OH_HEADER_VIA),
                         OH_LIT("Via: SIP/2.0/UDP p\r\n"));
    oh_edits_insert_rows(&branch, &m, NULL, OH_LIT("Z: z\r\n"));
    oh_edits_add(&branch, 7, 7, OH_LIT("sip:c@d"));
    assert_apply(&m, &base, &branch,
                 "INVITE sip:c@d SIP/2.0\r\nRecord-Route: <r>\r\nVia: SIP/2.0/UDP p\r\n"
                 "Via: SIP/2.0/UDP c\r\nmax-FORWARDS :  69 \r\nX-Odd:\r\n  a \r\nTo: x\r\n"
                 "Route: <sip:q;lr>\r\nZ: z\r\n\r\nbody");
    oh_edits_init(&branch);
    oh_edits_drop_row(&branch, &m, oh_msg_other(&m, OH_LIT("x-odd"), NULL));
    oh_edits_drop_row(&branch, &m, oh_msg_row(&m, OH_HEADER_VIA));
    assert_apply(&m, NULL, &branch,
                 "INVITE sip:a@b SIP/2.0\r\nmax-FORWARDS :  70 \r\nTo: x\r\n"
                 "Route: <sip:p;lr>,\r\n\t<sip:q;lr>\r\n\r\nbody");
}

/* Values popped one after the other until nothing is left, then once more. */
static void pops(void **state)
{
    static const struct {
        const char *rows;
        enum oh_header_id id;
        const char *after[5]; /* rows after each pop; NULL = the list has failed */
    } cases[] = {
        {"Route: <a>\r\n", OH_HEADER_ROUTE, {"", "", "", "", ""}},
        {"Via: a,b\r\n", OH_HEADER_VIA, {"Via: b\r\n", "", "", "", ""}},
        {"v:a , b\r\nX: y\r\nVia: c\r\n",
         OH_HEADER_VIA,
         {"v:b\r\nX: y\r\nVia: c\r\n", "X: y\r\nVia: c\r\n", "X: y\r\n", "X: y\r\n", "X: y\r\n"}},
        {"Route:\r\n <sip:a,b>\r\n ,\r\n \"x,y\" <c>,\r\n\t\r\n <d>;p=\",\"\r\n",
         OH_HEADER_ROUTE,
         {"Route:\r\n \"x,y\" <c>,\r\n\t\r\n <d>;p=\",\"\r\n", "Route:\r\n <d>;p=\",\"\r\n", "", "",
          ""}},
        {"Route: ,, <a>,,<b>,\r\n", OH_HEADER_ROUTE, {"Route: <b>,\r\n", "", "", "", ""}},
        {"Route: ,\r\nRoute: <a>\r\n",
         OH_HEADER_ROUTE,
         {"Route: ,\r\n", "Route: ,\r\n", "Route: ,\r\n", "Route: ,\r\n", "Route: ,\r\n"}},
        {"Route: <a>, <b\r\n", OH_HEADER_ROUTE, {"Route: <b\r\n", NULL, NULL, NULL, NULL}},
        {"Route: \"a\r\n", OH_HEADER_ROUTE, {NULL, NULL, NULL, NULL, NULL}},
        {"X: y\r\n", OH_HEADER_ROUTE, {"X: y\r\n", "X: y\r\n", "X: y\r\n", "X: y\r\n", "X: y\r\n"}},
    };
    char text[512], want[512];
    struct oh_edits e;
    struct oh_msg m;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        snprintf(text, sizeof(text), START "%s\r\n", cases[i].rows);
        read_message(text, &m);
        oh_edits_init(&e);
        oh_edits_insert_rows(&e, &m, &m.rows[0], OH_LIT("N: n\r\n"));
        for (size_t k = 0; k < 5; k++) {
            oh_edits_pop_value(&e, &m, cases[i].id);
            assert_int_equal(e.failed, cases[i].after[k] == NULL);
            if (e.failed)
                continue;
            snprintf(want, sizeof(want), START "N: n\r\n%s\r\n", cases[i].after[k]);
            assert_apply(&m, &e, NULL, want);
        }
    }
}

/* A row of another message is never taken for one of this. */
static void foreign_rows(void **state)
{
    struct oh_edits e;
    struct oh_msg m;
    struct oh_row row;

    (void)state;
    read_message(START "To: x\r\n\r\n", &m);
    row = m.rows[0];
    oh_edits_init(&e);
    oh_edits_drop_row(&e, &m, &row);
    assert_true(e.failed);
    oh_edits_init(&e);
    oh_edits_set_value(&e, &m, &row, OH_LIT("y"));
    assert_true(e.failed);
    oh_edits_init(&e);
    oh_edits_drop_row(&e, &m, &m.rows[1]); /* behind the last one */
    assert_true(e.failed);
}

static void refused(void **state)
{
    static const struct oh_span original = {"0123456789", 10};
    struct oh_edits a, b;
    char text[64];
    struct oh_buf out;

    (void)state;
    oh_edits_init(&a);
    oh_edits_add(&a, 2, 3, OH_LIT("x"));
    oh_edits_add(&a, 5, 2, OH_LIT("y")); /* next to each other */
    oh_edits_add(&a, 5, 0, OH_LIT("z"));
    oh_edits_add(&a, 2, 0, OH_LIT("w"));
    assert_false(a.failed);
    oh_buf_init(&out, text, sizeof(text));
    assert_int_equal(oh_edits_apply(original, &a, NULL, &out), OH_OK);
    assert_text(oh_buf_view(&out), "01xwyz789");
    for (unsigned i = 0; i < 4; i++) {
        static const uint32_t overlapping[4][2] = {{3, 0}, {4, 2}, {1, 2}, {2, 1}};

        b = a;
        oh_edits_add(&b, overlapping[i][0], overlapping[i][1], OH_LIT("q"));
        assert_true(b.failed);
        oh_buf_init(&out, text, sizeof(text));
        assert_int_equal(oh_edits_apply(original, &b, NULL, &out), OH_E_STATE);
        assert_int_equal(oh_edits_apply(original, NULL, &b, &out), OH_E_STATE);
        /* The same between two lists. */
        oh_edits_init(&b);
        oh_edits_add(&b, overlapping[i][0], overlapping[i][1], OH_LIT("q"));
        oh_buf_lit(&out, "kept");
        assert_int_equal(oh_edits_apply(original, &a, &b, &out), OH_E_STATE);
        assert_int_equal(oh_edits_apply(original, &b, &a, &out), OH_E_STATE);
        assert_text(oh_buf_view(&out), "kept");
    }
    oh_edits_init(&b);
    oh_edits_add(&b, 9, 2, OH_LIT("q")); /* behind the end */
    assert_int_equal(oh_edits_apply(original, &b, NULL, &out), OH_E_STATE);
    oh_edits_init(&b);
    oh_edits_add(&b, 5, UINT32_MAX, OH_LIT("q")); /* no sum wraps */
    assert_int_equal(oh_edits_apply(original, &b, NULL, &out), OH_E_STATE);
    oh_buf_init(&out, text, 8); /* too small by one */
    assert_int_equal(oh_edits_apply(original, &a, NULL, &out), OH_E_LIMIT);
    oh_edits_init(&b);
    for (int i = 0; i < OH_EDITS_MAX; i++)
        oh_edits_add(&b, 0, 0, OH_LIT("."));
    assert_false(b.failed);
    oh_edits_add(&b, 0, 0, OH_LIT("."));
    assert_true(b.failed);
}

/* The slow way: every byte has what is inserted before it, and whether it stays. */
struct naive {
    char before[64][256]; /* [64] = the end of a text of at most 63 bytes */
    bool cut[64];
};

static void naive_add(struct naive *s, const struct oh_edit *e)
{
    size_t n = strlen(s->before[e->at]);

    memcpy(s->before[e->at] + n, e->insert.p, e->insert.n);
    s->before[e->at][n + e->insert.n] = 0;
    for (uint32_t i = 0; i < e->cut; i++)
        s->cut[e->at + i] = true;
}

static bool naive_overlap(const struct oh_edit *list, unsigned n, const struct oh_edit *e)
{
    for (unsigned i = 0; i < n; i++) {
        /* Somebody's byte twice, or an insertion with bytes of one cut on both sides. */
        for (uint32_t k = 0; k < e->cut; k++)
            if (e->at + k >= list[i].at && e->at + k < list[i].at + list[i].cut)
                return true;
        if (e->at > list[i].at && e->at < list[i].at + list[i].cut)
            return true;
        if (list[i].at > e->at && list[i].at < e->at + e->cut)
            return true;
    }
    return false;
}

/* Random edits in random order, in two lists, compared with the slow way. */
static void random_lists(void **state)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    struct oh__rng r = test_rng(2);
    unsigned applied = 0;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        struct naive slow = {0};
        struct oh_edits lists[2];
        struct oh_edit all[12];
        char original[64], want[4096], text[4096];
        size_t n = (size_t)oh__rng_below(&r, 63), want_n = 0;
        unsigned count = (unsigned)oh__rng_below(&r, 7), kept = 0;
        struct oh_buf out;

        for (size_t i = 0; i < n; i++)
            original[i] = (char)('a' + i % 26);
        oh_edits_init(&lists[0]);
        oh_edits_init(&lists[1]);
        for (unsigned i = 0; i < count; i++) {
            uint32_t at = (uint32_t)oh__rng_below(&r, n + 1);
            uint32_t cut = (uint32_t)oh__rng_below(&r, oh__rng_below(&r, n + 1 - at) + 1);
            struct oh_edit e = {at, cut, oh_span(letters, (size_t)oh__rng_below(&r, 4))};
            struct oh_edits both;

            e.insert.p += oh__rng_below(&r, 20);
            if (naive_overlap(all, kept, &e)) {
                struct oh_edits alone;

                /* One list sees it when it is added, two lists when they meet. */
                oh_edits_init(&both);
                oh_edits_init(&alone);
                for (unsigned k = 0; k < kept; k++)
                    oh_edits_add(&both, all[k].at, all[k].cut, all[k].insert);
                oh_edits_add(&alone, at, cut, e.insert);
                oh_buf_init(&out, text, sizeof(text));
                assert_int_equal(oh_edits_apply(oh_span(original, n), &both, &alone, &out),
                                 OH_E_STATE);
                assert_false(both.failed);
                oh_edits_add(&both, at, cut, e.insert);
                assert_true(both.failed);
                continue;
            }
            all[kept++] = e;
        }
        /* The first half goes to the base, so at one place the base's come first. */
        for (unsigned i = 0; i < kept; i++) {
            oh_edits_add(&lists[i >= kept / 2], all[i].at, all[i].cut, all[i].insert);
            naive_add(&slow, &all[i]);
        }
        for (size_t i = 0; i <= n; i++) {
            memcpy(want + want_n, slow.before[i], strlen(slow.before[i]));
            want_n += strlen(slow.before[i]);
            if (i < n && !slow.cut[i])
                want[want_n++] = original[i];
        }
        oh_buf_init(&out, text, sizeof(text));
        assert_int_equal(oh_edits_apply(oh_span(original, n), &lists[0], &lists[1], &out), OH_OK);
        assert_true(oh_span_eq(oh_buf_view(&out), oh_span(want, want_n)));
        applied += kept > 1;
    }
    assert_true(applied > 5000);
}

/* Popping against the slow way: write the values that are left, one per row, and compare lists. */
static void random_pops(void **state)
{
    static const char *const pieces[] = {
        "<sip:a>",   ",", "\"x,\\\"\" <sip:b;c>", ",",         "\r\n ", " ",
        "d;e=\",\"", ",", "\r\nX: y\r\nRoute: ",  "\r\nroute:"};
    struct oh__rng r = test_rng(3);
    unsigned popped = 0;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        char text[512], after[512], left[512], got[512];
        struct oh_buf in, out, want_buf, got_buf;
        struct oh_msg m, m2;
        struct oh_edits e;
        struct oh_span value;
        unsigned pops_n = (unsigned)oh__rng_below(&r, 4), seen = 0;
        size_t used;

        oh_buf_init(&in, text, sizeof(text));
        oh_buf_lit(&in, START "Route:");
        for (uint64_t k = oh__rng_below(&r, 12); k > 0; k--)
            oh_buf_span(&in, oh_span_str(pieces[oh__rng_below(&r, COUNT(pieces))]));
        oh_buf_lit(&in, "\r\nTo: z\r\n\r\n");
        if (oh_msg_parse(oh_buf_view(&in), OH_MSG_DATAGRAM, NULL, &m, &used, NULL) != OH_OK)
            continue;
        oh_edits_init(&e);
        for (unsigned k = 0; k < pops_n; k++)
            oh_edits_pop_value(&e, &m, OH_HEADER_ROUTE);
        oh_buf_init(&out, after, sizeof(after));
        assert_int_equal(oh_edits_apply(m.raw, &e, NULL, &out), OH_OK);
        assert_int_equal(oh_msg_parse(oh_buf_view(&out), OH_MSG_DATAGRAM, NULL, &m2, &used, NULL),
                         OH_OK);
        oh_buf_init(&want_buf, left, sizeof(left));
        oh_buf_init(&got_buf, got, sizeof(got));
        for (struct oh_list it = {0}; oh_list_next(&m, OH_HEADER_ROUTE, &it, &value) == OH_OK;
             seen++)
            if (seen >= pops_n) {
                oh_buf_span(&want_buf, value);
                oh_buf_char(&want_buf, '\n');
            }
        for (struct oh_list it = {0}; oh_list_next(&m2, OH_HEADER_ROUTE, &it, &value) == OH_OK;) {
            oh_buf_span(&got_buf, value);
            oh_buf_char(&got_buf, '\n');
        }
        if (!oh_span_eq(oh_buf_view(&got_buf), oh_buf_view(&want_buf)))
            fail_msg("%u pops of '%.*s' gave '%.*s'", pops_n, OH_PRI(oh_buf_view(&in)),
                     OH_PRI(oh_buf_view(&out)));
        assert_non_null(oh_msg_row(&m2, OH_HEADER_TO));
        popped += pops_n && seen;
    }
    assert_true(popped > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proxy),        cmocka_unit_test(pops),
        cmocka_unit_test(refused),      cmocka_unit_test(foreign_rows),
        cmocka_unit_test(random_lists), cmocka_unit_test(random_pops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
