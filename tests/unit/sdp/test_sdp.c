/* Session descriptions: what parses, what is refused and where, what can be asked and written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <offhook/sdp.h>

#include "corpus_walk.h"
#include "exact.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define HEAD     "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n"
#define HEAD_N   (sizeof(HEAD) - 1)
#define START_N  (sizeof(START) - 1)
#define START    HEAD "t=0 0\r\n"

static const char offer[] = "v=0\r\n"
                            "o=alice 2890844526 18446744073709551615 IN IP4 host.example.com\r\n"
                            "s= \r\n"
                            "i=A talk\r\n"
                            "u=http://example.com/x\r\n"
                            "e=j@example.com (Jane)\r\n"
                            "p=+1 617 555-6011\r\n"
                            "c=IN IP4 0.0.0.0\r\n"
                            "b=X-YZ:128\r\n"
                            "t=3034423619 3042462419\r\n"
                            "r=7d 1h 0 25h\r\n"
                            "z=3730928400 -1h 3749680800 0\r\n"
                            "t=0 0\r\n"
                            "k=clear:secret\r\n"
                            "a=sendonly\r\n"
                            "a=tool:x\r\n"
                            "m=audio 49170/2 RTP/AVP 0 96 97 18 101\r\n"
                            "i=title\r\n"
                            "c=IN IP6 2001:db8::1\r\n"
                            "b=AS:64\r\n"
                            "a=rtpmap:96 opus/48000/2\r\n"
                            "a=rtpmap:97 broken\r\n"
                            "a=fmtp:96 useinbandfec=1; a=b c\r\n"
                            "a=recvonly\r\n"
                            "a=x:1\r\n"
                            "a=x:2\r\n"
                            "m=video 0 UDP/TLS/RTP/SAVPF 31\r\n"
                            "c=IN IP4 224.2.1.1/127/3\r\n"
                            "c=IN IP4 224.2.1.4/127\r\n"
                            "m=image 5000 udptl t38\r\n";

/* Parses text that must be good. */
static struct oh_sdp *parsed(struct oh_span text)
{
    struct oh_sdp *s = malloc(sizeof(*s));
    struct oh_sdp_fault f = {0};

    if (oh_sdp_parse(text, s, &f) != OH_OK)
        fail_msg("line %u: %s", f.line, f.why);
    return s;
}

static void assert_text(struct oh_span got, const char *want)
{
    if (!oh_span_eq(got, oh_span_str(want)))
        fail_msg("got '%.*s', want '%s'", OH_PRI(got), want);
}

static void everything(void **state)
{
    struct oh_sdp *s = parsed(oh_span_str(offer));

    (void)state;
    assert_text(s->origin.username, "alice");
    assert_text(s->origin.sess_id, "2890844526");
    assert_true(s->origin.version == UINT64_MAX);
    assert_text(s->origin.nettype, "IN");
    assert_text(s->origin.addrtype, "IP4");
    assert_text(s->origin.address, "host.example.com");
    assert_text(s->name, " ");
    assert_true(s->start == 3034423619u && s->stop == 3042462419u);
    assert_int_equal(s->section.n, 16);
    assert_int_equal(s->media_n, 3);
    assert_text(s->media[0].media, "audio");
    assert_int_equal(s->media[0].port, 49170);
    assert_int_equal(s->media[0].ports, 2);
    assert_text(s->media[0].proto, "RTP/AVP");
    assert_text(s->media[0].formats, "0 96 97 18 101");
    assert_int_equal(s->media[0].section.n, 9);
    assert_int_equal(s->media[1].port, 0);
    assert_int_equal(s->media[1].ports, 1);
    assert_text(s->media[1].proto, "UDP/TLS/RTP/SAVPF");
    assert_int_equal(s->media[1].section.n, 2);
    assert_int_equal(s->media[2].section.n, 0);
    free(s);
}

static void attributes(void **state)
{
    struct oh_sdp *s = parsed(oh_span_str(offer));
    const struct oh_sdp_line *line;
    struct oh_span value;

    (void)state;
    line = oh_sdp_attribute(s, 0, OH_LIT("x"), NULL, &value);
    assert_text(value, "1");
    line = oh_sdp_attribute(s, 0, OH_LIT("x"), line, &value);
    assert_text(value, "2");
    assert_null(oh_sdp_attribute(s, 0, OH_LIT("x"), line, NULL));
    assert_null(oh_sdp_attribute(s, 0, OH_LIT("tool"), NULL, NULL));
    assert_non_null(oh_sdp_attribute(s, OH_SDP_SESSION, OH_LIT("tool"), NULL, NULL));
    assert_null(oh_sdp_attribute(s, OH_SDP_SESSION, OH_LIT("TOOL"), NULL, NULL));
    assert_null(oh_sdp_attribute(s, 2, OH_LIT("x"), NULL, NULL));
    assert_null(oh_sdp_attribute(s, 3, OH_LIT("x"), NULL, NULL));
    assert_null(oh_sdp_attribute(s, -2, OH_LIT("x"), NULL, NULL));
    line = oh_sdp_attribute(s, 0, OH_LIT("recvonly"), NULL, &value);
    assert_non_null(line);
    assert_null(value.p);
    assert_text(oh_sdp_attribute_of(s, line).name, "recvonly");
    line = oh_sdp_line_next(s, OH_SDP_SESSION, 't', NULL);
    line = oh_sdp_line_next(s, OH_SDP_SESSION, 't', line);
    assert_text(oh_sdp_line_value(s, line), "0 0");
    assert_null(oh_sdp_line_next(s, OH_SDP_SESSION, 't', line));
    free(s);
}

static void formats(void **state)
{
    struct oh_sdp *s = parsed(oh_span_str(offer));
    struct oh_span rest = s->media[0].formats, format, params;
    struct oh_sdp_rtpmap map;
    unsigned n = 0;

    (void)state;
    while (oh_sdp_format_next(&rest, &format) == OH_OK)
        n++;
    assert_int_equal(n, 5);
    assert_text(format, "101");
    assert_int_equal(oh_sdp_rtpmap(s, 0, OH_LIT("96"), &map), OH_OK);
    assert_text(map.encoding, "opus");
    assert_int_equal(map.rate, 48000);
    assert_text(map.params, "2");
    assert_int_equal(oh_sdp_rtpmap(s, 0, OH_LIT("97"), &map), OH_E_SYNTAX);
    assert_int_equal(oh_sdp_rtpmap(s, 0, OH_LIT("18"), &map), OH_OK);
    assert_text(map.encoding, "G729");
    assert_int_equal(oh_sdp_rtpmap(s, 0, OH_LIT("101"), &map), OH_E_ABSENT);
    assert_int_equal(oh_sdp_rtpmap(s, 2, OH_LIT("t38"), &map), OH_E_ABSENT);
    assert_int_equal(oh_sdp_rtpmap(s, 9, OH_LIT("0"), &map), OH_E_ABSENT);
    assert_true(oh_sdp_fmtp(s, 0, OH_LIT("96"), &params));
    assert_text(params, "useinbandfec=1; a=b c");
    assert_false(oh_sdp_fmtp(s, 0, OH_LIT("9"), &params));
    free(s);
}

static void addresses(void **state)
{
    struct oh_sdp *s = parsed(oh_span_str(offer)), *none = parsed(OH_LIT(START "m=a 1 b c\r\n"));
    struct oh_sdp_connection c;
    uint64_t kbps;

    (void)state;
    assert_int_equal(oh_sdp_connection(s, 0, &c), OH_OK);
    assert_int_equal(c.addr.family, OH_FAMILY_IPV6);
    assert_int_equal(oh_sdp_connection(s, 1, &c), OH_OK);
    assert_text(c.address, "224.2.1.1");
    assert_text(c.suffix, "/127/3");
    assert_int_equal(oh_sdp_connection(s, 2, &c), OH_OK);
    assert_true(oh_addr_is_any(&c.addr)); /* hold as RFC 2543 did it */
    assert_int_equal(oh_sdp_connection(none, 0, &c), OH_E_ABSENT);
    assert_int_equal(oh_sdp_bandwidth(s, 0, OH_LIT("AS"), &kbps), OH_OK);
    assert_int_equal(kbps, 64);
    assert_int_equal(oh_sdp_bandwidth(s, 0, OH_LIT("TIAS"), &kbps), OH_E_ABSENT);
    assert_int_equal(oh_sdp_bandwidth(s, OH_SDP_SESSION, OH_LIT("X-YZ"), &kbps), OH_OK);
    assert_int_equal(kbps, 128);
    free(s);
    free(none);
}

static void directions(void **state)
{
    static const struct {
        const char *text;
        enum oh_sdp_direction direction;
    } cases[] = {
        {START "m=a 1 b c\r\n", OH_SDP_SENDRECV},
        {START "a=inactive\r\nm=a 1 b c\r\n", OH_SDP_INACTIVE},
        {START "a=inactive\r\nm=a 1 b c\r\na=sendonly\r\n", OH_SDP_SENDONLY},
        {START "m=a 1 b c\r\na=x\r\na=recvonly\r\na=sendrecv\r\n", OH_SDP_RECVONLY},
        {START "m=a 1 b c\r\na=SENDONLY\r\na=sendonly:1\r\n", OH_SDP_SENDRECV},
        {START "m=a 1 b c\r\nm=a 1 b c\r\na=inactive\r\n", OH_SDP_SENDRECV},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct oh_sdp *s = parsed(oh_span_str(cases[i].text));

        assert_int_equal(oh_sdp_direction(s, 0), cases[i].direction);
        free(s);
    }
    assert_text(oh_sdp_direction_text(OH_SDP_INACTIVE), "inactive");
    assert_text(oh_sdp_direction_text(OH_SDP_SENDRECV), "sendrecv");
}

/* What is not as the RFC writes it and yet understood. */
static void tolerated(void **state)
{
    static const char *const cases[] = {
        "v=0\no=- 1 1 IN IP4 a\ns=-\nt=0 0\nm=audio 1 RTP/AVP 0\n",
        "v=0\no=- 1 1 IN IP4 a\ns=-\r\nt=0 0",
        START "\r\n\n\r\n",
        "v=0\r\no=- 1 1 IN IP4 a \r\ns=\r\nt=0 0 \r\nc=IN IP4 b  \r\nm=audio 1 RTP/AVP 0  \r\n",
        START "a=x\r\nb=AS:1\r\nc=IN IP4 a\r\ni=\r\n",
        START "m=audio 1 RTP/AVP 0\r\na=x\r\nc=IN IP4 a\r\ni=x\r\n",
        START "a=fmtp:\r\na=x: y\r\n",
        START "c=IN IP6 [2001:db8::1]\r\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        free(parsed(oh_span_str(cases[i])));
}

static const struct {
    const char *text;
    int code;
    uint32_t line, at;
} bad[] = {
    {"", OH_E_ABSENT, 0, 0},
    {"\r\n", OH_E_ABSENT, 0, 0},
    {"v = 0\r\n", OH_E_SYNTAX, 1, 0},
    {"v= 0\r\n", OH_E_SYNTAX, 1, 0},
    {"v=0 \r\n", OH_E_SYNTAX, 1, 0},
    {"v=1\r\n", OH_E_VERSION, 1, 0},
    {"V=0\r\n", OH_E_SYNTAX, 1, 0},
    {"o=- 1 1 IN IP4 a\r\n", OH_E_ABSENT, 1, 0},
    {"v=0\r\n", OH_E_ABSENT, 1, 5},
    {"v=0\r\ns=-\r\n", OH_E_ABSENT, 2, 5},
    {"v=0\r\no=- 1 1 IN IP4 a\r\nt=0 0\r\n", OH_E_ABSENT, 3, 23},
    {"v=0\r\no=- 1 1 IN IP4\r\n", OH_E_SYNTAX, 2, 5},
    {"v=0\r\no=- 1 1 IN IP4 a b\r\n", OH_E_SYNTAX, 2, 5},
    {"v=0\r\no=-  1 1 IN IP4 a\r\n", OH_E_SYNTAX, 2, 5},
    {"v=0\r\no=- x 1 IN IP4 a\r\n", OH_E_SYNTAX, 2, 5},
    {"v=0\r\no=- 1 -1 IN IP4 a\r\n", OH_E_SYNTAX, 2, 5},
    {"v=0\r\no=- 1 18446744073709551616 IN IP4 a\r\n", OH_E_RANGE, 2, 5},
    {HEAD, OH_E_ABSENT, 3, HEAD_N},
    {HEAD "m=audio 1 RTP/AVP 0\r\n", OH_E_ABSENT, 4, HEAD_N},
    {HEAD "t=0\r\n", OH_E_SYNTAX, 4, HEAD_N},
    {HEAD "t=0 x\r\n", OH_E_SYNTAX, 4, HEAD_N},
    {HEAD "t=0 0 0\r\n", OH_E_SYNTAX, 4, HEAD_N},
    {HEAD "r=7d 1h 0\r\n", OH_E_SYNTAX, 4, HEAD_N},
    {START "r=7d 1h\r\n", OH_E_SYNTAX, 5, START_N},
    {START "r=7w 1h 0\r\n", OH_E_SYNTAX, 5, START_N},
    {START "z=1\r\n", OH_E_SYNTAX, 5, START_N},
    {START "z=1 -\r\n", OH_E_SYNTAX, 5, START_N},
    {START "z=1 1h x\r\n", OH_E_SYNTAX, 5, START_N},
    {START "k=what\r\n", OH_E_SYNTAX, 5, START_N},
    {START "k=clear:\r\n", OH_E_SYNTAX, 5, START_N},
    {START "u=\r\n", OH_E_SYNTAX, 5, START_N},
    {START "x=1\r\n", OH_E_SYNTAX, 5, START_N},
    {START "a\r\n", OH_E_SYNTAX, 5, START_N},
    {START "\r\na=x\r\n", OH_E_SYNTAX, 5, START_N},
    {START "a=\r\n", OH_E_SYNTAX, 5, START_N},
    {START "a=:x\r\n", OH_E_SYNTAX, 5, START_N},
    {START "a=x y:z\r\n", OH_E_SYNTAX, 5, START_N},
    {START "a =x\r\n", OH_E_SYNTAX, 5, START_N},
    {START "a=x\ry\r\n", OH_E_SYNTAX, 5, START_N},
    {START "b=AS\r\n", OH_E_SYNTAX, 5, START_N},
    {START "b=AS:x\r\n", OH_E_SYNTAX, 5, START_N},
    {START "b=AS:-1\r\n", OH_E_SYNTAX, 5, START_N},
    {START "c=IN IP4\r\n", OH_E_SYNTAX, 5, START_N},
    {START "c=IN IP4 /1\r\n", OH_E_SYNTAX, 5, START_N},
    {START "c=IN IP4 a b\r\n", OH_E_SYNTAX, 5, START_N},
    {START "c=IN IP4 a\r\nc=IN IP4 a\r\n", OH_E_DUPLICATE, 6, START_N + 12},
    {START "i=a\r\ni=b\r\n", OH_E_DUPLICATE, 6, START_N + 5},
    {START "s=a\r\n", OH_E_DUPLICATE, 5, START_N},
    {START "m=audio\r\n", OH_E_SYNTAX, 5, START_N},
    {START "m=audio 1 RTP/AVP\r\n", OH_E_SYNTAX, 5, START_N},
    {START "m=audio  1 RTP/AVP 0\r\n", OH_E_SYNTAX, 5, START_N},
    {START "m=audio 1 RTP/AVP 0  8\r\n", OH_E_SYNTAX, 5, START_N},
    {START "m=audio 1 /AVP 0\r\n", OH_E_SYNTAX, 5, START_N},
    {START "m=audio 1 RTP/ 0\r\n", OH_E_SYNTAX, 5, START_N},
    {START "m=audio 65536 RTP/AVP 0\r\n", OH_E_RANGE, 5, START_N},
    {START "m=audio -1 RTP/AVP 0\r\n", OH_E_SYNTAX, 5, START_N},
    {START "m=audio 1/ RTP/AVP 0\r\n", OH_E_SYNTAX, 5, START_N},
    {START "m=audio 1/0 RTP/AVP 0\r\n", OH_E_RANGE, 5, START_N},
    {START "m=a/b 1 RTP/AVP 0\r\n", OH_E_SYNTAX, 5, START_N},
    {START "m=audio 1 RTP/AVP 0\r\nt=0 0\r\n", OH_E_SYNTAX, 6, START_N + 21},
    {START "m=audio 1 RTP/AVP 0\r\ni=a\r\ni=b\r\n", OH_E_DUPLICATE, 7, START_N + 26},
};

static void refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct oh_sdp *s = malloc(sizeof(*s));
        struct oh_sdp_fault f = {0};
        int rc;

        s->media_n = 77;
        rc = oh_sdp_parse(oh_span_str(bad[i].text), s, &f);
        if (rc != bad[i].code || f.line != bad[i].line || f.at != bad[i].at)
            fail_msg("'%s' gave %s, line %u, at %u", bad[i].text, oh_error_name(rc), f.line, f.at);
        assert_int_equal(f.code, rc);
        assert_non_null(f.why);
        assert_int_equal(s->media_n, 77);
        free(s);
    }
    /* A NUL ends nothing. */
    assert_int_equal(oh_sdp_parse(OH_LIT(START "a=x\0y\r\n"), NULL, NULL), OH_E_SYNTAX);
}

/* A text of START and n repetitions of a line; OH_OK or the code. */
static int repeated(const char *line, size_t n)
{
    size_t len = strlen(line), size = sizeof(START) - 1 + n * len;
    struct oh_sdp *s = malloc(sizeof(*s));
    char *text = malloc(size);
    int rc;

    memcpy(text, START, sizeof(START) - 1);
    for (size_t i = 0; i < n; i++)
        memcpy(text + sizeof(START) - 1 + i * len, line, len);
    rc = oh_sdp_parse(oh_span(text, size), s, NULL);
    free(text);
    free(s);
    return rc;
}

static void limits(void **state)
{
    size_t lengths[] = {OH_SDP_LINE_MAX, OH_SDP_LINE_MAX + 1};

    (void)state;
    assert_int_equal(repeated("m=audio 1 RTP/AVP 0\r\n", OH_SDP_MEDIA_MAX), OH_OK);
    assert_int_equal(repeated("m=audio 1 RTP/AVP 0\r\n", OH_SDP_MEDIA_MAX + 1), OH_E_LIMIT);
    assert_int_equal(repeated("m=audio 1 RTP/AVP 0\r\n", 3000), OH_E_LIMIT);
    assert_int_equal(repeated("a=x\r\n", OH_SDP_LINES_MAX - 4), OH_OK);
    assert_int_equal(repeated("a=x\r\n", OH_SDP_LINES_MAX - 3), OH_E_LIMIT);
    assert_int_equal(repeated("a=x\r\n", 100000), OH_E_LIMIT);
    assert_int_equal(repeated("\r\n", 30000), OH_OK);
    assert_int_equal(repeated("\r\n", 40000), OH_E_LIMIT);
    for (size_t i = 0; i < COUNT(lengths); i++) {
        char *line = malloc(lengths[i] + 2);

        memset(line, 'x', lengths[i]);
        memcpy(line, "a=", 2);
        memcpy(line + lengths[i], "\n", 2);
        assert_int_equal(repeated(line, 1), i == 0 ? OH_OK : OH_E_LIMIT);
        free(line);
    }
}

/* Every beginning of a description in a block that ends where it ends. */
static void truncations(void **state)
{
    struct oh_span all = oh_span_str(offer);
    struct oh_sdp *s = malloc(sizeof(*s));

    (void)state;
    for (size_t n = 0; n <= all.n; n++) {
        struct oh_span cut = exact_copy(oh_span_head(all, n));
        struct oh_sdp_connection c;

        if (oh_sdp_parse(cut, s, NULL) == OH_OK) {
            for (int i = OH_SDP_SESSION; i < s->media_n; i++) {
                (void)oh_sdp_connection(s, i, &c);
                (void)oh_sdp_direction(s, i);
            }
        }
        exact_free(cut);
    }
    free(s);
}

static void round_trip(void **state)
{
    char *text = malloc(sizeof(offer));
    struct oh_sdp *s = parsed(oh_span_str(offer));
    struct oh_buf b;

    (void)state;
    oh_buf_init(&b, text, sizeof(offer));
    oh_sdp_put(&b, s);
    assert_int_equal(oh_buf_error(&b), OH_OK);
    assert_text(oh_buf_view(&b), offer);
    oh_buf_init(&b, text, sizeof(offer) - 2);
    oh_sdp_put(&b, s);
    assert_int_equal(oh_buf_error(&b), OH_E_LIMIT);
    free(text);
    free(s);
}

static void built(void **state)
{
    struct oh_sdp_origin o = {.sess_id = OH_LIT("7"),
                              .version = 8,
                              .nettype = OH_LIT("IN"),
                              .addrtype = OH_LIT("IP4"),
                              .address = OH_LIT("192.0.2.1")};
    struct oh_sdp_media m = {.media = OH_LIT("audio"),
                             .proto = OH_LIT("RTP/AVP"),
                             .formats = OH_LIT("0 8"),
                             .port = 4000,
                             .ports = 1};
    struct oh_addr v4, v6;
    struct oh_sdp *s;
    char text[512];
    struct oh_buf b;

    (void)state;
    oh_addr_parse(OH_LIT("192.0.2.1"), &v4);
    oh_addr_parse(OH_LIT("2001:db8::1"), &v6);
    oh_buf_init(&b, text, sizeof(text));
    oh_sdp_put_head(&b, &o, oh_span(NULL, 0));
    oh_sdp_put_connection(&b, &v4);
    oh_sdp_put_time(&b, 0, 0);
    oh_sdp_put_media(&b, &m);
    oh_sdp_put_connection(&b, &v6);
    oh_sdp_put_attribute(&b, OH_LIT("rtpmap"), OH_LIT("0 PCMU/8000\r\nm=evil 1 x y"));
    oh_sdp_put_attribute(&b, oh_sdp_direction_text(OH_SDP_SENDONLY), oh_span(NULL, 0));
    m.port = 0;
    m.ports = 2;
    oh_sdp_put_media(&b, &m);
    assert_int_equal(oh_buf_error(&b), OH_OK);
    assert_text(oh_buf_view(&b), "v=0\r\no=- 7 8 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\n"
                                 "t=0 0\r\nm=audio 4000 RTP/AVP 0 8\r\nc=IN IP6 2001:db8::1\r\n"
                                 "a=rtpmap:0 PCMU/8000m=evil 1 x y\r\na=sendonly\r\n"
                                 "m=audio 0/2 RTP/AVP 0 8\r\n");
    s = parsed(oh_buf_view(&b));
    assert_int_equal(s->media_n, 2);
    assert_int_equal(oh_sdp_direction(s, 0), OH_SDP_SENDONLY);
    free(s);
}

/*
 * How many of the descriptions printed in RFCs are refused for which reason.
 * Most are fragments that leave out what the text does not talk about.
 */
static struct reason {
    const char *why;
    size_t expected, found;
} reasons[] = {
    /* Fragments: "v=, o=, c=, t=, m= and so on". */
    {"s= does not follow o=", 58, 0},
    {"o= does not follow v=", 9, 0},
    {"no t= before the first m=", 10, 0},
    {"no t= line", 9, 0},
    /* RFC 2848 (PINT) prints two blanks between fields; RFC 5359 one behind "t=". */
    {"c= does not have its three fields", 7, 0},
    {"m= does not have its four fields", 5, 0},
    {"a blank behind '='", 6, 0},
    /* "$" of RFC 3108 (ATM) and of the templates in RFC 5245 and 8839. */
    {"the port of m= is not a number up to 65535", 8, 0},
    {"the session id is not a number", 1, 0},
    /* RFC 6364 and 8859 leave formats out, RFC 6284 has a remark behind them. */
    {"m= without formats, or with one that is no token", 6, 0},
    /* RFC 7006 lacks the user name, RFC 4570 has a person's. */
    {"o= does not have its six fields", 4, 0},
    /* RFC 6050: "b=AS:25.4". */
    {"b= is not of the form type:number", 4, 0},
    /* RFC 6871 and 8840 forget the colon. */
    {"a= does not begin with a name", 2, 0},
    /* RFC 6682: an attribute broken into two lines. */
    {"an unknown type of line", 1, 0},
};

static void one_of_rfcs(void *ctx, const char *name, struct oh_span bytes)
{
    size_t *good = ctx;
    struct oh_sdp *s = malloc(sizeof(*s));
    struct oh_sdp_fault f = {0};
    bool known = false;

    if (oh_sdp_parse(bytes, s, &f) == OH_OK) {
        char *text = malloc(2 * bytes.n);
        struct oh_sdp *again;
        struct oh_buf b;

        oh_buf_init(&b, text, 2 * bytes.n);
        oh_sdp_put(&b, s);
        again = parsed(oh_buf_view(&b));
        assert_int_equal(again->lines_n, s->lines_n);
        assert_int_equal(again->media_n, s->media_n);
        free(again);
        free(text);
        ++*good;
        known = true;
    }
    for (size_t i = 0; !known && i < COUNT(reasons); i++) {
        known = strcmp(reasons[i].why, f.why) == 0;
        reasons[i].found += known;
    }
    free(s);
    if (!known)
        fail_msg("%s: line %u: %s", name, f.line, f.why);
}

static void rfcs(void **state)
{
    size_t good = 0;

    (void)state;
    assert_int_equal(corpus_walk("corpus/sdp/rfc-sdp", ".sdp", one_of_rfcs, &good), 793);
    for (size_t i = 0; i < COUNT(reasons); i++) {
        if (reasons[i].found != reasons[i].expected)
            fail_msg("%s: %zu", reasons[i].why, reasons[i].found);
    }
    assert_int_equal(good, 663);
}

/* Bodies of the torture messages of RFC 4475 and RFC 5118. */
static void one_body(void *ctx, const char *name, struct oh_span bytes)
{
    size_t *good = ctx;
    struct oh_sdp *s = malloc(sizeof(*s));

    (void)name;
    for (size_t i = 0; i + 5 < bytes.n; i++) {
        if (memcmp(bytes.p + i, "\r\nv=0", 5) != 0)
            continue;
        *good += oh_sdp_parse(oh_span_from(bytes, i + 2), s, NULL) == OH_OK;
        break;
    }
    free(s);
}

static void tortures(void **state)
{
    size_t good = 0;

    (void)state;
    corpus_walk("corpus/rfc5118/dat", ".dat", one_body, &good);
    assert_int_equal(good, 3);
    good = 0;
    corpus_walk("corpus/rfc4475/dat", ".dat", one_body, &good);
    /* 21 less "m =video" (dblreq), no s= (mismatch02), and "testing=123" (test). */
    assert_int_equal(good, 18);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything), cmocka_unit_test(attributes), cmocka_unit_test(formats),
        cmocka_unit_test(addresses),  cmocka_unit_test(directions), cmocka_unit_test(tolerated),
        cmocka_unit_test(refused),    cmocka_unit_test(limits),     cmocka_unit_test(truncations),
        cmocka_unit_test(round_trip), cmocka_unit_test(built),      cmocka_unit_test(rfcs),
        cmocka_unit_test(tortures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
