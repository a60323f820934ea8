/* CSV by RFC 4180, and files of accounts on top of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/csv.h"
#include "host/csv_accounts.h"

#define FIELDS 4

/* Writes every record as "LINE:[field][field]", a wrong one as "LINE!", each followed by a blank.
 */
static void read_all(const char *text, size_t n, char *out, size_t cap)
{
    /* An exact copy on the heap, so that the sanitizer sees every byte too far. */
    char *copy = malloc(n ? n : 1);
    struct oh_span fields[FIELDS];
    struct oh_arena arena;
    struct oh__csv csv;
    size_t at = 0;
    int r;

    assert_non_null(copy);
    memcpy(copy, text, n);
    oh_arena_init(&arena, oh_alloc_default(), 65536);
    oh__csv_init(&csv, oh_span(copy, n));
    out[0] = '\0';
    for (;;) {
        const char *why = NULL;
        unsigned count = 0, line = 0;

        r = oh__csv_next(&csv, &arena, fields, FIELDS, &count, &line, &why);
        if (r == OH_E_ABSENT)
            break;
        at += (size_t)snprintf(out + at, cap - at, "%u%s", line, r == OH_OK ? ":" : "!");
        assert_true((r == OH_OK) == (why == NULL));
        for (unsigned i = 0; r == OH_OK && i < count; i++)
            at += (size_t)snprintf(out + at, cap - at, "[%.*s]", OH_PRI(fields[i]));
        at += (size_t)snprintf(out + at, cap - at, " ");
        assert_true(at < cap);
    }
    oh_arena_done(&arena);
    free(copy);
}

static void test_records(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", ""},
        {"\n\r\n\n", ""},
        {"a", "1:[a] "},
        {"a,b\n", "1:[a][b] "},
        {"a,b\r\nc,d\r\n", "1:[a][b] 2:[c][d] "},
        {"a,\n,b\n,\n", "1:[a][] 2:[][b] 3:[][] "},
        {"\xef\xbb\xbf"
         "a,b\n",
         "1:[a][b] "},
        {" a , b\t\n", "1:[a][b] "},
        {"\"a\",\" b \"\n", "1:[a][ b ] "},
        {"\"a,b\",c\n", "1:[a,b][c] "},
        {"\"say \"\"hi\"\"\",x\n", "1:[say \"hi\"][x] "},
        {"\"\"\"\"\n", "1:[\"] "},
        {"\"\",x", "1:[][x] "},
        {"\"two\nlines\",x\ny\n", "1:[two\nlines][x] 3:[y] "},
        {"a\n\n\nb\n", "1:[a] 4:[b] "},
        {"a\"b,c\nd\n", "1! 2:[d] "},
        {"\"a\"b,c\nd\n", "1! 2:[d] "},
        {"\"never closed,x\nd\n", "1! 2:[d] "},
        {"1,2,3,4\n1,2,3,4,5\nz\n", "1:[1][2][3][4] 2! 3:[z] "},
        {"a\rb\n", "1:[a\rb] "},
    };
    char out[512];

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        read_all(cases[i].text, strlen(cases[i].text), out, sizeof out);
        assert_string_equal(out, cases[i].want);
    }
    read_all("a\0b,c\nd\n", 8, out, sizeof out);
    assert_string_equal(out, "1! 2:[d] ");
}

/* Cutting a text anywhere must neither read beyond it nor go round for ever. */
static void test_every_cut(void **state)
{
    static const char text[] = "u,\"a \"\"b\"\" c\",d\r\n\"x\ny\",,\"\"\r\n\r\nz";
    char out[512];

    (void)state;
    for (size_t n = 0; n < sizeof text; n++)
        read_all(text, n, out, sizeof out);
    assert_string_equal(out, "1:[u][a \"b\" c][d] 2:[x\ny][][] 5:[z] ");
}

static void test_arena_full(void **state)
{
    struct oh_span field;
    struct oh_arena arena;
    struct oh__csv csv;
    unsigned n, line;
    const char *why;

    (void)state;
    oh_arena_init(&arena, oh_alloc_default(), 4);
    oh__csv_init(&csv, OH_LIT("\"much \"\"too\"\" much\"\n"));
    assert_int_equal(oh__csv_next(&csv, &arena, &field, 1, &n, &line, &why), OH_E_NOMEM);
    oh_arena_done(&arena);
}

static void check_span(struct oh_span s, const char *want)
{
    assert_int_equal(s.n, strlen(want));
    assert_memory_equal(s.p ? s.p : "", want, s.n);
}

static void test_accounts_without_header(void **state)
{
    struct oh__csv_accounts a;

    (void)state;
    assert_int_equal(oh__csv_accounts_read(OH_LIT("alice@example.com,secret\n102,\"a,b\"\n"), &a),
                     OH_OK);
    assert_int_equal(a.faults_n, 0);
    assert_int_equal(a.n, 2);
    check_span(a.rows[0].account.user, "alice");
    check_span(a.rows[0].account.domain, "example.com");
    check_span(a.rows[0].account.password, "secret");
    assert_int_equal(a.rows[0].line, 1);
    check_span(a.rows[1].account.user, "102");
    assert_null(a.rows[1].account.domain.p);
    check_span(a.rows[1].account.password, "a,b");
    assert_int_equal(a.rows[1].line, 2);
    oh__csv_accounts_done(&a);
}

static void test_accounts_with_header(void **state)
{
    static const char text[] = "name,User,ha1_md5,realm,domain,auth_name,ha1_sha256,password\n"
                               "\"Front, desk\",101,md5,r,d,a,sha,p\n";
    struct oh__csv_accounts a;

    (void)state;
    assert_int_equal(oh__csv_accounts_read(oh_span_str(text), &a), OH_OK);
    assert_int_equal(a.faults_n, 0);
    assert_int_equal(a.n, 1);
    check_span(a.rows[0].account.name, "Front, desk");
    check_span(a.rows[0].account.user, "101");
    check_span(a.rows[0].account.ha1[0], "md5");
    check_span(a.rows[0].account.ha1[1], "sha");
    check_span(a.rows[0].account.realm, "r");
    check_span(a.rows[0].account.domain, "d");
    check_span(a.rows[0].account.auth_name, "a");
    check_span(a.rows[0].account.password, "p");
    assert_int_equal(a.rows[0].line, 2);
    oh__csv_accounts_done(&a);
}

/* Every wrong line is found, and the right ones between them are still read. */
static void test_accounts_faults(void **state)
{
    static const char text[] = "user,password\n1,a\n2\n3,c,d\n4,\"e\n5,f\n";
    struct oh__csv_accounts a;

    (void)state;
    assert_int_equal(oh__csv_accounts_read(oh_span_str(text), &a), OH_OK);
    assert_int_equal(a.n, 2);
    assert_int_equal(a.rows[1].line, 6);
    assert_int_equal(a.faults_n, 3);
    assert_int_equal(a.faults[0].line, 3);
    assert_int_equal(a.faults[1].line, 4);
    assert_int_equal(a.faults[2].line, 5);
    oh__csv_accounts_done(&a);
}

static void test_accounts_bad_headers(void **state)
{
    static const char *const texts[] = {"user,pasword\n1,a\n", "user,user,password\n1,2,a\n",
                                        "domain,password\nx,a\n", "user,name\n1,a\n"};
    struct oh__csv_accounts a;
    char text[1000];

    (void)state;
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(oh__csv_accounts_read(oh_span_str(texts[i]), &a), OH_OK);
        assert_int_equal(a.n, 0);
        assert_int_equal(a.faults_n, 1);
        assert_int_equal(a.faults[0].line, 1);
        oh__csv_accounts_done(&a);
    }
    /* The column is named, whatever bytes it is made of, and not endlessly. */
    assert_int_equal(oh__csv_accounts_read(OH_LIT("user,pass\x01w\xc3rd\n1,a\n"), &a), OH_OK);
    assert_non_null(strstr(a.faults[0].why, "unknown column \"pass?w?rd\": there are user, "));
    oh__csv_accounts_done(&a);
    memset(text, 'x', sizeof text);
    memcpy(text, "user,", 5);
    assert_int_equal(oh__csv_accounts_read(oh_span(text, sizeof text), &a), OH_OK);
    assert_in_range(strlen(a.faults[0].why), 60, 160);
    oh__csv_accounts_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_arena_full),
        cmocka_unit_test(test_accounts_without_header),
        cmocka_unit_test(test_accounts_with_header),
        cmocka_unit_test(test_accounts_faults),
        cmocka_unit_test(test_accounts_bad_headers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
