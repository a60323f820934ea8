/*
 * Session descriptions. What parses is written again and is the same
 * description; every question about it has an answer that lies in its text.
 */
#include <stdlib.h>

#include <offhook/sdp.h>

#include "fuzz.h"

#define OUT_MAX (2 * OH_SDP_BYTES_MAX)

/* All lines of all sections are where the index says, and each belongs to one section. */
static void check_lines(const struct oh_sdp *s)
{
    unsigned n = s->section.n;

    MUST(s->lines_n <= OH_SDP_LINES_MAX && s->media_n <= OH_SDP_MEDIA_MAX && s->section.first == 0);
    for (unsigned i = 0; i < s->lines_n; i++) {
        struct oh_span value = oh_sdp_line_value(s, &s->lines[i]);

        MUST(fuzz_inside(s->text, value) && value.p - 2 >= s->text.p);
        MUST(value.p[-2] == s->lines[i].type && value.p[-1] == '=');
    }
    for (unsigned i = 0; i < s->media_n; i++) {
        MUST(s->media[i].section.first == n + 1);
        n += 1 + s->media[i].section.n;
    }
    MUST(n == s->lines_n);
}

static void check_formats(const struct oh_sdp *s, int media)
{
    struct oh_span rest = s->media[media].formats, format, params;
    struct oh_sdp_rtpmap map;

    while (oh_sdp_format_next(&rest, &format) == OH_OK) {
        MUST(format.n > 0 && fuzz_inside(s->text, format));
        if (oh_sdp_rtpmap(s, media, format, &map) == OH_OK)
            MUST(map.encoding.n > 0);
        if (oh_sdp_fmtp(s, media, format, &params))
            MUST(fuzz_inside(s->text, params));
    }
}

static void check_section(const struct oh_sdp *s, int where)
{
    struct oh_sdp_attribute a;
    struct oh_sdp_connection c;
    struct oh_span value;
    uint64_t bandwidth;

    for (const struct oh_sdp_line *l = NULL; (l = oh_sdp_line_next(s, where, 'a', l)) != NULL;) {
        a = oh_sdp_attribute_of(s, l);
        MUST(a.name.n > 0 && fuzz_inside(s->text, a.name) && fuzz_inside(s->text, a.value));
        MUST(oh_sdp_attribute(s, where, a.name, NULL, &value) != NULL);
    }
    (void)oh_sdp_bandwidth(s, where, OH_LIT("AS"), &bandwidth);
    if (where == OH_SDP_SESSION)
        return;
    check_formats(s, where);
    MUST(oh_sdp_direction_text(oh_sdp_direction(s, where)).n > 0);
    if (oh_sdp_connection(s, where, &c) == OH_OK)
        MUST(fuzz_inside(s->text, c.address) && c.address.n > 0 && c.addr.port == 0);
}

static void same(const struct oh_sdp *a, const struct oh_sdp *b)
{
    MUST(a->lines_n == b->lines_n && a->media_n == b->media_n && a->start == b->start);
    MUST(a->stop == b->stop && oh_span_eq(a->name, b->name));
    MUST(a->origin.version == b->origin.version &&
         oh_span_eq(a->origin.address, b->origin.address));
    for (unsigned i = 0; i < a->lines_n; i++)
        MUST(a->lines[i].type == b->lines[i].type &&
             oh_span_eq(oh_sdp_line_value(a, &a->lines[i]), oh_sdp_line_value(b, &b->lines[i])));
    for (int i = 0; i < a->media_n; i++) {
        MUST(a->media[i].port == b->media[i].port && a->media[i].ports == b->media[i].ports);
        MUST(oh_span_eq(a->media[i].formats, b->media[i].formats));
        MUST(oh_sdp_direction(a, i) == oh_sdp_direction(b, i));
    }
}

/* The description that the builders make of the parts: an answer, as a phone writes it. */
static void rebuild(const struct oh_sdp *s)
{
    static char text[OUT_MAX];
    static struct oh_sdp again;
    struct oh_buf out;

    oh_buf_init(&out, text, sizeof text);
    oh_sdp_put_head(&out, &s->origin, s->name);
    oh_sdp_put_time(&out, s->start, s->stop);
    for (int i = 0; i < s->media_n; i++) {
        struct oh_sdp_connection c;

        oh_sdp_put_media(&out, &s->media[i]);
        if (oh_sdp_connection(s, i, &c) == OH_OK && c.addr.family != OH_FAMILY_NONE)
            oh_sdp_put_connection(&out, &c.addr);
        oh_sdp_put_attribute(&out, oh_sdp_direction_text(oh_sdp_direction(s, i)), oh_span(NULL, 0));
    }
    MUST(oh_buf_error(&out) == OH_OK);
    if (out.n > OH_SDP_BYTES_MAX || 4 + 3 * s->media_n > OH_SDP_LINES_MAX)
        return;
    if (oh_sdp_parse(oh_buf_view(&out), &again, NULL) != OH_OK)
        fuzz_fail("what the builders write does not parse: %.*s", (int)out.n, out.p);
    MUST(again.media_n == s->media_n && again.origin.version == s->origin.version);
    for (int i = 0; i < s->media_n; i++)
        MUST(again.media[i].port == s->media[i].port &&
             oh_span_eq(again.media[i].formats, s->media[i].formats) &&
             oh_sdp_direction(&again, i) == oh_sdp_direction(s, i));
}

static void run(struct oh_span in)
{
    static struct oh_sdp s, again;
    static char text[OUT_MAX];
    struct oh_sdp_fault fault = {0};
    struct oh_buf out;
    int rc = oh_sdp_parse(in, &s, &fault);

    if (rc != OH_OK) {
        MUST(fault.code == rc && fault.why && fault.at <= in.n && fault.line <= in.n + 1);
        return;
    }
    check_lines(&s);
    for (int i = OH_SDP_SESSION; i < s.media_n; i++)
        check_section(&s, i);
    oh_buf_init(&out, text, sizeof text);
    oh_sdp_put(&out, &s);
    MUST(oh_buf_error(&out) == OH_OK);
    /* LF became CRLF, which may be more than fits into a description. */
    if (out.n <= OH_SDP_BYTES_MAX) {
        if (oh_sdp_parse(oh_buf_view(&out), &again, &fault) != OH_OK)
            fuzz_fail("written: %s at line %u of %.*s", fault.why, fault.line, (int)out.n, out.p);
        same(&s, &again);
    }
    rebuild(&s);
}

static void seeds(struct fuzz_seeds *to)
{
    fuzz_seed_files(to, "corpus/sdp/rfc-sdp", ".sdp", oh_span("", 0));
}

const struct fuzz_harness fuzz_harness = {"sdp", 4096, run, seeds, NULL};
