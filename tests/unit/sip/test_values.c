/* Every typed header by tables: what a value means, how it is written, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <offhook/caller_prefs.h>
#include <offhook/date.h>
#include <offhook/disposition.h>
#include <offhook/event.h>
#include <offhook/identity.h>
#include <offhook/privacy.h>
#include <offhook/rack.h>
#include <offhook/reason.h>
#include <offhook/replaces.h>
#include <offhook/retry_after.h>
#include <offhook/session_expires.h>
#include <offhook/timestamp.h>
#include <offhook/warning.h>

#include "exact.h"
#include "rewrite.h"

/* written: NULL = as the input. */
static const struct {
    enum oh_header_id id;
    const char *input, *written;
} good[] = {
    {OH_HEADER_CONTENT_TYPE, "application/sdp", NULL},
    {OH_HEADER_CONTENT_TYPE, "multipart/mixed;boundary=\"a b\"", NULL},
    {OH_HEADER_CONTENT_TYPE, "text / plain ; charset = UTF-8", "text/plain; charset = UTF-8"},
    {OH_HEADER_CONTENT_TYPE, "text/plain\r\n ;charset=x", "text/plain;charset=x"},
    {OH_HEADER_ACCEPT, "*/*;q=0.1", NULL},
    {OH_HEADER_ACCEPT, "text/*", NULL},
    {OH_HEADER_ACCEPT_ENCODING, "gzip;q=1.0", NULL},
    {OH_HEADER_ACCEPT_LANGUAGE, "en-gb;q=0.8", NULL},
    {OH_HEADER_CONTENT_ENCODING, "gzip", NULL},
    {OH_HEADER_CONTENT_LANGUAGE, "fr", NULL},
    {OH_HEADER_SUPPORTED, "100rel", NULL},
    {OH_HEADER_PRIORITY, "non-urgent", NULL},
    {OH_HEADER_INFO_PACKAGE, "foo;bar=\"x;y\";flag", NULL},
    {OH_HEADER_SIP_ETAG, "dx200xyz", NULL},
    {OH_HEADER_RESOURCE_PRIORITY, "dsn.flash", NULL},
    {OH_HEADER_FEATURE_CAPS, "*;+sip.pns=\"acme\"", NULL},
    {OH_HEADER_REFER_SUB, "FALSE;x", "false"},
    {OH_HEADER_REFER_SUB, "true", NULL},
    {OH_HEADER_EVENT, "presence", NULL},
    {OH_HEADER_EVENT, "presence.winfo;id=7;x=y", NULL},
    {OH_HEADER_ALLOW_EVENTS, "a.b.c", NULL},
    {OH_HEADER_SUBSCRIPTION_STATE, "Active ; expires = 3599", "active;expires=3599"},
    {OH_HEADER_SUBSCRIPTION_STATE, "pending;expires=99999999999", "pending;expires=4294967295"},
    {OH_HEADER_SUBSCRIPTION_STATE, "terminated;retry-after=9;reason=probation",
     "terminated;reason=probation;retry-after=9"},
    {OH_HEADER_SUBSCRIPTION_STATE, "waiting;x=1", "waiting"},
    {OH_HEADER_CONTENT_DISPOSITION, "attachment;handling=required;filename=smime.p7", NULL},
    {OH_HEADER_REASON, "SIP;cause=200;text=\"Call completed \\\"elsewhere\\\"\"", NULL},
    {OH_HEADER_REASON, "Q.850 ;cause=16", "Q.850;cause=16"},
    {OH_HEADER_PRIVACY, "id", NULL},
    {OH_HEADER_PRIVACY, "user ; HEADER;foo", "header;user"},
    {OH_HEADER_PRIVACY, "id, critical", "critical;id"},
    {OH_HEADER_DATE, "Sat, 13 Nov 2010 23:29:00 GMT", NULL},
    {OH_HEADER_DATE, "Thu, 6 Feb 2014 15:02:03 GMT", "Thu, 06 Feb 2014 15:02:03 GMT"},
    {OH_HEADER_RETRY_AFTER, "18000;duration=3600", NULL},
    {OH_HEADER_RETRY_AFTER, "120 (I'm (really) in a \\) meeting);duration=60;x", NULL},
    {OH_HEADER_RETRY_AFTER, "0()", "0 ()"},
    {OH_HEADER_RETRY_AFTER, "9 (a\\\\)", NULL},
    {OH_HEADER_TIMESTAMP, "54.20 0.05", NULL},
    {OH_HEADER_TIMESTAMP, "54", NULL},
    {OH_HEADER_TIMESTAMP, "54.\t.5", "54. 0.5"},
    {OH_HEADER_WARNING, "307 isi.edu \"Session parameter 'foo' not \\\"understood\\\"\"", NULL},
    {OH_HEADER_WARNING, "301 [2001:db8::1]:5060  \"\"", "301 [2001:db8::1]:5060 \"\""},
    {OH_HEADER_RACK, "776656 1 INVITE", NULL},
    {OH_HEADER_RACK, "4294967295 \t 0  foo", "4294967295 0 foo"},
    {OH_HEADER_CALL_ID, "f81d4fae@foo.bar.com", NULL},
    {OH_HEADER_IN_REPLY_TO, "70710", NULL},
    {OH_HEADER_REPLACES, "98732@sip.example.com ;from-tag=r33th4x0r ;to-tag=ff87ff",
     "98732@sip.example.com;to-tag=ff87ff;from-tag=r33th4x0r"},
    {OH_HEADER_REPLACES, "a;to-tag=1;from-tag=0;early-only", NULL},
    {OH_HEADER_JOIN, "7@c.example.org;to-tag=xyz;from-tag=pdq", NULL},
    {OH_HEADER_TARGET_DIALOG, "fa77as@host;remote-tag=6544;local-tag=kkaz-",
     "fa77as@host;local-tag=kkaz-;remote-tag=6544"},
    {OH_HEADER_SESSION_EXPIRES, "4000;Refresher=UAC", "4000;refresher=uac"},
    {OH_HEADER_SESSION_EXPIRES, "90;x;refresher=uas", "90;refresher=uas"},
    {OH_HEADER_MIN_SE, "3600;lr", NULL},
    {OH_HEADER_EXPIRES, "0", NULL},
    {OH_HEADER_EXPIRES, "99999999999", "4294967295"},
    {OH_HEADER_RSEQ, "988789", NULL},
    {OH_HEADER_ALERT_INFO, "<http://www.example.com/sounds/moo.wav>", NULL},
    {OH_HEADER_CALL_INFO, "<cid:1@a>; purpose=icon", "<cid:1@a>; purpose=icon"},
    {OH_HEADER_ERROR_INFO, "<sip:not-in-service-recording@atlanta.com>", NULL},
    {OH_HEADER_ACCEPT_CONTACT, "*;audio;require;mobility=\"fixed\"", NULL},
    {OH_HEADER_REJECT_CONTACT, "* ;actor=\"msg-taker\"", "*;actor=\"msg-taker\""},
    {OH_HEADER_REQUEST_DISPOSITION, "Proxy,no-fork , foo,queue", "proxy, no-fork, queue"},
    {OH_HEADER_MIME_VERSION, "1.0", NULL},
    {OH_HEADER_IDENTITY, "eyJhbGciOi.J9-_=+/;info=<https://biloxi.example.org/biloxi.cer>", NULL},
    {OH_HEADER_IDENTITY, "..x; info = <https://a> ;x=\"y\";PPT=shaken;alg=ES256",
     "..x;info=<https://a>;alg=ES256;ppt=\"shaken\""},
    {OH_HEADER_IDENTITY, "a;info=<b:c>;alg=\"x y\"", NULL},
};

static const struct {
    enum oh_header_id id;
    const char *input;
    int code;
} bad[] = {
    {OH_HEADER_CONTENT_TYPE, "", OH_E_SYNTAX},
    {OH_HEADER_CONTENT_TYPE, "application", OH_E_SYNTAX},
    {OH_HEADER_CONTENT_TYPE, "application/", OH_E_SYNTAX},
    {OH_HEADER_CONTENT_TYPE, "/sdp", OH_E_SYNTAX},
    {OH_HEADER_CONTENT_TYPE, "application/sdp x", OH_E_SYNTAX},
    {OH_HEADER_CONTENT_TYPE, "application/*", OH_E_SYNTAX},
    {OH_HEADER_CONTENT_TYPE, "a/b;c=1;C=2", OH_E_DUPLICATE},
    {OH_HEADER_CONTENT_TYPE, "a/b;c=\"", OH_E_SYNTAX},
    {OH_HEADER_CONTENT_TYPE, "a/b\r\nX: y", OH_E_SYNTAX},
    {OH_HEADER_ACCEPT, "*/sdp", OH_E_SYNTAX},
    {OH_HEADER_ACCEPT, "a/b;q=1.1", OH_E_SYNTAX},
    {OH_HEADER_ACCEPT, "a/b;q=2", OH_E_SYNTAX},
    {OH_HEADER_ACCEPT, "a/b;q=0.1234", OH_E_SYNTAX},
    {OH_HEADER_ACCEPT, "a/b;q", OH_E_SYNTAX},
    {OH_HEADER_SUPPORTED, "a b", OH_E_SYNTAX},
    {OH_HEADER_PRIORITY, "(urgent)", OH_E_SYNTAX},
    {OH_HEADER_REFER_SUB, "yes", OH_E_SYNTAX},
    {OH_HEADER_EVENT, "presence.", OH_E_SYNTAX},
    {OH_HEADER_EVENT, ".presence", OH_E_SYNTAX},
    {OH_HEADER_EVENT, "a..b", OH_E_SYNTAX},
    {OH_HEADER_EVENT, "refer;id", OH_E_SYNTAX},
    {OH_HEADER_EVENT, "refer;id=\"a b\"", OH_E_SYNTAX},
    {OH_HEADER_EVENT, "refer;id=1;id=1", OH_E_DUPLICATE},
    {OH_HEADER_SUBSCRIPTION_STATE, "active;expires=(soon)", OH_E_SYNTAX},
    {OH_HEADER_SUBSCRIPTION_STATE, "active;expires=-1", OH_E_SYNTAX},
    {OH_HEADER_SUBSCRIPTION_STATE, "active;expires", OH_E_SYNTAX},
    {OH_HEADER_SUBSCRIPTION_STATE, "terminated;reason", OH_E_SYNTAX},
    {OH_HEADER_SUBSCRIPTION_STATE, "terminated;reason=\"a b\"", OH_E_SYNTAX},
    {OH_HEADER_SUBSCRIPTION_STATE, "terminated;retry-after=x", OH_E_SYNTAX},
    {OH_HEADER_REASON, "SIP;cause=x", OH_E_SYNTAX},
    {OH_HEADER_REASON, "SIP;cause=65536", OH_E_RANGE},
    {OH_HEADER_PRIVACY, "", OH_E_SYNTAX},
    {OH_HEADER_PRIVACY, "id;", OH_E_SYNTAX},
    {OH_HEADER_PRIVACY, "id header", OH_E_SYNTAX},
    {OH_HEADER_DATE, "Fri, 01 Jan 2010 16:00:00 EST", OH_E_SYNTAX},
    {OH_HEADER_DATE, "Fri, 01 Jan 2010 16:00:00 gmt", OH_E_SYNTAX},
    {OH_HEADER_DATE, "fri, 01 Jan 2010 16:00:00 GMT", OH_E_SYNTAX},
    {OH_HEADER_DATE, "Fri 01 Jan 2010 16:00:00 GMT", OH_E_SYNTAX},
    {OH_HEADER_DATE, "Fri, 01 Jan 10 16:00:00 GMT", OH_E_SYNTAX},
    {OH_HEADER_DATE, "Fri, 01 Foo 2010 16:00:00 GMT", OH_E_SYNTAX},
    {OH_HEADER_DATE, "Fri, 01 Jan 2010 6:00:00 GMT", OH_E_SYNTAX},
    {OH_HEADER_DATE, "Fri, 32 Jan 2010 16:00:00 GMT", OH_E_RANGE},
    {OH_HEADER_DATE, "Fri, 00 Jan 2010 16:00:00 GMT", OH_E_RANGE},
    {OH_HEADER_DATE, "Fri, 29 Feb 2100 16:00:00 GMT", OH_E_RANGE},
    {OH_HEADER_DATE, "Fri, 01 Jan 2010 24:00:00 GMT", OH_E_RANGE},
    {OH_HEADER_DATE, "Fri, 01 Jan 2010 23:60:00 GMT", OH_E_RANGE},
    {OH_HEADER_DATE, "Fri, 01 Jan 2010 23:59:61 GMT", OH_E_RANGE},
    {OH_HEADER_RETRY_AFTER, "", OH_E_SYNTAX},
    {OH_HEADER_RETRY_AFTER, "-5", OH_E_SYNTAX},
    {OH_HEADER_RETRY_AFTER, "5 (x", OH_E_SYNTAX},
    {OH_HEADER_RETRY_AFTER, "5 (x\\)", OH_E_SYNTAX},
    {OH_HEADER_RETRY_AFTER, "5 (x) y", OH_E_SYNTAX},
    {OH_HEADER_RETRY_AFTER, "5;duration=x", OH_E_SYNTAX},
    {OH_HEADER_RETRY_AFTER, "5;duration", OH_E_SYNTAX},
    {OH_HEADER_TIMESTAMP, "", OH_E_SYNTAX},
    {OH_HEADER_TIMESTAMP, ".5", OH_E_SYNTAX},
    {OH_HEADER_TIMESTAMP, "5 x", OH_E_SYNTAX},
    {OH_HEADER_TIMESTAMP, "5 .", OH_E_SYNTAX},
    {OH_HEADER_TIMESTAMP, "5x", OH_E_SYNTAX},
    {OH_HEADER_TIMESTAMP, "5 6 7", OH_E_SYNTAX},
    {OH_HEADER_WARNING, "30 a \"b\"", OH_E_SYNTAX},
    {OH_HEADER_WARNING, "0300 a \"b\"", OH_E_SYNTAX},
    {OH_HEADER_WARNING, "099 a \"b\"", OH_E_SYNTAX},
    {OH_HEADER_WARNING, "300a \"b\"", OH_E_SYNTAX},
    {OH_HEADER_WARNING, "300 a b", OH_E_SYNTAX},
    {OH_HEADER_WARNING, "300 \"b\"", OH_E_SYNTAX},
    {OH_HEADER_WARNING, "300 a \"b\" c", OH_E_SYNTAX},
    {OH_HEADER_RACK, "1 INVITE", OH_E_SYNTAX},
    {OH_HEADER_RACK, "1 2", OH_E_SYNTAX},
    {OH_HEADER_RACK, "1 2 ", OH_E_SYNTAX},
    {OH_HEADER_RACK, "1 2 INVITE x", OH_E_SYNTAX},
    {OH_HEADER_RACK, "4294967296 2 INVITE", OH_E_RANGE},
    {OH_HEADER_CALL_ID, "", OH_E_SYNTAX},
    {OH_HEADER_CALL_ID, "a@", OH_E_SYNTAX},
    {OH_HEADER_CALL_ID, "a@b@c", OH_E_SYNTAX},
    {OH_HEADER_CALL_ID, "a b", OH_E_SYNTAX},
    {OH_HEADER_REPLACES, "a;to-tag=1", OH_E_ABSENT},
    {OH_HEADER_REPLACES, "a;from-tag=1", OH_E_ABSENT},
    {OH_HEADER_REPLACES, "a;from-tag=1;to-tag", OH_E_ABSENT},
    {OH_HEADER_REPLACES, "a;from-tag=1;to-tag=1;to-tag=2", OH_E_DUPLICATE},
    {OH_HEADER_REPLACES, ";from-tag=1;to-tag=1", OH_E_SYNTAX},
    {OH_HEADER_REPLACES, "a;from-tag=1;to-tag=\"a b\"", OH_E_SYNTAX},
    {OH_HEADER_JOIN, "a", OH_E_ABSENT},
    {OH_HEADER_TARGET_DIALOG, "a;local-tag=1", OH_E_ABSENT},
    {OH_HEADER_SESSION_EXPIRES, "90;refresher=me", OH_E_SYNTAX},
    {OH_HEADER_SESSION_EXPIRES, "x", OH_E_SYNTAX},
    {OH_HEADER_MIN_SE, "", OH_E_SYNTAX},
    {OH_HEADER_MIN_SE, "90 1", OH_E_SYNTAX},
    {OH_HEADER_ALERT_INFO, "http://a", OH_E_SYNTAX},
    {OH_HEADER_ALERT_INFO, "<http://a", OH_E_SYNTAX},
    {OH_HEADER_ALERT_INFO, "<>", OH_E_SYNTAX},
    {OH_HEADER_ALERT_INFO, "<a>", OH_E_SYNTAX},
    {OH_HEADER_ALERT_INFO, "<http:>", OH_E_SYNTAX},
    {OH_HEADER_ALERT_INFO, "<http://a b>", OH_E_SYNTAX},
    {OH_HEADER_ALERT_INFO, "<http://a>x", OH_E_SYNTAX},
    {OH_HEADER_ACCEPT_CONTACT, "audio", OH_E_SYNTAX},
    {OH_HEADER_ACCEPT_CONTACT, "*;audio;AUDIO", OH_E_DUPLICATE},
    {OH_HEADER_REQUEST_DISPOSITION, "fork, no-fork", OH_E_DUPLICATE},
    {OH_HEADER_REQUEST_DISPOSITION, "queue,no-queue", OH_E_DUPLICATE},
    {OH_HEADER_REQUEST_DISPOSITION, "fork,", OH_E_SYNTAX},
    {OH_HEADER_REQUEST_DISPOSITION, "fork proxy", OH_E_SYNTAX},
    {OH_HEADER_MIME_VERSION, "1", OH_E_SYNTAX},
    {OH_HEADER_MIME_VERSION, "1.", OH_E_SYNTAX},
    {OH_HEADER_MIME_VERSION, "1.0x", OH_E_SYNTAX},
    {OH_HEADER_MIME_VERSION, "65536.0", OH_E_RANGE},
    {OH_HEADER_IDENTITY, "\"abc\"", OH_E_UNSUPPORTED},
    {OH_HEADER_IDENTITY, ";info=<https://a>", OH_E_SYNTAX},
    {OH_HEADER_IDENTITY, "abc", OH_E_ABSENT},
    {OH_HEADER_IDENTITY, "abc;info=https://a", OH_E_SYNTAX},
    {OH_HEADER_IDENTITY, "abc;info=<https://a>;alg=", OH_E_SYNTAX},
    {OH_HEADER_IDENTITY, "abc;info=<https://a>;info=<https://b>", OH_E_DUPLICATE},
    {OH_HEADER_IDENTITY, "abc info=<https://a>", OH_E_SYNTAX},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void good_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        const char *want = good[i].written ? good[i].written : good[i].input;
        char text[256], again[256];
        struct oh_buf b, c;
        int rc;

        oh_buf_init(&b, text, sizeof(text));
        rc = rewrite(good[i].id, oh_span_str(good[i].input), &b, NULL);
        if (rc != OH_OK)
            fail_msg("'%s' gave %s", good[i].input, oh_error_name(rc));
        if (!oh_span_eq(oh_buf_view(&b), oh_span_str(want)))
            fail_msg("'%s' was written '%.*s'", good[i].input, OH_PRI(oh_buf_view(&b)));
        /* What was written means the same. */
        oh_buf_init(&c, again, sizeof(again));
        assert_int_equal(rewrite(good[i].id, oh_buf_view(&b), &c, NULL), OH_OK);
        assert_true(oh_span_eq(oh_buf_view(&b), oh_buf_view(&c)));
    }
}

static void bad_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct oh_fault fault = {0};
        char text[256];
        struct oh_buf b;
        int rc;

        oh_buf_init(&b, text, sizeof(text));
        rc = rewrite(bad[i].id, oh_span_str(bad[i].input), &b, &fault);
        if (rc != bad[i].code)
            fail_msg("'%s' gave %s", bad[i].input, oh_error_name(rc));
        assert_int_equal(fault.code, rc);
        assert_non_null(fault.why);
        assert_in_range(fault.at, 0, strlen(bad[i].input));
    }
}

/* Every beginning of every case, in a block that ends where it ends, and every size of buffer. */
static void truncations(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good) + COUNT(bad); i++) {
        enum oh_header_id id = i < COUNT(good) ? good[i].id : bad[i - COUNT(good)].id;
        struct oh_span all = oh_span_str(i < COUNT(good) ? good[i].input
                                                         : bad[i - COUNT(good)].input);

        for (size_t n = 0; n <= all.n; n++) {
            struct oh_span cut = exact_copy(oh_span_head(all, n));
            struct oh_span room = exact_copy(oh_span_head(all, n));
            struct oh_buf b;

            oh_buf_init(&b, (char *)room.p, n);
            (void)rewrite(id, cut, &b, NULL);
            exact_free(cut);
            exact_free(room);
        }
    }
}

/* rows: SYN-037 */
static void dates(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } cases[] = {
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Wed, 31 Dec 1969 23:59:59 GMT", -1},
        {"Sat, 13 Nov 2010 23:29:00 GMT", 1289690940},
        {"Tue, 29 Feb 2000 12:00:00 GMT", 951825600},
        {"Wed, 01 Mar 2000 00:00:00 GMT", 951868800},
        {"Thu, 31 Dec 2020 23:59:59 GMT", 1609459199},
        {"Tue, 19 Jan 2038 03:14:08 GMT", 2147483648},
        {"Mon, 01 Mar 2100 00:00:00 GMT", 4107542400},
        {"Fri, 31 Dec 9999 23:59:59 GMT", 253402300799},
        {"Sat, 01 Jan 0000 00:00:00 GMT", -62167219200},
    };
    int64_t seconds;
    char text[32];
    struct oh_buf b;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(oh_date_decode(oh_span_str(cases[i].text), &seconds, NULL), OH_OK);
        if (seconds != cases[i].seconds)
            fail_msg("%s gave %lld", cases[i].text, (long long)seconds);
        oh_buf_init(&b, text, sizeof(text));
        assert_int_equal(oh_date_put(&b, cases[i].seconds), OH_OK);
        if (!oh_span_eq(oh_buf_view(&b), oh_span_str(cases[i].text)))
            fail_msg("%s was written %.*s", cases[i].text, OH_PRI(oh_buf_view(&b)));
    }
    /* A leap second is the second before; another day of the week is not looked at. */
    assert_int_equal(oh_date_decode(OH_LIT("Mon, 31 Dec 2016 23:59:60 GMT"), &seconds, NULL),
                     OH_OK);
    assert_int_equal(seconds, 1483228799);
    assert_int_equal(oh_date_put(&b, 253402300800), OH_E_RANGE);
    assert_int_equal(oh_date_put(&b, -62167219201), OH_E_RANGE);
    /* Every month's ends over four centuries, by way of the inverse. */
    for (int64_t s = -6 * 3600; s < (int64_t)146097 * 86400; s += 7 * 86400 + 3671) {
        int64_t back;

        oh_buf_init(&b, text, sizeof(text));
        assert_int_equal(oh_date_put(&b, s), OH_OK);
        assert_int_equal(oh_date_decode(oh_buf_view(&b), &back, NULL), OH_OK);
        assert_true(back == s);
    }
}

static void members(void **state)
{
    struct oh_subscription_state sub;
    struct oh_disposition d;
    struct oh_reason r;
    struct oh_retry_after after;
    struct oh_timestamp t;
    struct oh_rack rack;
    struct oh_replaces rep;
    struct oh_contact_pref pref;
    struct oh_media sdp = {OH_LIT("Application"), OH_LIT("SDP"), {NULL, 0}};
    unsigned set;

    (void)state;
    assert_int_equal(oh_subscription_state_decode(OH_LIT("terminated;reason=timeout"), &sub, NULL),
                     0);
    assert_int_equal(sub.state, OH_SUB_TERMINATED);
    assert_true(oh_span_eq(sub.reason, OH_LIT("timeout")));
    assert_false(sub.has_expires || sub.has_retry_after);

    assert_int_equal(oh_disposition_decode(OH_LIT("render;handling=OPTIONAL"), &d, NULL), OH_OK);
    assert_false(d.required);
    assert_int_equal(oh_disposition_decode(OH_LIT("render;handling=whatever"), &d, NULL), OH_OK);
    assert_true(d.required);
    oh_disposition_default(&sdp, &d);
    assert_true(d.required && oh_span_eq(d.type, OH_LIT("session")));
    sdp.subtype = OH_LIT("xml");
    oh_disposition_default(&sdp, &d);
    assert_true(d.required && oh_span_eq(d.type, OH_LIT("render")));

    assert_int_equal(oh_reason_decode(OH_LIT("SIP;cause=580;text=\"a\\\"b\""), &r, NULL), OH_OK);
    assert_true(r.has_cause && r.cause == 580 && oh_span_eq(r.text, OH_LIT("a\\\"b")));

    assert_int_equal(oh_retry_after_decode(OH_LIT("5 (a(b)c) ;duration=60"), &after, NULL), OH_OK);
    assert_true(after.seconds == 5 && after.has_duration && after.duration == 60);
    assert_true(oh_span_eq(after.comment, OH_LIT("a(b)c")));

    assert_int_equal(oh_timestamp_decode(OH_LIT("54.1234567 0.05"), &t, NULL), OH_OK);
    assert_true(t.us == 54123456 && t.has_delay && t.delay_us == 50000);
    assert_int_equal(oh_timestamp_decode(OH_LIT("99999999999999999999999"), &t, NULL), OH_OK);
    assert_true(t.us == UINT64_MAX);

    assert_int_equal(oh_rack_decode(OH_LIT("7 8 PRACK"), &rack, NULL), OH_OK);
    assert_true(rack.rseq == 7 && rack.cseq == 8 && rack.method == OH_METHOD_PRACK);

    assert_int_equal(oh_replaces_decode(OH_LIT("a@b;from-tag=f;to-tag=t;early-only"), &rep, NULL),
                     0);
    assert_true(rep.early_only && oh_span_eq(rep.to_tag, OH_LIT("t")));
    assert_true(oh_span_eq(rep.from_tag, OH_LIT("f")) && oh_span_eq(rep.call_id, OH_LIT("a@b")));

    assert_int_equal(oh_contact_pref_decode(OH_LIT("*;video;require;explicit;x=1"), &pref, NULL),
                     0);
    assert_true(pref.require && pref.explicit_match);

    assert_int_equal(oh_privacy_decode(OH_LIT("id;foo;none"), &set, NULL), OH_OK);
    assert_int_equal(set, OH_PRIVACY_ID | OH_PRIVACY_OTHER | OH_PRIVACY_NONE);
    set = OH_DIRECTIVE_FORK;
    assert_int_equal(oh_request_disposition_decode(OH_LIT("no-fork"), &set, NULL), OH_E_DUPLICATE);
    assert_int_equal(set, OH_DIRECTIVE_FORK);
}

static void features(void **state)
{
    struct oh_span rest = OH_LIT(";require;audio;explicit;mobility=\"fixed\"");
    struct oh_param p;

    (void)state;
    assert_int_equal(oh_feature_next(&rest, &p), OH_OK);
    assert_true(oh_span_eq(p.name, OH_LIT("audio")) && !p.value.p);
    assert_int_equal(oh_feature_next(&rest, &p), OH_OK);
    assert_true(oh_span_eq(p.value, OH_LIT("fixed")));
    assert_int_equal(oh_feature_next(&rest, &p), OH_E_ABSENT);
}

static void events(void **state)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        {"refer;id=1", "refer;id=1;x=2", true}, {"refer", "refer", true},
        {"refer;id=1", "refer;id=2", false},    {"refer;id=1", "refer", false},
        {"refer;id=a", "refer;id=A", false},    {"presence", "Presence", false},
        {"presence", "presence.winfo", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct oh_event a, b;

        assert_int_equal(oh_event_decode(oh_span_str(cases[i].a), &a, NULL), OH_OK);
        assert_int_equal(oh_event_decode(oh_span_str(cases[i].b), &b, NULL), OH_OK);
        assert_int_equal(oh_event_equal(&a, &b), cases[i].equal);
    }
}

/* Values of our own, without a received text behind them. */
static void built(void **state)
{
    char text[256];
    struct oh_buf b;
    struct oh_event e = {.type = OH_LIT("refer"), .id = OH_LIT("93")};
    struct oh_reason r = {.protocol = OH_LIT("SIP"),
                          .has_cause = true,
                          .cause = 487,
                          .text = OH_LIT("no \"one\"\r\nX: y")};
    struct oh_retry_after after = {
        .seconds = 7, .comment = OH_LIT("a)b\n"), .has_duration = true, .duration = 8};
    struct oh_timestamp t = {.us = 1500000, .has_delay = true, .delay_us = 20};
    struct oh_rack rack = {1, 2, OH_METHOD_INVITE, {NULL, 0}};
    struct oh_disposition d = {OH_LIT("session"), {NULL, 0}, false};
    struct oh_contact_pref pref = {{NULL, 0}, true, true};
    struct oh_warning w = {399, OH_LIT("a\r\n"), OH_LIT("back\\")};

    (void)state;
    oh_buf_init(&b, text, sizeof(text));
    oh_event_put(&b, &e);
    oh_buf_char(&b, '|');
    oh_reason_put(&b, &r);
    oh_buf_char(&b, '|');
    oh_retry_after_put(&b, &after);
    oh_buf_char(&b, '|');
    oh_timestamp_put(&b, &t);
    oh_buf_char(&b, '|');
    oh_rack_put(&b, &rack);
    oh_buf_char(&b, '|');
    oh_disposition_put(&b, &d);
    oh_buf_char(&b, '|');
    oh_contact_pref_put(&b, &pref);
    oh_buf_char(&b, '|');
    oh_warning_put(&b, &w);
    assert_int_equal(oh_buf_error(&b), OH_OK);
    oh_buf_char(&b, '\0');
    assert_string_equal(text, "refer;id=93|SIP;cause=487;text=\"no \\\"one\\\"X: y\"|"
                              "7 (a\\)b);duration=8|1.5 0.00002|1 2 INVITE|"
                              "session;handling=optional|*;require;explicit|399 a \"back\\\\\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_values), cmocka_unit_test(bad_values), cmocka_unit_test(truncations),
        cmocka_unit_test(dates),       cmocka_unit_test(members),    cmocka_unit_test(features),
        cmocka_unit_test(events),      cmocka_unit_test(built),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
