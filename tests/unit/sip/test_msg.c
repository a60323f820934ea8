/* Messages: framing, rows, faults, the check, and the two scanners against each other. */
#include <offhook/msg.h>

#include "sip/scan.h"
#include "sip_test.h"

#define START "INVITE sip:bob@biloxi.example.com SIP/2.0\r\n"
#define VIA   "Via: SIP/2.0/UDP client.example.com:5060;branch=z9hG4bK74bf9;rport\r\n"
#define FROM  "From: \"Alice\" <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\n"
#define TO    "To: Bob <sip:bob@biloxi.example.com>\r\n"
#define CALL  "Call-ID: 3848276298220188511@atlanta.example.com\r\n"
#define CSEQ  "CSeq: 2 INVITE\r\n"
#define CORE  VIA FROM TO CALL CSEQ

/* Parses a copy in a block of its exact size; the copy is freed, so only numbers remain of *m. */
static int parse_exact(struct oh_span text, enum oh_msg_mode mode, struct oh_msg *m, size_t *used,
                       struct oh_fault *fault)
{
    struct oh_span exact = exact_copy(text);
    int rc = oh_msg_parse(exact, mode, NULL, m, used, fault);

    exact_free(exact);
    return rc;
}

/* Everything that is read of a usual request. */
static void request(void **state)
{
    struct oh_span text = OH_LIT(START CORE "Max-Forwards: 70\r\nX-Foo: ((\r\nv: SIP/2.0/TCP b\r\n"
                                            "Content-Length: 4\r\n\r\nbodyNOISE");
    struct oh_msg m;
    struct oh_fault fault = {0};
    size_t used;

    (void)state;
    assert_int_equal(oh_msg_parse(text, OH_MSG_DATAGRAM, NULL, &m, &used, &fault), OH_OK);
    assert_int_equal(used, text.n);
    assert_int_equal(m.raw.n, text.n - 5);
    assert_text(m.start, "INVITE sip:bob@biloxi.example.com SIP/2.0");
    assert_true(m.request);
    assert_int_equal(m.method, OH_METHOD_INVITE);
    assert_text(m.method_text, "INVITE");
    assert_text(m.uri, "sip:bob@biloxi.example.com");
    assert_text(m.version, "SIP/2.0");
    assert_int_equal(m.status, 0);
    assert_text(m.body, "body"); /* SYN-020: what is behind is not in the message */
    assert_int_equal(m.body_at, text.n - 9);
    assert_true(m.has_length);
    assert_int_equal(m.rows_n, 9);
    assert_text(oh_row_name(&m, &m.rows[7]), "v"); /* SYN-006 */
    assert_ptr_equal(oh_msg_row_next(&m, oh_msg_row(&m, OH_HEADER_VIA)), &m.rows[7]);
    assert_text(oh_msg_value(&m, OH_HEADER_OTHER), "((");
    assert_int_equal(oh_msg_check(&m, &fault), OH_OK);
    assert_text(m.via.branch, "z9hG4bK74bf9");
    assert_text(m.from.display, "\"Alice\"");
    assert_text(m.from_tag, "9fxced76sl");
    assert_text(m.from_uri.user, "alice");
    assert_text(m.to_uri.host, "biloxi.example.com");
    assert_int_equal(m.to_tag.n, 0);
    assert_text(m.call_id, "3848276298220188511@atlanta.example.com");
    assert_int_equal(m.cseq, 2);
    assert_int_equal(m.cseq_method, OH_METHOD_INVITE);
    assert_text(m.cseq_method_text, "INVITE");
    assert_int_equal(m.max_forwards, 70);
    assert_text(m.request_uri.user, "bob");
}

/* SYN-001, SYN-004: rows, folds and blanks; `rows` is name=value| of each row. */
static void rows(void **state)
{
    static const char text[] = START
        "TO :\r\n sip:v@e ;   tag    = 1\r\nfrom   \t: a\r\n  ;\r\n  b\r\n"
        "s :\r\nSubject:   \r\nA:\r\n \r\n\tx \r\n  \r\nb:c:d\r\n\r\n";
    char out_text[512];
    struct oh_buf out;
    struct oh_msg m;

    (void)state;
    read_message(text, &m);
    oh_buf_init(&out, out_text, sizeof(out_text));
    for (unsigned i = 0; i < m.rows_n; i++) {
        oh_buf_span(&out, oh_row_name(&m, &m.rows[i]));
        oh_buf_char(&out, '=');
        oh_buf_span(&out, oh_row_value(&m, &m.rows[i]));
        oh_buf_char(&out, '|');
        /* Rows lie next to each other, and the last one next to the empty line. */
        if (i + 1 < m.rows_n)
            assert_int_equal(m.rows[i].end, m.rows[i + 1].name);
        else
            assert_int_equal(m.rows[i].end + 2, m.body_at);
    }
    assert_text(oh_buf_view(&out),
                "TO=sip:v@e ;   tag    = 1|from=a\r\n  ;\r\n  b|s=|Subject=|A=x|b=c:d|");
    assert_int_equal(m.first[OH_HEADER_SUBJECT], 3);
    assert_int_equal(m.rows[2].next, 4);
    assert_int_equal(m.rows[3].next, 0);
}

/* SYN-013, SYN-023: status lines. */
static void responses(void **state)
{
    static const struct {
        const char *start;
        int code;
        unsigned status;
        const char *reason;
    } cases[] = {
        {"SIP/2.0 200 OK", OH_OK, 200, "OK"},
        {"sip/2.0 100 ", OH_OK, 100, ""},
        {"SIP/2.0 699", OH_OK, 699, ""},
        {"SIP/2.0 200 = 2**3 * 5**2 \xd0\xbd\xd0\xbe", OH_OK, 200,
         "= 2**3 * 5**2 \xd0\xbd\xd0\xbe"},
        {"SIP/2.0 99 x", OH_E_SYNTAX, 0, ""},
        {"SIP/2.0 099 x", OH_E_SYNTAX, 0, ""},
        {"SIP/2.0 700 x", OH_E_SYNTAX, 0, ""},
        {"SIP/2.0 4294967301 x", OH_E_SYNTAX, 0, ""},
        {"SIP/2.0 -20 x", OH_E_SYNTAX, 0, ""},
        {"SIP/2.0 20x OK", OH_E_SYNTAX, 0, ""},
        {"SIP/2.0  200 OK", OH_E_SYNTAX, 0, ""},
        {"SIP/2.0 2000", OH_E_SYNTAX, 0, ""},
        {"SIP/2.0", OH_E_SYNTAX, 0, ""},
        {"SIP/2.0 ", OH_E_SYNTAX, 0, ""},
        {"SIP/3.0 200 OK", OH_E_SYNTAX, 0, ""},
        {"SIP/2.0 200 OK\r\n folded", OH_E_SYNTAX, 200, "OK\r\n folded"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[512];
        struct oh_msg m;
        struct oh_fault fault = {0};
        size_t used;
        int n = snprintf(text, sizeof(text), "%s\r\n" CORE "\r\n", cases[i].start);

        if (oh_msg_parse(oh_span(text, (size_t)n), OH_MSG_DATAGRAM, NULL, &m, &used, &fault) !=
            cases[i].code)
            fail_msg("%s: %s", cases[i].start, fault.why);
        assert_false(m.request);
        assert_int_equal(m.status, cases[i].status);
        assert_text(m.reason, cases[i].reason);
        assert_int_equal(m.rows_n, 5);
        assert_int_equal(oh_msg_check(&m, NULL), OH_OK);
        assert_int_equal(m.method, OH_METHOD_INVITE); /* out of CSeq */
    }
}

/* SYN-002, SYN-003, SYN-016: request lines. `at` is where the fault points. */
static void request_lines(void **state)
{
    static const struct {
        const char *start;
        int code;
        uint32_t at;
    } cases[] = {
        {"INVITE sip:a@b SIP/2.0", OH_OK, 0},
        {"INVITE sip:a@b sip/2.0", OH_OK, 0},
        {"SIPPING sip:a@b SIP/2.0", OH_OK, 0},
        {"SIP sip:a@b SIP/2.0", OH_OK, 0},
        {"!m-*_+`.%x'~ sip:a@b SIP/2.0", OH_OK, 0},
        {"OPTIONS sip:a@b SIP/7.0", OH_E_VERSION, 16},
        {"OPTIONS sip:a@b SIP/2.10", OH_E_VERSION, 16},
        {"OPTIONS sip:a@b SIP/2.0 ", OH_E_SYNTAX, 16},
        {"OPTIONS  sip:a@b SIP/2.0", OH_E_SYNTAX, 8},
        {"OPTIONS sip:a@b  SIP/2.0", OH_E_SYNTAX, 16},
        {"OPTIONS sip:a@b; lr SIP/2.0", OH_E_SYNTAX, 17},
        {"OPTIONS sip:a@b", OH_E_SYNTAX, 8},
        {"OPTIONS sip:a@b HTTP/1.1", OH_E_SYNTAX, 16},
        {"OPTIONS sip:a@b SIP/2", OH_E_SYNTAX, 16},
        {"OPTIONS sip:a@b SIP/.0", OH_E_SYNTAX, 16},
        {"OPTIONS sip:a@b SIP/2.0x", OH_E_SYNTAX, 16},
        {"OPTIONS\tsip:a@b SIP/2.0", OH_E_SYNTAX, 7},
        {"OPTIONS sip:a@b\r\n SIP/2.0", OH_E_SYNTAX, 0},
        {"OP(TIONS sip:a@b SIP/2.0", OH_E_SYNTAX, 2},
        {" OPTIONS sip:a@b SIP/2.0", OH_E_SYNTAX, 0},
        {"OPTIONS", OH_E_SYNTAX, 7},
        {"GET / HTTP/1.1", OH_E_SYNTAX, 6},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[512];
        struct oh_msg m;
        struct oh_fault fault = {0};
        size_t used;
        int n = snprintf(text, sizeof(text), "%s\r\n" CORE "\r\n", cases[i].start);
        int rc = oh_msg_parse(oh_span(text, (size_t)n), OH_MSG_DATAGRAM, NULL, &m, &used, &fault);

        if (rc != cases[i].code || fault.at != cases[i].at)
            fail_msg("'%s': %d at %u (%s), want %d at %u", cases[i].start, rc, fault.at, fault.why,
                     cases[i].code, cases[i].at);
        assert_true(m.request);
        assert_int_equal(used, n);
        assert_int_equal(m.rows_n, 5); /* enough to answer */
        if (rc != OH_OK)
            assert_int_equal(oh_msg_fault_status(&fault), rc == OH_E_VERSION ? 505 : 400);
    }
}

/* SYN-026, TRN-014, TRN-015: Content-Length on datagrams (D) and streams (S). */
static void content_length(void **state)
{
    static const struct {
        const char *rows;
        int datagram, stream;
    } cases[] = {
        {"", OH_OK, OH_E_SYNTAX},
        {"Content-Length: 4\r\n", OH_OK, OH_OK},
        {"l: 0004\r\n", OH_OK, OH_OK},
        {"Content-Length\t :\r\n  4\r\n", OH_OK, OH_OK},
        {"Content-Length: 5\r\n", OH_E_SYNTAX, OH_E_INCOMPLETE},
        {"Content-Length: -1\r\n", OH_E_SYNTAX, OH_E_SYNTAX},
        {"Content-Length: +4\r\n", OH_E_SYNTAX, OH_E_SYNTAX},
        {"Content-Length: five\r\n", OH_E_SYNTAX, OH_E_SYNTAX},
        {"Content-Length: 1e3\r\n", OH_E_SYNTAX, OH_E_SYNTAX},
        {"Content-Length: 0x4\r\n", OH_E_SYNTAX, OH_E_SYNTAX},
        {"Content-Length: 4 4\r\n", OH_E_SYNTAX, OH_E_SYNTAX},
        {"Content-Length: 4, 4\r\n", OH_E_SYNTAX, OH_E_SYNTAX},
        {"Content-Length: 4;x\r\n", OH_E_SYNTAX, OH_E_SYNTAX},
        {"Content-Length:\r\n", OH_E_SYNTAX, OH_E_SYNTAX},
        {"Content-Length:  \r\n \r\n", OH_E_SYNTAX, OH_E_SYNTAX},
        {"Content-Length: 4294967295\r\n", OH_E_SYNTAX, OH_E_LIMIT},
        {"Content-Length: 4294967296\r\n", OH_E_SYNTAX, OH_E_SYNTAX},
        {"Content-Length: 4294967300\r\n", OH_E_SYNTAX, OH_E_SYNTAX},
        {"Content-Length: 99999999999999999999\r\n", OH_E_SYNTAX, OH_E_SYNTAX},
        {"Content-Length: 18446744073709551620\r\n", OH_E_SYNTAX, OH_E_SYNTAX},
        {"Content-Length: 99999999\r\n", OH_E_SYNTAX, OH_E_LIMIT}, /* TRN-016 */
        {"Content-Length: 4\r\nContent-Length: 4\r\n", OH_E_DUPLICATE, OH_E_DUPLICATE},
        {"Content-Length: 4\r\nX: y\r\nl: 3\r\n", OH_E_DUPLICATE, OH_E_DUPLICATE},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int mode = OH_MSG_DATAGRAM; mode <= OH_MSG_STREAM; mode++) {
            int want = mode == OH_MSG_STREAM ? cases[i].stream : cases[i].datagram;
            char text[512];
            struct oh_msg m;
            struct oh_fault fault = {0};
            size_t used = 4711;
            int n = snprintf(text, sizeof(text), START CORE "%s\r\nbody", cases[i].rows);
            int rc = parse_exact(oh_span(text, (size_t)n), (enum oh_msg_mode)mode, &m, &used,
                                 &fault);

            if (rc != want)
                fail_msg("%s mode %d: %d (%s)", cases[i].rows, mode, rc, fault.why);
            assert_int_equal(used, rc == OH_E_INCOMPLETE ? 0 : n);
            if (rc == OH_OK) {
                assert_int_equal(m.body.n, 4);
                assert_int_equal(m.raw.n, n);
            } else if (rc != OH_E_INCOMPLETE) {
                assert_int_equal(fault.header, OH_HEADER_CONTENT_LENGTH);
                assert_int_equal(fault.code, rc);
                assert_true(fault.at < (uint32_t)n && fault.at > sizeof(START));
                assert_non_null(fault.why);
                assert_int_equal(oh_msg_fault_status(&fault), rc == OH_E_LIMIT ? 413 : 400);
                assert_true(m.rows_n >= 5);
            }
        }
}

/* What rows must not be, and that the others are still there for the 400. */
static void broken_rows(void **state)
{
    static const struct {
        struct oh_span rows;
        uint16_t want_rows; /* 5 of CORE before, and those of `rows` that are fine */
        const char *why;
    } cases[] = {
        {OH_LIT("no colon\r\nA: b\r\n"), 6, "no ':' behind"},
        {OH_LIT("nocolon\r\n"), 5, "no ':' behind"},
        {OH_LIT(": empty\r\nA: b\r\n"), 6, "no header name"},
        {OH_LIT("(a): b\r\n"), 5, "a line that does not begin"},
        {OH_LIT("a(b): c\r\n"), 5, "no ':' behind"},
        {OH_LIT("a b: c\r\n"), 5, "no ':' behind"},
        {OH_LIT("a\r\n : c\r\n"), 5, "no ':' behind"},
        {OH_LIT("\xc3\xa4: c\r\n"), 5, "a line that does not begin"},
        {OH_LIT("A: b\nC: d\r\n"), 5, "LF instead of CR LF"},
        {OH_LIT("A: b\rC: d\r\n"), 5, "a CR that no LF follows"},
        {OH_LIT("A: b\r\r\nC: d\r\n"), 5, "a CR that no LF follows"},
        {OH_LIT("A: b\0c\r\n"), 5, "a NUL byte"},
        {OH_LIT("A: \"b\\\\\0c\"\r\n"), 5, "a NUL byte"},
        {OH_LIT("A\0: b\r\n"), 5, "a NUL byte"},
        {OH_LIT("A: \"b\\\0c\"\r\n"), 6, NULL},
        {OH_LIT("A: \x01\x02\x7f\t\xff\r\n"), 6, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[512];
        struct oh_buf out;
        struct oh_msg m;
        struct oh_fault fault = {0};
        size_t used;
        int rc;

        oh_buf_init(&out, text, sizeof(text));
        oh_buf_lit(&out, START CORE);
        oh_buf_span(&out, cases[i].rows);
        oh_buf_lit(&out, "\r\n");
        rc = oh_msg_parse(oh_buf_view(&out), OH_MSG_DATAGRAM, NULL, &m, &used, &fault);
        assert_int_equal(rc, cases[i].why ? OH_E_SYNTAX : OH_OK);
        assert_int_equal(m.rows_n, cases[i].want_rows);
        assert_int_equal(oh_msg_check(&m, NULL), OH_OK);
        if (!cases[i].why)
            continue;
        if (!strstr(fault.why, cases[i].why))
            fail_msg("case %zu: '%s', want '%s'", i, fault.why, cases[i].why);
        assert_true(fault.at >= sizeof(START CORE) - 1 && fault.at < out.n);
        rc = oh_msg_parse(oh_buf_view(&out), OH_MSG_STREAM, NULL, &m, &used, &fault);
        assert_int_equal(rc, OH_E_SYNTAX);
    }
}

/* A row that is fine but far from the front, and names of every length round the scanner's blocks.
 */
static void long_names(void **state)
{
    static char text[70000];

    (void)state;
    for (size_t n = 1; n < 140; n++) {
        size_t at = sizeof(START) - 1;
        struct oh_msg m;
        size_t used;

        memcpy(text, START, at);
        memset(text + at, 'n', n);
        memcpy(text + at + n, ":v\r\n\r\n", 6);
        assert_int_equal(parse_exact(oh_span(text, at + n + 6), OH_MSG_DATAGRAM, &m, &used, NULL),
                         OH_OK);
        assert_int_equal(m.rows[0].name_len, n);
        assert_int_equal(m.rows[0].value_len, 1);
    }
    /* A name longer than its field in the row is no name. */
    memcpy(text, START, sizeof(START) - 1);
    memset(text + sizeof(START) - 1, 'n', 65536);
    memcpy(text + sizeof(START) - 1 + 65536, ":v\r\n\r\n", 6);
    {
        const struct oh_msg_limits limits = {.message = 100000, .headers = 100000};
        struct oh_msg m;
        size_t used;

        assert_int_equal(oh_msg_parse(oh_span(text, sizeof(START) - 1 + 65536 + 6), OH_MSG_DATAGRAM,
                                      &limits, &m, &used, NULL),
                         OH_E_SYNTAX);
        assert_int_equal(m.rows_n, 0);
    }
}

/* SYN-036: what comes before a start line, and datagrams that are no message. */
static void before_the_start(void **state)
{
    static const struct {
        struct oh_span text;
        int datagram, stream;
        size_t used; /* stream */
    } cases[] = {
        {OH_LIT(""), OH_E_ABSENT, OH_E_INCOMPLETE, 0},
        {OH_LIT("\0"), OH_E_ABSENT, OH_E_SYNTAX, 1},
        {OH_LIT("\r\n"), OH_E_ABSENT, OH_E_INCOMPLETE, 2},
        {OH_LIT("\r\n\r\n"), OH_E_ABSENT, OH_E_INCOMPLETE, 4},
        {OH_LIT("\r\n\r"), OH_E_ABSENT, OH_E_INCOMPLETE, 2},
        {OH_LIT("jaK"), OH_E_ABSENT, OH_E_INCOMPLETE, 0},
        {OH_LIT("\r\n\r\nINVITE"), OH_E_ABSENT, OH_E_INCOMPLETE, 4},
        {OH_LIT("\r\n\r\n" START CORE "l:0\r\n\r\n"), OH_OK, OH_OK, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct oh_msg m;
        struct oh_fault fault;
        size_t used, all = cases[i].text.n;

        assert_int_equal(parse_exact(cases[i].text, OH_MSG_DATAGRAM, &m, &used, &fault),
                         cases[i].datagram);
        assert_int_equal(used, all);
        assert_int_equal(parse_exact(cases[i].text, OH_MSG_STREAM, &m, &used, &fault),
                         cases[i].stream);
        assert_int_equal(used, cases[i].stream == OH_OK ? all : cases[i].used);
        if (cases[i].stream == OH_OK)
            assert_int_equal(m.raw.n, all - 4);
    }
}

/* TRN-013: three messages in one segment, and each of them byte by byte. */
static void streams(void **state)
{
    static const char one[] = START CORE "l: 4\r\n\r\nbody";
    static const char three[] = START CORE "l: 4\r\n\r\nbody\r\n" START CORE
                                           "l: 0\r\n\r\n" START CORE "l: 4\r\n\r\nbody";
    struct oh_span rest = OH_LIT(three);
    static const size_t bodies[] = {4, 0, 4};
    struct oh_msg m;
    size_t used;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(oh_msg_parse(rest, OH_MSG_STREAM, NULL, &m, &used, NULL), OH_OK);
        assert_int_equal(m.body.n, bodies[i]);
        assert_int_equal(oh_msg_check(&m, NULL), OH_OK);
        rest = oh_span_from(rest, used);
    }
    assert_int_equal(rest.n, 0);
    for (size_t n = 0; n < sizeof(one) - 1; n++) {
        struct oh_fault fault = {0};

        assert_int_equal(parse_exact(oh_span(one, n), OH_MSG_STREAM, &m, &used, &fault),
                         OH_E_INCOMPLETE);
        assert_int_equal(used, 0);
        assert_int_equal(fault.code, OH_E_INCOMPLETE);
        assert_int_not_equal(parse_exact(oh_span(one, n), OH_MSG_DATAGRAM, &m, &used, &fault),
                             OH_OK);
    }
}

/* SYN-019, SEC-004, TRN-016: every limit, from both sides. */
static void limits(void **state)
{
    static const char text[] = START CORE "Content-Length: 10\r\n\r\n0123456789";
    const uint32_t all = sizeof(text) - 1, head = all - 10, uri = 26;
    const struct {
        struct oh_msg_limits l;
        int code;
        unsigned status;
    } cases[] = {
        {{0, 0, 0, 0}, OH_OK, 0},
        {{all, head, 10, uri}, OH_OK, 0},
        {{all - 1, 0, 0, 0}, OH_E_LIMIT, 513},
        {{0, head - 1, 0, 0}, OH_E_LIMIT, 513},
        {{0, 20, 0, 0}, OH_E_LIMIT, 513},
        {{0, 0, 9, 0}, OH_E_LIMIT, 413},
        {{0, 0, 0, uri - 1}, OH_E_LIMIT, 414},
        {{head - 5, 0, 0, 0}, OH_E_LIMIT, 513},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int mode = OH_MSG_DATAGRAM; mode <= OH_MSG_STREAM; mode++) {
            struct oh_msg m;
            struct oh_fault fault = {0};
            size_t used;
            int rc = oh_msg_parse(OH_LIT(text), (enum oh_msg_mode)mode, &cases[i].l, &m, &used,
                                  &fault);

            if (rc != cases[i].code)
                fail_msg("case %zu mode %d: %d (%s)", i, mode, rc, fault.why);
            if (rc != OH_OK)
                assert_int_equal(oh_msg_fault_status(&fault), cases[i].status);
            assert_true(m.start.n > 0 || cases[i].l.headers == 20);
        }
}

/* SEC-004: the number of rows is bounded; those before the bound are there. */
static void too_many_rows(void **state)
{
    static char text[8192];
    size_t n = sizeof(START) - 1;
    struct oh_msg m;
    struct oh_fault fault;
    size_t used;

    (void)state;
    memcpy(text, START, n);
    for (int i = 0; i < OH_MSG_HEADERS_MAX; i++, n += 6)
        memcpy(text + n, "A: b\r\n", 6);
    memcpy(text + n, "\r\n", 2);
    assert_int_equal(oh_msg_parse(oh_span(text, n + 2), OH_MSG_DATAGRAM, NULL, &m, &used, &fault),
                     OH_OK);
    assert_int_equal(m.rows_n, OH_MSG_HEADERS_MAX);
    memcpy(text + n, "A: b\r\n\r\n", 8);
    assert_int_equal(oh_msg_parse(oh_span(text, n + 8), OH_MSG_DATAGRAM, NULL, &m, &used, &fault),
                     OH_E_LIMIT);
    assert_int_equal(oh_msg_fault_status(&fault), 513);
    assert_int_equal(m.rows_n, OH_MSG_HEADERS_MAX);
}

/* SYN-008 to SYN-012, SYN-018, SYN-024, SYN-025, SYN-031: oh_msg_check. */
static const struct {
    const char *text; /* rows behind the start line */
    int code;
    uint16_t header;
    const char *why; /* NULL: not compared */
} checks[] = {
    {CORE, OH_OK, 0, NULL},
    {FROM TO CALL CSEQ, OH_E_ABSENT, OH_HEADER_VIA, "Missing Via"},
    {VIA TO CALL CSEQ, OH_E_ABSENT, OH_HEADER_FROM, "Missing From"},
    {VIA FROM CALL CSEQ, OH_E_ABSENT, OH_HEADER_TO, "Missing To"},
    {VIA FROM TO CSEQ, OH_E_ABSENT, OH_HEADER_CALL_ID, "Missing Call-ID"},
    {VIA FROM TO CALL, OH_E_ABSENT, OH_HEADER_CSEQ, "Missing CSeq"},
    {CORE FROM, OH_E_DUPLICATE, OH_HEADER_FROM, "More than one From"},
    {CORE TO, OH_E_DUPLICATE, OH_HEADER_TO, "More than one To"},
    {CORE "i: x\r\n", OH_E_DUPLICATE, OH_HEADER_CALL_ID, "More than one Call-ID"},
    {CORE CSEQ, OH_E_DUPLICATE, OH_HEADER_CSEQ, "More than one CSeq"},
    {CORE "Max-Forwards: 70\r\nMax-Forwards: 70\r\n", OH_E_DUPLICATE, OH_HEADER_MAX_FORWARDS,
     "More than one Max-Forwards"},
    {CORE VIA "Via: ((\r\n", OH_OK, 0, NULL}, /* only the topmost is everybody's business */
    {"Via: SIP/2.0/UDP a ;x=\",\", garbage\r\n" FROM TO CALL CSEQ, OH_OK, 0, NULL},
    {"Via:\r\n" FROM TO CALL CSEQ, OH_E_SYNTAX, OH_HEADER_VIA, NULL},
    {"Via: ,\r\n" FROM TO CALL CSEQ, OH_E_SYNTAX, OH_HEADER_VIA, NULL},
    {"Via: SIP/2.0/UDP a;x=\",\r\n" FROM TO CALL CSEQ, OH_E_SYNTAX, OH_HEADER_VIA, NULL},
    {"Via: SIP/2.0/UDP a;branch=z9hG4bK\r\n" FROM TO CALL CSEQ, OH_OK, 0, NULL},
    {"Via: SIP/2.0/UDP a\r\nFrom: sip:a@b\r\n" TO CALL CSEQ, OH_OK, 0, NULL},
    {VIA "From: \"x <sip:a@b>\r\n" TO CALL CSEQ, OH_E_SYNTAX, OH_HEADER_FROM, NULL},
    {VIA "From: <sip:a @b>\r\n" TO CALL CSEQ, OH_E_SYNTAX, OH_HEADER_FROM, NULL},
    {VIA "From: *\r\n" TO CALL CSEQ, OH_E_SYNTAX, OH_HEADER_FROM, NULL},
    {VIA "From: <sip:a@b>;tag=a;tag=b\r\n" TO CALL CSEQ, OH_E_DUPLICATE, OH_HEADER_FROM, NULL},
    {VIA "From:\r\n" TO CALL CSEQ, OH_E_SYNTAX, OH_HEADER_FROM, NULL},
    {VIA FROM "To: < sip:t@e >\r\n" CALL CSEQ, OH_E_SYNTAX, OH_HEADER_TO, NULL},
    {VIA "From: <name:J_S>;tag=1\r\nTo: isbn:298\r\n" CALL CSEQ, OH_OK, 0, NULL},
    {VIA FROM TO "Call-ID:\r\n" CSEQ, OH_E_SYNTAX, OH_HEADER_CALL_ID, NULL},
    {VIA FROM TO "Call-ID: a@b@c\r\n" CSEQ, OH_E_SYNTAX, OH_HEADER_CALL_ID, NULL},
    {VIA FROM TO "Call-ID: a b\r\n" CSEQ, OH_E_SYNTAX, OH_HEADER_CALL_ID, NULL},
    {VIA FROM TO "Call-ID: a@\r\n" CSEQ, OH_E_SYNTAX, OH_HEADER_CALL_ID, NULL},
    {VIA FROM TO "Call-ID: a;b\r\n" CSEQ, OH_E_SYNTAX, OH_HEADER_CALL_ID, NULL},
    {VIA FROM TO "Call-ID: w%ZK-!.*_+'@w`~)(><:\\/\"][?}{\r\n" CSEQ, OH_OK, 0, NULL},
    {VIA FROM TO CALL "CSeq: 2147483647 INVITE\r\n", OH_OK, 0, NULL},
    {VIA FROM TO CALL "CSeq: 0009\r\n  INVITE\r\n", OH_OK, 0, NULL},
    {VIA FROM TO CALL "CSeq: 2147483648 INVITE\r\n", OH_E_RANGE, OH_HEADER_CSEQ, NULL},
    {VIA FROM TO CALL "CSeq: 36893488147419103232 INVITE\r\n", OH_E_RANGE, OH_HEADER_CSEQ, NULL},
    {VIA FROM TO CALL "CSeq: -1 INVITE\r\n", OH_E_SYNTAX, OH_HEADER_CSEQ, NULL},
    {VIA FROM TO CALL "CSeq: 1\r\n", OH_E_SYNTAX, OH_HEADER_CSEQ, NULL},
    {VIA FROM TO CALL "CSeq: 1INVITE\r\n", OH_E_SYNTAX, OH_HEADER_CSEQ, NULL},
    {VIA FROM TO CALL "CSeq: 1 INVITE x\r\n", OH_E_SYNTAX, OH_HEADER_CSEQ, NULL},
    {VIA FROM TO CALL "CSeq: INVITE 1\r\n", OH_E_SYNTAX, OH_HEADER_CSEQ, NULL},
    {VIA FROM TO CALL "CSeq: 1 BYE\r\n", OH_E_SYNTAX, OH_HEADER_CSEQ,
     "a CSeq method that is not the request's"},
    {VIA FROM TO CALL "CSeq: 1 invite\r\n", OH_E_SYNTAX, OH_HEADER_CSEQ, NULL},
    {CORE "Max-Forwards: 0\r\n", OH_OK, 0, NULL},
    {CORE "Max-Forwards: x\r\n", OH_E_SYNTAX, OH_HEADER_MAX_FORWARDS, NULL},
    {CORE "Max-Forwards:\r\n", OH_E_SYNTAX, OH_HEADER_MAX_FORWARDS, NULL},
    {CORE "Max-Forwards: -1\r\n", OH_E_SYNTAX, OH_HEADER_MAX_FORWARDS, NULL},
    {CORE "Date: nonsense\r\nContact: ((\r\nRetry-After: x\r\n", OH_OK, 0, NULL}, /* SYN-007 */
};

/* rows: SYN-007 SYN-008 SYN-009 SYN-010 SYN-011 */
static void check(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(checks); i++) {
        char text[1024];
        struct oh_msg m;
        struct oh_fault fault = {0};
        int rc;

        snprintf(text, sizeof(text), START "%s\r\n", checks[i].text);
        read_message(text, &m);
        rc = oh_msg_check(&m, &fault);
        if (rc != checks[i].code)
            fail_msg("%s: %d (%s)", checks[i].text, rc, fault.why);
        if (rc == OH_OK)
            continue;
        assert_int_equal(fault.code, rc);
        assert_int_equal(fault.header, checks[i].header);
        assert_true(fault.at <= m.raw.n);
        if (checks[i].why)
            assert_string_equal(fault.why, checks[i].why);
        assert_int_equal(oh_msg_fault_status(&fault), 400);
        assert_int_equal(oh_msg_check(&m, NULL), rc);
    }
}

/* Fields before the fault are there, those from the fault on are empty (SYN-009); but the sent-by
 * of a Via with broken parameters remains, to answer to. */
static void check_leaves(void **state)
{
    struct oh_msg m;

    (void)state;
    read_message(START VIA FROM "To: <sip:bad uri>\r\n" CALL CSEQ "\r\n", &m);
    assert_int_equal(oh_msg_check(&m, NULL), OH_E_SYNTAX);
    assert_true(m.via.cookie);
    assert_text(m.from_tag, "9fxced76sl");
    assert_null(m.to.uri.p);
    assert_null(m.to_uri.text.p);
    assert_null(m.call_id.p);
    assert_int_equal(m.max_forwards, -1);
    read_message(START "Via: SIP/2.0/UDP a;branch=\r\n" FROM TO CALL CSEQ "\r\n", &m);
    assert_int_equal(oh_msg_check(&m, NULL), OH_E_SYNTAX);
    assert_text(m.via.host, "a");
    assert_null(m.via.branch.p);
    assert_null(m.from.uri.p);
    read_message(START "Via: SIP/2.0/UDP a:b;branch=c\r\n" FROM TO CALL CSEQ "\r\n", &m);
    assert_int_equal(oh_msg_check(&m, NULL), OH_E_SYNTAX);
    assert_null(m.via.text.p);
    assert_null(m.via.host.p);
    read_message("INVITE <sip:a@b> SIP/2.0\r\n" CORE "\r\n", &m);
    assert_int_equal(oh_msg_check(&m, NULL), OH_E_SYNTAX);
    assert_int_equal(m.cseq, 2);
    assert_null(m.request_uri.text.p);
}

/* Max-Forwards above 255 counts as absent (SYN-012), and means nothing in a response. */
static void max_forwards(void **state)
{
    static const struct {
        const char *value;
        int32_t want;
    } cases[] = {{"0", 0},    {"0068", 68}, {"255", 255},
                 {"256", -1}, {"300", -1},  {"99999999999999999999", -1}};
    char text[1024];
    struct oh_msg m;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        snprintf(text, sizeof(text), START CORE "Max-Forwards: %s\r\n\r\n", cases[i].value);
        read_message(text, &m);
        assert_int_equal(oh_msg_check(&m, NULL), OH_OK);
        assert_int_equal(m.max_forwards, cases[i].want);
    }
    read_message("SIP/2.0 200 OK\r\n" CORE "Max-Forwards: x\r\n\r\n", &m);
    assert_int_equal(oh_msg_check(&m, NULL), OH_OK);
}

/* Both scanners say the same about a text, and read nothing outside it. */
static void compare_scans(struct oh_span text)
{
    static struct oh_msg a_msg, b_msg;
    struct oh_span exact = exact_copy(text);
    struct oh__scan a, b;
    enum oh__scan_result ra, rb;

    memset(&a_msg, 0, sizeof(a_msg));
    memset(&b_msg, 0, sizeof(b_msg));
    ra = oh__scan_scalar(exact.p, exact.n, &a_msg, &a);
    rb = oh__scan_avx2(exact.p, exact.n, &b_msg, &b);
    assert_int_equal(ra, rb);
    assert_int_equal(a.at, b.at);
    assert_int_equal(a.start_n, b.start_n);
    assert_int_equal(a.start_folded, b.start_folded);
    assert_ptr_equal(a.broken, b.broken);
    assert_int_equal(a.broken_at, b.broken_at);
    assert_memory_equal(&a_msg, &b_msg, sizeof(a_msg));
    exact_free(exact);
}

/* Random texts made of what matters to the scanners, of all lengths round their blocks. */
static void scans_agree(void **state)
{
    static const char alphabet[] = "\r\n\r\n \t::aZ-\\\"\0\x01\x1f\x7f\x80\xff~!@";
    struct oh__rng r = test_rng(1);

    (void)state;
    if (!oh__scan_has_avx2())
        skip();
    for (unsigned round = 0; round < 20000; round++) {
        char text[400];
        size_t n = (size_t)oh__rng_below(&r, sizeof(text));

        for (size_t i = 0; i < n; i++)
            text[i] = oh__rng_below(&r, 8) == 0 ? alphabet[oh__rng_below(&r, sizeof(alphabet) - 1)]
                                                : (char)('a' + oh__rng_below(&r, 26));
        /* Most random line ends would be faults, so half of the rounds mend them. */
        if (round & 1)
            for (size_t i = 0; i + 1 < n; i++) {
                if (text[i] == '\r')
                    text[i + 1] = '\n';
                else if (text[i + 1] == '\n' || text[i + 1] == '\0')
                    text[i + 1] = 'x';
            }
        compare_scans(oh_span(text, n));
    }
}

/* Rows that begin with names of the table, whole, in compact form, or spoilt. */
static void names_agree(void **state)
{
    struct oh__rng r = test_rng(2);

    (void)state;
    if (!oh__scan_has_avx2())
        skip();
    for (unsigned round = 0; round < 20000; round++) {
        char text[400];
        int n = snprintf(text, sizeof(text), "OPTIONS sip:a SIP/2.0\r\n");

        while (n < 340) {
            const struct oh_header_info *info = oh_header_info(
                (enum oh_header_id)oh__rng_below(&r, OH_HEADER_COUNT));
            char *row = text + n;

            if (oh__rng_below(&r, 4) == 0)
                n += snprintf(row, 40, "%c: 1\r\n", info->compact ? info->compact : 'h');
            else
                n += snprintf(row, 40, "%s: 1\r\n", info->name);
            if (oh__rng_below(&r, 4) == 0)
                row[oh__rng_below(&r, 8)] ^= (char)(1u << oh__rng_below(&r, 8));
        }
        compare_scans(oh_span(text, (size_t)n - oh__rng_below(&r, 40)));
    }
}

/* One known text at every distance from a block's border. */
static void scan_borders(void **state)
{
    static char text[1024];

    (void)state;
    if (!oh__scan_has_avx2())
        skip();
    for (size_t shift = 0; shift < 200; shift++) {
        int n = snprintf(text, sizeof(text), "INVITE %0*d\r\nA: b\r\nCc: d\r\n e\r\nF:\r\n\r\nbody",
                         (int)shift, 0);

        for (int cut = 0; cut < 12; cut++)
            compare_scans(oh_span(text, (size_t)(n - cut)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request),        cmocka_unit_test(rows),
        cmocka_unit_test(responses),      cmocka_unit_test(request_lines),
        cmocka_unit_test(content_length), cmocka_unit_test(broken_rows),
        cmocka_unit_test(long_names),     cmocka_unit_test(before_the_start),
        cmocka_unit_test(streams),        cmocka_unit_test(limits),
        cmocka_unit_test(too_many_rows),  cmocka_unit_test(check),
        cmocka_unit_test(check_leaves),   cmocka_unit_test(max_forwards),
        cmocka_unit_test(scans_agree),    cmocka_unit_test(names_agree),
        cmocka_unit_test(scan_borders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
