/* The ring of decisions: order, bound, texts that strangers wrote. */
#include "harness.h"

static void add(struct oh__decisions *d, enum oh__decision_kind kind, const char *why)
{
    struct oh__decided e = {.kind = (uint8_t)kind, .why = oh_span_str(why)};

    e.seq = 999; /* not for the caller to say */
    oh__decisions_add(d, &e);
}

static void test_order(void **state)
{
    struct oh__decisions *d = oh__decisions_new(NULL, 4);
    struct oh__decision e;
    uint64_t before = 0;
    char text[2] = "a";

    (void)state;
    assert_int_equal(oh__decisions_before(d, 0, &e), OH_E_ABSENT);
    for (int i = 0; i < 6; i++, text[0]++)
        add(d, OH__DECISION_CALL_FAILED, text);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(oh__decisions_before(d, before, &e), OH_OK);
        assert_int_equal(e.seq, 6 - i);
        assert_int_equal(e.why[0], 'f' - i);
        assert_int_equal(e.kind, OH__DECISION_CALL_FAILED);
        before = e.seq;
    }
    memset(&e, 0x5a, sizeof(e));
    assert_int_equal(oh__decisions_before(d, before, &e), OH_E_ABSENT);
    assert_int_equal(e.kind, 0x5a);
    assert_int_equal(oh__decisions_before(d, 1, &e), OH_E_ABSENT);
    assert_int_equal(oh__decisions_before(d, 1000, &e), OH_OK);
    assert_int_equal(e.seq, 6);
    oh__decisions_free(d);
}

/*
 * Class: a memory that strangers fill. However much they cause, what our own
 * people did is still there, and both read as one list in order.
 */
static void test_strangers(void **state)
{
    struct oh__decisions *d = oh__decisions_new(NULL, 8);
    struct oh__decision e;
    uint64_t before = 0, seqs[12];
    unsigned n = 0;

    (void)state;
    add(d, OH__DECISION_CALL_FAILED, "ours");
    for (unsigned i = 0; i < 1000; i++) {
        oh__decisions_add(d, &(struct oh__decided){.stranger = true});
        if (i == 997)
            add(d, OH__DECISION_CALL_FAILED, "ours");
    }
    while (n < 12 && oh__decisions_before(d, before, &e) == OH_OK) {
        assert_int_equal(e.stranger, e.why[0] != 'o');
        seqs[n++] = before = e.seq;
    }
    assert_int_equal(n, 5);
    assert_int_equal(seqs[0], 1002);
    assert_int_equal(seqs[1], 1001);
    assert_int_equal(seqs[2], 1000);
    assert_int_equal(seqs[3], 999);
    assert_int_equal(seqs[4], 1);
    oh__decisions_free(d);
}

/* Texts end on a terminal and in a log: no control characters, C1 ones included, and only UTF-8. */
static void test_clean(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"plain ~", "plain ~"},
        {"a\x1b[31mb\n", "a?[31mb?"},
        {"\x7f\t\r", "???"},
        {"Gr\xc3\xbc\xc3\x9f"
         "e \xe2\x82\xac \xf0\x9f\x98\x80",
         "Gr\xc3\xbc\xc3\x9f"
         "e \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"\xc2\x9b"
         "31m",
         "??31m"},
        {"\xc2\xa0", "\xc2\xa0"},
        {"\x9b"
         "31m",
         "?31m"},
        {"\xff\xfe", "??"},
        {"\xc0\xaf", "??"},
        {"\xe0\x80\xaf", "???"},
        {"\xed\xa0\x80", "???"},
        {"\xf4\x90\x80\x80", "????"},
        {"\xe2\x82", "??"},
        {"\xe2(\xa1", "?(?"},
        {"", ""},
    };
    struct oh__decisions *d = oh__decisions_new(NULL, 4);
    struct oh__decision e;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        add(d, OH__DECISION_AUTH_FAILED, rows[i].in);
        assert_int_equal(oh__decisions_before(d, 0, &e), OH_OK);
        if (strcmp(e.why, rows[i].out) != 0)
            fail_msg("row %zu: '%s'", i, e.why);
    }
    oh__decisions_free(d);
}

/* Every text has its own bound and its own place, whatever the others are. */
static void test_bounds(void **state)
{
    struct oh__decisions *d = oh__decisions_new(NULL, 0);
    struct oh__decision e;
    char text[300];
    struct oh_span most = oh_span(text, sizeof(text));

    (void)state;
    memset(text, 'x', sizeof(text));
    oh__decisions_add(d, &(struct oh__decided){.method = most,
                                               .call_id = most,
                                               .account = most,
                                               .target = oh_span_head(most, 1),
                                               .why = most,
                                               .fix = most});
    memset(&e, 'y', sizeof(e));
    assert_int_equal(oh__decisions_before(d, 0, &e), OH_OK);
    assert_int_equal(strlen(e.method), sizeof(e.method) - 1);
    assert_int_equal(strlen(e.call_id), sizeof(e.call_id) - 1);
    assert_int_equal(strlen(e.account), sizeof(e.account) - 1);
    assert_string_equal(e.target, "x");
    assert_string_equal(e.agent, "");
    assert_int_equal(strlen(e.why), sizeof(e.why) - 1);
    assert_int_equal(strlen(e.fix), sizeof(e.fix) - 1);
    oh__decisions_free(d);
}

/* A text is cut before a character that it has no room for. */
static void test_cut(void **state)
{
    struct oh__decisions *d = oh__decisions_new(NULL, 0);
    struct oh__decision e;

    (void)state;
    oh__decisions_add(d, &(struct oh__decided){.method = OH_LIT("abcdefghijklmn\xc3\xbc")});
    assert_int_equal(oh__decisions_before(d, 0, &e), OH_OK);
    assert_string_equal(e.method, "abcdefghijklmn");
    oh__decisions_free(d);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(oh__decision_name(OH__DECISION_REGISTERED), "registered");
    assert_string_equal(oh__decision_name(OH__DECISION_AUTH_FAILED), "auth-failed");
    assert_string_equal(oh__decision_name(OH__DECISION_BANNED), "source-banned");
    assert_string_equal(oh__decision_name(OH__DECISION_COUNT), "?");
}

static void failing(struct test_heap *h, void *arg)
{
    struct oh__decisions *d = oh__decisions_new(&h->alloc, 8);

    (void)arg;
    if (d)
        add(d, OH__DECISION_BANNED, "x");
    oh__decisions_free(d);
}

static void test_memory_fails(void **state)
{
    (void)state;
    assert_int_equal(test_heap_fail_each(failing, NULL), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),     cmocka_unit_test(test_clean),
        cmocka_unit_test(test_bounds),    cmocka_unit_test(test_cut),
        cmocka_unit_test(test_names),     cmocka_unit_test(test_memory_fails),
        cmocka_unit_test(test_strangers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
