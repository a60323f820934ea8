/* Asking a parsed description: attributes, formats, directions, addresses. */
#include <offhook/sdp.h>

#include "sdp/connection.h"
#include "sdp/lex.h"

static const struct oh_sdp_section *section_of(const struct oh_sdp *s, int where)
{
    if (where == OH_SDP_SESSION)
        return &s->section;
    return where >= 0 && where < s->media_n ? &s->media[where].section : NULL;
}

const struct oh_sdp_line *oh_sdp_line_next(const struct oh_sdp *s, int where, char type,
                                           const struct oh_sdp_line *after)
{
    const struct oh_sdp_section *section = section_of(s, where);
    const struct oh_sdp_line *line, *end;

    if (!section)
        return NULL;
    line = after ? after + 1 : s->lines + section->first;
    end = s->lines + section->first + section->n;
    while (line < end && line->type != type)
        line++;
    return line < end ? line : NULL;
}

struct oh_sdp_attribute oh_sdp_attribute_of(const struct oh_sdp *s, const struct oh_sdp_line *l)
{
    struct oh_span value = oh_sdp_line_value(s, l);
    ptrdiff_t colon = oh_span_find(value, ':');

    if (colon < 0)
        return (struct oh_sdp_attribute){value, {NULL, 0}};
    return (struct oh_sdp_attribute){oh_span_head(value, (size_t)colon),
                                     oh_span_from(value, (size_t)colon + 1)};
}

const struct oh_sdp_line *oh_sdp_attribute(const struct oh_sdp *s, int where, struct oh_span name,
                                           const struct oh_sdp_line *after, struct oh_span *value)
{
    const struct oh_sdp_line *line = after;

    while ((line = oh_sdp_line_next(s, where, 'a', line))) {
        struct oh_sdp_attribute a = oh_sdp_attribute_of(s, line);

        if (!oh_span_eq(a.name, name))
            continue;
        if (value)
            *value = a.value;
        return line;
    }
    return NULL;
}

int oh_sdp_format_next(struct oh_span *formats, struct oh_span *format)
{
    return oh__sdp_field(formats, ' ', format) ? OH_OK : OH_E_ABSENT;
}

/* "PCMU/8000/1" */
int oh__sdp_rtpmap_decode(struct oh_span value, struct oh_sdp_rtpmap *out)
{
    struct oh_sdp_rtpmap m;
    struct oh_span rate;

    while (value.n && value.p[value.n - 1] == ' ')
        value.n--;
    if (!oh__sdp_field(&value, '/', &m.encoding) || !oh__sdp_is_token(m.encoding) ||
        !oh__sdp_field(&value, '/', &rate) || oh_span_u32(rate, UINT32_MAX, &m.rate) != OH_OK)
        return OH_E_SYNTAX;
    m.params = value;
    *out = m;
    return OH_OK;
}

/* The payload types with a fixed meaning (RFC 3551 6) that are still met. */
static int static_rtpmap(struct oh_span format, struct oh_sdp_rtpmap *out)
{
    static const struct {
        uint32_t payload;
        const char *encoding;
        uint32_t rate;
        const char *params;
    } types[] = {
        {0, "PCMU", 8000, ""},   {3, "GSM", 8000, ""},    {4, "G723", 8000, ""},
        {5, "DVI4", 8000, ""},   {6, "DVI4", 16000, ""},  {7, "LPC", 8000, ""},
        {8, "PCMA", 8000, ""},   {9, "G722", 8000, ""},   {10, "L16", 44100, "2"},
        {11, "L16", 44100, ""},  {12, "QCELP", 8000, ""}, {13, "CN", 8000, ""},
        {14, "MPA", 90000, ""},  {15, "G728", 8000, ""},  {16, "DVI4", 11025, ""},
        {17, "DVI4", 22050, ""}, {18, "G729", 8000, ""},  {25, "CelB", 90000, ""},
        {26, "JPEG", 90000, ""}, {28, "nv", 90000, ""},   {31, "H261", 90000, ""},
        {32, "MPV", 90000, ""},  {33, "MP2T", 90000, ""}, {34, "H263", 90000, ""},
    };
    uint32_t payload;

    if (oh_span_u32(format, 127, &payload) != OH_OK)
        return OH_E_ABSENT;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (types[i].payload != payload)
            continue;
        *out = (struct oh_sdp_rtpmap){oh_span_str(types[i].encoding), types[i].rate,
                                      oh_span_str(types[i].params)};
        return OH_OK;
    }
    return OH_E_ABSENT;
}

/* The rest of the attribute "name:format rest" for one format. */
static bool of_format(const struct oh_sdp *s, int media, struct oh_span name, struct oh_span format,
                      struct oh_span *rest)
{
    const struct oh_sdp_line *line = NULL;
    struct oh_span value, first;

    while ((line = oh_sdp_attribute(s, media, name, line, &value))) {
        if (!oh__sdp_field(&value, ' ', &first) || !oh_span_eq(first, format))
            continue;
        *rest = value;
        return true;
    }
    return false;
}

int oh_sdp_rtpmap(const struct oh_sdp *s, int media, struct oh_span format,
                  struct oh_sdp_rtpmap *out)
{
    struct oh_span value;

    if (!section_of(s, media))
        return OH_E_ABSENT;
    if (of_format(s, media, OH_LIT("rtpmap"), format, &value))
        return oh__sdp_rtpmap_decode(value, out);
    return static_rtpmap(format, out);
}

bool oh_sdp_fmtp(const struct oh_sdp *s, int media, struct oh_span format, struct oh_span *params)
{
    return of_format(s, media, OH_LIT("fmtp"), format, params);
}

static const char *const directions[] = {
    [OH_SDP_INACTIVE] = "inactive",
    [OH_SDP_SENDONLY] = "sendonly",
    [OH_SDP_RECVONLY] = "recvonly",
    [OH_SDP_SENDRECV] = "sendrecv",
};

/* The first direction of a section, or -1. */
static int direction_of(const struct oh_sdp *s, int where)
{
    const struct oh_sdp_line *line = NULL;

    while ((line = oh_sdp_line_next(s, where, 'a', line))) {
        struct oh_span name = oh_sdp_line_value(s, line);

        for (int d = OH_SDP_INACTIVE; d <= OH_SDP_SENDRECV; d++) {
            if (oh_span_eq(name, oh_span_str(directions[d])))
                return d;
        }
    }
    return -1;
}

enum oh_sdp_direction oh_sdp_direction(const struct oh_sdp *s, int media)
{
    int d = direction_of(s, media);

    if (d < 0)
        d = direction_of(s, OH_SDP_SESSION);
    return d < 0 ? OH_SDP_SENDRECV : (enum oh_sdp_direction)d;
}

struct oh_span oh_sdp_direction_text(enum oh_sdp_direction d)
{
    return oh_span_str(directions[d & OH_SDP_SENDRECV]);
}

int oh__sdp_connection_decode(struct oh_span value, struct oh_sdp_connection *out)
{
    struct oh_sdp_connection c;
    ptrdiff_t slash;

    while (value.n && value.p[value.n - 1] == ' ')
        value.n--;
    if (!oh__sdp_token(&value, &c.nettype) || !oh__sdp_token(&value, &c.addrtype) ||
        !oh__sdp_field(&value, ' ', &c.address) || value.n)
        return OH_E_SYNTAX;
    slash = oh_span_find(c.address, '/');
    c.suffix = oh_span_from(c.address, slash < 0 ? c.address.n : (size_t)slash);
    c.address.n -= c.suffix.n;
    if (c.address.n == 0)
        return OH_E_SYNTAX;
    /* Brackets belong to URIs; an address in them is none here. */
    if (*c.address.p == '[' || oh_addr_parse(c.address, &c.addr) != OH_OK)
        c.addr = (struct oh_addr){.family = OH_FAMILY_NONE};
    *out = c;
    return OH_OK;
}

int oh_sdp_connection(const struct oh_sdp *s, int media, struct oh_sdp_connection *out)
{
    const struct oh_sdp_line *line = oh_sdp_line_next(s, media, 'c', NULL);

    if (!line)
        line = oh_sdp_line_next(s, OH_SDP_SESSION, 'c', NULL);
    if (!line)
        return OH_E_ABSENT;
    return oh__sdp_connection_decode(oh_sdp_line_value(s, line), out);
}

int oh_sdp_bandwidth(const struct oh_sdp *s, int where, struct oh_span type, uint64_t *out)
{
    const struct oh_sdp_line *line = NULL;

    while ((line = oh_sdp_line_next(s, where, 'b', line))) {
        struct oh_span value = oh_sdp_line_value(s, line), name;

        if (!oh__sdp_field(&value, ':', &name) || !oh_span_eq(name, type))
            continue;
        /* Checked to be digits; what 64 bits do not hold is as good as unbounded. */
        if (oh_span_u64(oh_span_trim(value), UINT64_MAX, out) != OH_OK)
            *out = UINT64_MAX;
        return OH_OK;
    }
    return OH_E_ABSENT;
}
