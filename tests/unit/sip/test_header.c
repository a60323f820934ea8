/* The header table and its look-up. */
#include <offhook/header.h>

#include "sip/header.h"
#include "sip_test.h"

/* SYN-004, SYN-006: every row is found by its name in any case, and by its letter. */
static void every_row(void **state)
{
    (void)state;
    for (unsigned id = OH_HEADER_OTHER + 1; id < OH_HEADER_COUNT; id++) {
        const struct oh_header_info *info = oh_header_info(id);
        struct oh_span name = oh_span_str(info->name), exact;
        char text[64];

        assert_true(name.n > 1 && name.n < OH__HEADER_WIDE);
        exact = exact_copy(name);
        if (oh_header_of(exact) != id)
            fail_msg("%s is missing in the slots of header.c", info->name);
        exact_free(exact);
        for (int upper = 0; upper < 2; upper++) {
            for (size_t i = 0; i < name.n; i++)
                text[i] = (char)(upper && oh_span_find(OH_LIT("-"), name.p[i]) < 0
                                     ? name.p[i] & ~0x20
                                     : name.p[i] | 0x20);
            assert_int_equal(oh_header_of(oh_span(text, name.n)), id);
        }
        if (info->compact) {
            text[0] = info->compact;
            text[1] = (char)(info->compact & ~0x20);
            assert_int_equal(oh_header_of(oh_span(text, 1)), id);
            assert_int_equal(oh_header_of(oh_span(text + 1, 1)), id);
        }
        assert_true(strncmp(info->rfc, "RFC ", 4) == 0);
    }
}

/* A name with one byte changed, longer or shorter is another header, whatever it collides with. */
static void neighbours(void **state)
{
    char text[64];

    (void)state;
    for (unsigned id = OH_HEADER_OTHER + 1; id < OH_HEADER_COUNT; id++) {
        struct oh_span name = oh_span_str(oh_header_info(id)->name);

        for (size_t i = 0; i < name.n; i++)
            for (int c = 0; c < 256; c++) {
                unsigned found;

                memcpy(text, name.p, name.n);
                text[i] = (char)c;
                found = oh_header_of(oh_span(text, name.n));
                if (oh_span_ieq(oh_span(text, name.n), name))
                    assert_int_equal(found, id);
                else if (found != OH_HEADER_OTHER)
                    assert_true(oh_span_ieq(oh_span(text, name.n),
                                            oh_span_str(oh_header_info(found)->name)));
            }
        memcpy(text, name.p, name.n);
        text[name.n] = 's';
        assert_int_equal(oh_header_of(oh_span(text, name.n + 1)), OH_HEADER_OTHER);
    }
}

static void strangers(void **state)
{
    static const char *const names[] = {
        "",
        "z",
        "1",
        "-",
        "X-Foo",
        "C%6Fntact",
        "Con\xcctact",
        "NewFangledHeader",
        "A-Header-Name-That-Is-Longer-Than-Any-Of-Ours",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++)
        assert_int_equal(oh_header_of(oh_span_str(names[i])), OH_HEADER_OTHER);
    /* The rest of a slot's five bits: bytes that are no letters but share them. */
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (!letter)
            assert_int_equal(oh_header_of(oh_span(&byte, 1)), OH_HEADER_OTHER);
    }
    assert_string_equal(oh_header_info(OH_HEADER_OTHER)->name, "");
    assert_string_equal(oh_header_info(OH_HEADER_COUNT)->name, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row),
        cmocka_unit_test(neighbours),
        cmocka_unit_test(strangers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
