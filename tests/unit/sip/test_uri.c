/* URIs: what is taken, what is refused and where, equality, keys. */
#include <offhook/uri.h>

#include "sip_test.h"

static int parse(const char *text, struct oh_uri *u, struct oh_fault *fault)
{
    return oh_uri_parse(oh_span_str(text), u, fault);
}

/* Every field of URIs that are fine (SYN-018, SYN-021, SYN-029, SYN-034, SYN-035). */
static const struct {
    const char *text;
    uint8_t scheme;
    const char *user, *password, *host;
    unsigned port;
    const char *params, *headers;
    uint8_t family;
} good[] = {
    {"sip:bob@biloxi.example.com", OH_SCHEME_SIP, "bob", NULL, "biloxi.example.com", 0, "", "", 0},
    {"SIP:biloxi.example.com", OH_SCHEME_SIP, NULL, NULL, "biloxi.example.com", 0, "", "", 0},
    {"sips:a:b@h:5061;x=y;lr?s=t&u=", OH_SCHEME_SIPS, "a", "b", "h", 5061, "x=y;lr", "s=t&u=", 0},
    {"sip:a:@h", OH_SCHEME_SIP, "a", "", "h", 0, "", "", 0},
    {"sip:user;par=u%40example.net@example.com", OH_SCHEME_SIP, "user;par=u%40example.net", NULL,
     "example.com", 0, "", "", 0},
    {"sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too."
     "(doesn't-it)@example.com",
     OH_SCHEME_SIP, "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*",
     "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)", "example.com", 0, "", "", 0},
    {"sip:null-%00-null@example.com", OH_SCHEME_SIP, "null-%00-null", NULL, "example.com", 0, "",
     "", 0},
    {"sip:*21#@h", OH_SCHEME_SIP, "*21#", NULL, "h", 0, "", "", 0},
    {"sip:192.0.2.4:65535", OH_SCHEME_SIP, NULL, NULL, "192.0.2.4", 65535, "", "", 4},
    {"sip:[2001:db8::10:5070]", OH_SCHEME_SIP, NULL, NULL, "[2001:db8::10:5070]", 0, "", "", 6},
    {"sip:[2001:db8::10]:5070;lr", OH_SCHEME_SIP, NULL, NULL, "[2001:db8::10]", 5070, "lr", "", 6},
    {"sip:u@[::ffff:192.0.2.10]", OH_SCHEME_SIP, "u", NULL, "[::ffff:192.0.2.10]", 0, "", "", 6},
    {"sip:h.example.", OH_SCHEME_SIP, NULL, NULL, "h.example.", 0, "", "", 0},
    {"sip:3com.example", OH_SCHEME_SIP, NULL, NULL, "3com.example", 0, "", "", 0},
    {"sip:my_pbx-1", OH_SCHEME_SIP, NULL, NULL, "my_pbx-1", 0, "", "", 0},
    {"sip:h;%6cr;maddr=[2001:db8::1];x=%20", OH_SCHEME_SIP, NULL, NULL, "h", 0,
     "%6cr;maddr=[2001:db8::1];x=%20", "", 0},
    {"sip:h?Route=%3Csip:x%3E", OH_SCHEME_SIP, NULL, NULL, "h", 0, "", "Route=%3Csip:x%3E", 0},
    {"tel:+1-201-555-0123", OH_SCHEME_TEL, "+1-201-555-0123", NULL, NULL, 0, "", "", 0},
    {"tel:7042;phone-context=example.com", OH_SCHEME_TEL, "7042", NULL, NULL, 0,
     "phone-context=example.com", "", 0},
    {"tel:*21#;phone-context=+1", OH_SCHEME_TEL, "*21#", NULL, NULL, 0, "phone-context=+1", "", 0},
    {"tel:+(44).20", OH_SCHEME_TEL, "+(44).20", NULL, NULL, 0, "", "", 0},
    {"nobodyKnowsThisScheme:totallyopaquecontent", OH_SCHEME_OTHER, NULL, NULL, NULL, 0, "", "", 0},
    {"soap.beep://192.0.2.103:3002", OH_SCHEME_OTHER, NULL, NULL, NULL, 0, "", "", 0},
    {"urn:service:sos", OH_SCHEME_OTHER, NULL, NULL, NULL, 0, "", "", 0},
};

static void assert_part(struct oh_span got, const char *want)
{
    assert_text(got, want ? want : "");
}

static void parse_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        struct oh_span exact = exact_copy(oh_span_str(good[i].text));
        struct oh_fault fault = {0};
        struct oh_uri u;

        if (oh_uri_parse(exact, &u, &fault) != OH_OK)
            fail_msg("%s: %s at %u", good[i].text, fault.why, fault.at);
        assert_text(u.text, good[i].text);
        assert_int_equal(u.scheme, good[i].scheme);
        assert_part(u.user, good[i].user);
        assert_int_equal(u.has_user, good[i].user && good[i].scheme != OH_SCHEME_TEL);
        assert_part(u.password, good[i].password);
        assert_int_equal(u.password.p != NULL, good[i].password != NULL);
        assert_part(u.host, good[i].host);
        assert_int_equal(u.port, good[i].port);
        assert_part(u.params, good[i].params);
        assert_part(u.headers, good[i].headers);
        assert_int_equal(u.addr.family, good[i].family);
        assert_int_equal(u.addr.port, 0);
        exact_free(exact);
    }
}

/* What is refused, and the byte that the fault names (SYN-002, SYN-014, SYN-032, SYN-035). */
static const struct {
    const char *text;
    uint32_t at;
} bad[] = {
    {"", 0},
    {"sip", 3},
    {"sip:", 4},
    {":x", 0},
    {"<sip:user@example.com>", 0},
    {" sip:a@b", 0},
    {"sip:a@b ", 7},
    {"sip:a b@c", 5},
    {"sip:a\r\n b@c", 5},
    {"sip:@h", 4},
    {"sip:a@", 6},
    {"sip:a@b@c", 7},
    {"sip:a%4@b", 5},
    {"sip:a%zz@b", 5},
    {"sip:a%", 5},
    {"sip:a\"@b", 5},
    {"sip:\xc3\xa4@b", 4},
    {"sip:a:b:c@d", 7},
    {"sip:2001:db8::1", 4},
    {"sip:u@2001:db8::1", 6},
    {"sip:[2001:db8::1", 4},
    {"sip:[192.0.2.1]", 4},
    {"sip:[::g]", 4},
    {"sip:[]", 4},
    {"sip:[::1]x", 9},
    {"sip:1.2.3", 4},
    {"sip:1.2.3.256", 4},
    {"sip:pbx.1", 4},
    {"sip:a..b", 4},
    {"sip:.a", 4},
    {"sip:-a.b", 4},
    {"sip:a-.b", 4},
    {"sip:h:", 6},
    {"sip:h:0", 7},
    {"sip:h:65536", 11},
    {"sip:h:99999999999999999999", 26},
    {"sip:h:50a0", 8},
    {"sip:h:+5060", 6},
    {"sip:h;", 6},
    {"sip:h;;lr", 6},
    {"sip:h;=x", 6},
    {"sip:h;x=", 8},
    {"sip:h;x=y=z", 9},
    {"sip:h;lr;LR", 11},
    {"sip:h;x=<", 8},
    {"sip:h?", 6},
    {"sip:h?a", 7},
    {"sip:h?a=b=c", 9},
    {"sip:h?a=b&", 10},
    {"sip:h?a=b&&c=d", 10},
    {"sip:h#f", 5},
    {"sip:h/path", 5},
    {"tel:", 4},
    {"tel:+", 5},
    {"tel:--", 6},
    {"tel:+12a", 7},
    {"tel:12;", 7},
    {"http:", 5},
    {"http:a b", 6},
    {"http:a%q", 6},
    {"ht^tp:a", 2},
    {"1sip:h", 0},
};

static void parse_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct oh_span exact = exact_copy(oh_span_str(bad[i].text));
        struct oh_fault fault = {0};
        struct oh_uri u = {.port = 4711};

        if (oh_uri_parse(exact, &u, &fault) != OH_E_SYNTAX)
            fail_msg("'%s' was taken", bad[i].text);
        if (fault.at != bad[i].at)
            fail_msg("'%s': fault at %u (%s), want %u", bad[i].text, fault.at, fault.why,
                     bad[i].at);
        assert_non_null(fault.why);
        assert_int_equal(u.port, 4711); /* not written on failure */
        assert_int_equal(oh_uri_parse(exact, &u, NULL), OH_E_SYNTAX);
        exact_free(exact);
    }
}

/* A NUL is no end of text (SYN-018). */
static void nul(void **state)
{
    struct oh_uri u;

    (void)state;
    assert_int_equal(oh_uri_parse(OH_LIT("sip:a\0b@h"), &u, NULL), OH_E_SYNTAX);
    assert_int_equal(oh_uri_parse(OH_LIT("sip:a@h\0"), &u, NULL), OH_E_SYNTAX);
    assert_int_equal(oh_uri_parse(OH_LIT("x:\0"), &u, NULL), OH_E_SYNTAX);
}

/* SEC-004: the number of parameters is bounded, and checking them is not quadratic without end. */
static void many_params(void **state)
{
    char text[4096];
    size_t n = (size_t)snprintf(text, sizeof(text), "sip:h");
    struct oh_uri u;

    (void)state;
    for (int i = 0; i < 64; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, ";p%d", i);
    assert_int_equal(oh_uri_parse(oh_span(text, n), &u, NULL), OH_OK);
    n += (size_t)snprintf(text + n, sizeof(text) - n, ";last");
    assert_int_equal(oh_uri_parse(oh_span(text, n), &u, NULL), OH_E_SYNTAX);
}

/* Every prefix of every good URI, in a block that ends there. */
static void prefixes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        for (size_t n = 0; n < strlen(good[i].text); n++) {
            struct oh_span exact = exact_copy(oh_span(good[i].text, n));
            struct oh_uri u;

            if (oh_uri_parse(exact, &u, NULL) == OH_OK)
                assert_true(oh_uri_equal(&u, &u));
            exact_free(exact);
        }
}

/* SYN-027, SYN-034: RFC 3261 19.1.4 with all of its examples, RFC 3966 4, RFC 5118. */
static const struct {
    const char *a, *b;
    bool equal;
} pairs[] = {
    {"sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp", true},
    {"sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true},
    {"sip:carol@chicago.com", "sip:carol@chicago.com;security=on", true},
    {"sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on", true},
    {"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
     "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com", true},
    {"sip:alice@atlanta.com?subject=project%20x&priority=urgent",
     "sip:alice@atlanta.com?priority=urgent&subject=project%20x", true},
    {"SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", false},
    {"sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false},
    {"sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false},
    {"sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", false},
    {"sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false},
    {"sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false},
    {"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", false},
    {"sip:carol@chicago.com", "sip:carol@chicago.com;security=off", true},
    /* the rest of the rules */
    {"sip:a@x", "sips:a@x", false},
    {"sip:a@x", "sip:x", false},
    {"sip:a:p@x", "sip:a@x", false},
    {"sip:a:p@x", "sip:a:P@x", false},
    {"sip:a:p@x", "sip:a:%70@x", true},
    {"sip:a:@x", "sip:a@x", false},
    {"sip:a@x;ttl=1", "sip:a@x", false},
    {"sip:a@x;user=phone", "sip:a@x", false},
    {"sip:a@x;maddr=1.2.3.4", "sip:a@x", false},
    {"sip:a@x;method=INVITE", "sip:a@x", false},
    {"sip:a@x;%75ser=phone", "sip:a@x;USER=PHONE", true},
    {"sip:a@x;lr", "sip:a@x", true},
    {"sip:a@x;lr", "sip:a@x;lr=on", false},
    {"sip:a@x;p=1;q=2", "sip:a@x;Q=2;P=1", true},
    {"sip:a@x?h=1&h=1", "sip:a@x?h=1", false},
    {"sip:a@x?h=1&h=2", "sip:a@x?H=2&h=1", true},
    {"sip:a@x?h=1&h=1&h=2", "sip:a@x?h=1&h=2&h=2", false},
    {"sip:a@x?h=a", "sip:a@x?h=A", false},
    {"sip:a%00@x", "sip:a@x", false},
    {"sip:%00@x", "sip:%00%00@x", false},
    {"sip:a%2541@x", "sip:a%41@x", false},
    {"sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0:0:0:0:0:1]", true},
    {"sip:a@[2001:db8::1]", "sip:a@[2001:db8::2]", false},
    {"sip:a@[::ffff:192.0.2.1]", "sip:a@[::FFFF:c000:201]", true},
    {"sip:a@[2001:db8::10:5070]", "sip:a@[2001:db8::10]:5070", false},
    {"tel:+358-9-123-45678", "tel:+358912345678", true},
    {"tel:+358(9)123.45678;ext=1-2", "tel:+358912345678;EXT=12", true},
    {"tel:+1", "tel:1", false},
    {"tel:12;phone-context=A.com", "tel:12;phone-context=a.com", true},
    {"tel:12;phone-context=+1-2", "tel:12;phone-context=+12", true},
    {"tel:12;phone-context=a.com", "tel:12", false},
    {"tel:12;isub=1;ext=2", "tel:12;ext=2;isub=1", true},
    {"tel:aB", "tel:Ab", true},
    {"tel:123", "tel:1234", false},
    {"urn:service:sos", "urn:service:sos", true},
    {"urn:service:sos", "urn:service:SOS", false},
    {"sip:a1", "tel:a1", false},
};

/* rows: SYN-027 */
static void equality(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(pairs); i++) {
        struct oh_uri a, b;

        assert_int_equal(parse(pairs[i].a, &a, NULL), OH_OK);
        assert_int_equal(parse(pairs[i].b, &b, NULL), OH_OK);
        if (oh_uri_equal(&a, &b) != pairs[i].equal || oh_uri_equal(&b, &a) != pairs[i].equal)
            fail_msg("%s and %s: want %d", pairs[i].a, pairs[i].b, pairs[i].equal);
        assert_true(oh_uri_equal(&a, &a));
        assert_true(oh_uri_equal(&b, &b));
    }
}

static void params(void **state)
{
    struct oh_span value = {NULL, 0};
    struct oh_uri u;

    (void)state;
    assert_int_equal(parse("sip:h;Transport=TCP;%6cr;a=b%3bc", &u, NULL), OH_OK);
    assert_true(oh_uri_param(&u, OH_LIT("transport"), &value));
    assert_text(value, "TCP");
    assert_true(oh_uri_param(&u, OH_LIT("lr"), &value));
    assert_int_equal(value.n, 0);
    assert_true(oh_uri_param(&u, OH_LIT("A"), &value));
    assert_text(value, "b%3bc");
    assert_true(oh_uri_param(&u, OH_LIT("lr"), NULL));
    assert_false(oh_uri_param(&u, OH_LIT("l"), &value));
    assert_false(oh_uri_param(&u, OH_LIT("b"), &value));
    assert_int_equal(parse("sip:h", &u, NULL), OH_OK);
    assert_false(oh_uri_param(&u, OH_LIT("lr"), &value));
}

/* SYN-018: the key of a user; %00, an escaped escape and case stay apart. */
static void keys(void **state)
{
    static const struct {
        const char *uri, *key, *user;
    } cases[] = {
        {"sip:Bob@Biloxi.Example.COM", "Bob@biloxi.example.com", "Bob"},
        {"sips:bob:pw@h.example:5061;x=y?a=b", "bob@h.example", "bob"},
        {"sip:bob@h.example:5060", "bob@h.example", "bob"},
        {"sip:bob@h.example:5061", "bob@h.example:5061", "bob"},
        {"sip:%62ob@h.example.", "bob@h.example", "bob"},
        {"sip:a%2541@h", "a%2541@h", "a%41"},
        {"sip:a%20b@h", "a%20b@h", "a b"},
        {"sip:a%40b@h", "a@b@h", "a@b"},
        {"sip:h", "h", ""},
        {"sip:u@[2001:DB8:0::1]:5070", "u@[2001:db8::1]:5070", "u"},
        {"tel:+1-(201)-555.0123;ext=4", "+12015550123", "+1-(201)-555.0123"},
        {"urn:x:y", "urn:x:y", ""},
    };
    char text[128];
    struct oh_buf out;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct oh_uri u;

        assert_int_equal(parse(cases[i].uri, &u, NULL), OH_OK);
        oh_buf_init(&out, text, sizeof(text));
        oh_uri_aor(&u, &out);
        assert_text(oh_buf_view(&out), cases[i].key);
        oh_buf_init(&out, text, sizeof(text));
        oh_uri_user_decode(&u, &out);
        assert_text(oh_buf_view(&out), cases[i].user);
    }
}

static void nul_in_user(void **state)
{
    char text[64];
    struct oh_buf out;
    struct oh_uri u;

    (void)state;
    assert_int_equal(parse("sip:null-%00-null@example.com", &u, NULL), OH_OK);
    oh_buf_init(&out, text, sizeof(text));
    oh_uri_user_decode(&u, &out);
    assert_true(oh_span_eq(oh_buf_view(&out), OH_LIT("null-\0-null")));
    oh_buf_init(&out, text, sizeof(text));
    oh_uri_aor(&u, &out);
    assert_text(oh_buf_view(&out), "null-%00-null@example.com");
}

/* SYN-039: whatever bytes a user name has, what is written parses and decodes to them. */
static void put_user(void **state)
{
    char name[257], text[1024], back[512];
    struct oh_buf out, decoded;
    struct oh_uri u;

    (void)state;
    for (int c = 0; c < 256; c++)
        name[c] = (char)c;
    name[256] = '#';
    oh_buf_init(&out, text, sizeof(text));
    oh_buf_lit(&out, "sip:");
    oh_uri_put_user(&out, oh_span(name, sizeof(name)));
    oh_buf_lit(&out, "@h");
    assert_int_equal(oh_uri_parse(oh_buf_view(&out), &u, NULL), OH_OK);
    assert_int_equal(oh_span_find(oh_buf_view(&out), '#'), -1);
    oh_buf_init(&decoded, back, sizeof(back));
    oh_uri_user_decode(&u, &decoded);
    assert_true(oh_span_eq(oh_buf_view(&decoded), oh_span(name, sizeof(name))));
}

/* User and host of every length, alone and with room behind: no border of a vector matters. */
static void lengths(void **state)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklm";
    char text[256];
    struct oh_address a;
    struct oh_uri u;
    struct oh_msg m;

    (void)state;
    for (int user = 0; user < 64; user++)
        for (int host = 1; host < 64; host++) {
            int n = snprintf(text, sizeof(text), "sip:%.*s%s%.*s", user, letters, user ? "@" : "",
                             host, letters);

            assert_int_equal(oh_uri_parse(oh_span(text, (size_t)n), &u, NULL), OH_OK);
            assert_true(u.user.n == (size_t)user && u.host.n == (size_t)host);
            snprintf(text + n, sizeof(text) - (size_t)n, ";lr>, <sip:x>");
            memmove(text + 1, text, strlen(text) + 1);
            text[0] = '<';
            assert_int_equal(oh_address_decode(oh_span(text, (size_t)n + 5), &a, NULL), OH_OK);
            assert_int_equal(oh_uri_parse(a.uri, &u, NULL), OH_OK);
            assert_true(u.user.n == (size_t)user && u.host.n == (size_t)host && u.params.n == 2);
        }
    for (int user = 0; user < 64; user++)
        for (int host = 1; host < 64; host++) {
            struct oh_list it = {0};
            struct oh_msg_address next;

            snprintf(text, sizeof(text),
                     "OPTIONS sip:a SIP/2.0\r\nRoute: <sip:%.*s%s%.*s;lr>\r\nX: %s\r\n\r\n", user,
                     letters, user ? "@" : "", host, letters, letters);
            read_message(text, &m);
            assert_int_equal(oh_msg_address_next(&m, OH_HEADER_ROUTE, &it, &next, NULL), OH_OK);
            assert_true(next.uri.user.n == (size_t)user && next.uri.host.n == (size_t)host);
            assert_true(next.uri.has_user == (user > 0) && next.uri.params.n == 2);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths),     cmocka_unit_test(parse_good),  cmocka_unit_test(parse_bad),
        cmocka_unit_test(nul),         cmocka_unit_test(many_params), cmocka_unit_test(prefixes),
        cmocka_unit_test(equality),    cmocka_unit_test(params),      cmocka_unit_test(keys),
        cmocka_unit_test(nul_in_user), cmocka_unit_test(put_user),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
