/*
 * Parsing goes line by line. A line is cut off, its letter is looked up in a
 * table, and the table's function checks the value and stores what is asked
 * for often: origin, name, times, media. Everything else stays a line that the
 * helpers find by its letter, so that a description with a hundred attributes
 * costs a hundred small entries and no decoding that nobody wants.
 *
 * The grammar fixes the order of lines. v=, o=, s= first and m= before what
 * belongs to a medium carry meaning and are enforced; that b= stands behind c=
 * does not, and equipment in the field disagrees, so it is not.
 */
#include <offhook/sdp.h>

#include "sdp/connection.h"
#include "sdp/lex.h"

struct parser {
    struct oh_sdp *out;
    struct oh_sdp_fault fault;
    bool has_time;
    bool in_media;
};

static int fail(struct parser *p, int code, const char *why)
{
    p->fault.code = code;
    p->fault.why = why;
    return code;
}

/* Blanks at the end of a line whose fields are divided by blanks. */
static struct oh_span without_tail(struct oh_span s)
{
    while (s.n && s.p[s.n - 1] == ' ')
        s.n--;
    return s;
}

static bool all_digits(struct oh_span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    }
    return s.n > 0;
}

static int parse_version(struct parser *p, struct oh_span v)
{
    if (!all_digits(v))
        return fail(p, OH_E_SYNTAX, "the version is not a number");
    return oh_span_eq(v, OH_LIT("0")) ? OH_OK : fail(p, OH_E_VERSION, "the version is not 0");
}

static int parse_origin(struct parser *p, struct oh_span v)
{
    struct oh_sdp_origin *o = &p->out->origin;
    struct oh_span version;
    int rc;

    v = without_tail(v);
    if (!oh__sdp_field(&v, ' ', &o->username) || !oh__sdp_field(&v, ' ', &o->sess_id) ||
        !oh__sdp_field(&v, ' ', &version) || !oh__sdp_token(&v, &o->nettype) ||
        !oh__sdp_token(&v, &o->addrtype) || !oh__sdp_field(&v, ' ', &o->address) || v.n)
        return fail(p, OH_E_SYNTAX, "o= does not have its six fields");
    if (!all_digits(o->sess_id))
        return fail(p, OH_E_SYNTAX, "the session id is not a number");
    rc = oh_span_u64(version, UINT64_MAX, &o->version);
    return rc == OH_OK ? OH_OK : fail(p, rc, "the session version is not a number of 64 bits");
}

static int parse_name(struct parser *p, struct oh_span v)
{
    p->out->name = v;
    return OH_OK;
}

/* Free text, which parse_line has searched for forbidden bytes. */
static int parse_text(struct parser *p, struct oh_span v)
{
    (void)p;
    (void)v;
    return OH_OK;
}

static int parse_some_text(struct parser *p, struct oh_span v)
{
    return v.n ? OH_OK : fail(p, OH_E_SYNTAX, "an empty line of this type");
}

static int parse_connection(struct parser *p, struct oh_span v)
{
    struct oh_sdp_connection c;

    if (oh__sdp_connection_decode(v, &c) != OH_OK)
        return fail(p, OH_E_SYNTAX, "c= does not have its three fields");
    return OH_OK;
}

static int parse_bandwidth(struct parser *p, struct oh_span v)
{
    struct oh_span type;

    v = without_tail(v);
    if (!oh__sdp_field(&v, ':', &type) || !oh__sdp_is_token(type) || !all_digits(v))
        return fail(p, OH_E_SYNTAX, "b= is not of the form type:number");
    return OH_OK;
}

static int parse_time(struct parser *p, struct oh_span v)
{
    struct oh_span start, stop;
    uint64_t from, to;

    v = without_tail(v);
    if (!oh__sdp_field(&v, ' ', &start) || !oh__sdp_field(&v, ' ', &stop) || v.n ||
        oh_span_u64(start, UINT64_MAX, &from) != OH_OK ||
        oh_span_u64(stop, UINT64_MAX, &to) != OH_OK)
        return fail(p, OH_E_SYNTAX, "t= is not two numbers");
    if (!p->has_time) {
        p->out->start = from;
        p->out->stop = to;
    }
    p->has_time = true;
    return OH_OK;
}

/* 1*DIGIT with one of the units d, h, m, s. */
static bool is_typed_time(struct oh_span s)
{
    if (s.n && s.p[s.n - 1] && strchr("dhms", s.p[s.n - 1]))
        s.n--;
    return all_digits(s);
}

static int parse_repeat(struct parser *p, struct oh_span v)
{
    struct oh_span field;
    unsigned n = 0;

    v = without_tail(v);
    if (!p->has_time)
        return fail(p, OH_E_SYNTAX, "r= without a t= before it");
    while (oh__sdp_field(&v, ' ', &field) && is_typed_time(field))
        n++;
    return n >= 3 && !v.n ? OH_OK : fail(p, OH_E_SYNTAX, "r= is not three or more times");
}

static int parse_zone(struct parser *p, struct oh_span v)
{
    struct oh_span at, shift;

    v = without_tail(v);
    do {
        if (!oh__sdp_field(&v, ' ', &at) || !all_digits(at) || !oh__sdp_field(&v, ' ', &shift))
            return fail(p, OH_E_SYNTAX, "z= is not pairs of a time and an offset");
        if (*shift.p == '-')
            shift = oh_span_from(shift, 1);
        if (!is_typed_time(shift))
            return fail(p, OH_E_SYNTAX, "z= is not pairs of a time and an offset");
    } while (v.n);
    return OH_OK;
}

static int parse_key(struct parser *p, struct oh_span v)
{
    struct oh_span method;

    if (oh_span_eq(v, OH_LIT("prompt")))
        return OH_OK;
    if (!oh__sdp_field(&v, ':', &method) || !v.n ||
        (!oh_span_eq(method, OH_LIT("clear")) && !oh_span_eq(method, OH_LIT("base64")) &&
         !oh_span_eq(method, OH_LIT("uri"))))
        return fail(p, OH_E_SYNTAX, "an unknown form of k=");
    return OH_OK;
}

static int parse_attribute(struct parser *p, struct oh_span v)
{
    struct oh_span name;

    if (!oh__sdp_field(&v, ':', &name) || !oh__sdp_is_token(name))
        return fail(p, OH_E_SYNTAX, "a= does not begin with a name");
    return OH_OK;
}

/* "49170" or "49170/2" */
static int parse_port(struct parser *p, struct oh_span v, struct oh_sdp_media *m)
{
    struct oh_span port;
    uint32_t number, count = 1;
    int rc;

    if (!oh__sdp_field(&v, '/', &port))
        return fail(p, OH_E_SYNTAX, "m= without a port");
    rc = oh_span_u32(port, UINT16_MAX, &number);
    if (rc == OH_OK && port.p + port.n != v.p)
        rc = oh_span_u32(v, UINT16_MAX, &count);
    if (rc != OH_OK)
        return fail(p, rc, "the port of m= is not a number up to 65535");
    if (count == 0)
        return fail(p, OH_E_RANGE, "no port at all in m=");
    m->port = (uint16_t)number;
    m->ports = (uint16_t)count;
    return OH_OK;
}

/* token *("/" token) */
static bool is_proto(struct oh_span s)
{
    struct oh_span part;

    while (oh__sdp_field(&s, '/', &part)) {
        if (!oh__sdp_is_token(part))
            return false;
        if (!s.n)
            return s.p == part.p + part.n;
    }
    return false;
}

static bool are_formats(struct oh_span s)
{
    struct oh_span format;

    if (!s.n)
        return false;
    while (s.n) {
        if (!oh__sdp_token(&s, &format))
            return false;
    }
    return true;
}

static int parse_media(struct parser *p, struct oh_span v)
{
    struct oh_sdp_media m = {.section = {(uint16_t)(p->out->lines_n + 1), 0}};
    struct oh_span port;
    int rc;

    v = without_tail(v);
    if (p->out->media_n == OH_SDP_MEDIA_MAX)
        return fail(p, OH_E_LIMIT, "more media than the limit");
    if (!oh__sdp_token(&v, &m.media) || !oh__sdp_field(&v, ' ', &port) ||
        !oh__sdp_field(&v, ' ', &m.proto))
        return fail(p, OH_E_SYNTAX, "m= does not have its four fields");
    rc = parse_port(p, port, &m);
    if (rc != OH_OK)
        return rc;
    if (!is_proto(m.proto))
        return fail(p, OH_E_SYNTAX, "the transport of m= is not tokens divided by '/'");
    if (!are_formats(v))
        return fail(p, OH_E_SYNTAX, "m= without formats, or with one that is no token");
    m.formats = v;
    p->out->media[p->out->media_n++] = m;
    p->in_media = true;
    return OH_OK;
}

enum { IN_SESSION = 1, IN_MEDIA = 2, ONCE = 4, BLANK_FIRST = 8 };

/*
 * type: the letter. where: sections it may stand in, whether once, and whether
 * its value may begin with a blank, which in all others is a blank behind "=".
 */
static const struct kind {
    char type;
    uint8_t where;
    int (*parse)(struct parser *p, struct oh_span value);
} kinds[] = {
    {'v', IN_SESSION | ONCE, parse_version},
    {'o', IN_SESSION | ONCE, parse_origin},
    {'s', IN_SESSION | ONCE | BLANK_FIRST, parse_name},
    {'i', IN_SESSION | IN_MEDIA | ONCE | BLANK_FIRST, parse_text},
    {'u', IN_SESSION | ONCE, parse_some_text},
    {'e', IN_SESSION, parse_some_text},
    {'p', IN_SESSION, parse_some_text},
    {'c', IN_SESSION | IN_MEDIA, parse_connection},
    {'b', IN_SESSION | IN_MEDIA, parse_bandwidth},
    {'t', IN_SESSION, parse_time},
    {'r', IN_SESSION, parse_repeat},
    {'z', IN_SESSION, parse_zone},
    {'k', IN_SESSION | IN_MEDIA | ONCE, parse_key},
    {'a', IN_SESSION | IN_MEDIA, parse_attribute},
    {'m', IN_SESSION | IN_MEDIA, parse_media},
};

static const struct kind *kind_of(char type)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i].type == type)
            return &kinds[i];
    }
    return NULL;
}

static struct oh_sdp_section *section_now(struct oh_sdp *s)
{
    return s->media_n ? &s->media[s->media_n - 1].section : &s->section;
}

/* Whether the section that is being filled has a line of this type. */
static bool is_there(struct parser *p, char type)
{
    const struct oh_sdp_section *now = section_now(p->out);

    for (unsigned i = 0; i < now->n; i++) {
        if (p->out->lines[now->first + i].type == type)
            return true;
    }
    return false;
}

/* The first three lines are v=, o= and s= (RFC 8866 5). */
static int check_place(struct parser *p, const struct kind *k)
{
    static const char head[] = "vos";
    static const char *const missing[] = {"v= is not the first line",
                                          "o= does not follow v=", "s= does not follow o="};
    unsigned n = p->out->lines_n;

    if (n < 3 && k->type != head[n])
        return fail(p, OH_E_ABSENT, missing[n]);
    if (!(k->where & (p->in_media ? IN_MEDIA : IN_SESSION)))
        return fail(p, OH_E_SYNTAX, "a line of the session behind m=");
    if (k->type == 'm' && !p->has_time)
        return fail(p, OH_E_ABSENT, "no t= before the first m=");
    /* Several addresses of one medium are multicast (RFC 8866 5.7); a session has one. */
    if ((k->where & ONCE || (k->type == 'c' && !p->in_media)) && is_there(p, k->type))
        return fail(p, OH_E_DUPLICATE, "a line that may be there only once");
    return OH_OK;
}

static int parse_line(struct parser *p, struct oh_span line)
{
    const struct kind *k;
    struct oh_span value;
    int rc;

    if (line.n > OH_SDP_LINE_MAX)
        return fail(p, OH_E_LIMIT, "a line longer than the limit");
    if (line.n < 2 || line.p[1] != '=')
        return fail(p, OH_E_SYNTAX, "a line that does not begin with a letter and '='");
    if (memchr(line.p, '\0', line.n) || memchr(line.p, '\r', line.n))
        return fail(p, OH_E_SYNTAX, "a NUL or a CR inside a line");
    k = kind_of(line.p[0]);
    if (!k)
        return fail(p, OH_E_SYNTAX, "an unknown type of line");
    value = oh_span_from(line, 2);
    if (value.n && *value.p == ' ' && !(k->where & BLANK_FIRST))
        return fail(p, OH_E_SYNTAX, "a blank behind '='");
    if (p->out->lines_n == OH_SDP_LINES_MAX)
        return fail(p, OH_E_LIMIT, "more lines than the limit");
    rc = check_place(p, k);
    if (rc == OH_OK)
        rc = k->parse(p, value);
    if (rc != OH_OK)
        return rc;
    p->out->lines[p->out->lines_n++] = (struct oh_sdp_line){(uint16_t)(value.p - p->out->text.p),
                                                            (uint16_t)value.n, k->type};
    if (k->type != 'm')
        section_now(p->out)->n++;
    return OH_OK;
}

/* Takes a line off *rest, its end (CRLF or LF) cut off. */
static struct oh_span line_next(struct oh_span *rest)
{
    struct oh_span line;
    ptrdiff_t end = oh_span_find(*rest, '\n');
    size_t n = end < 0 ? rest->n : (size_t)end;

    line = oh_span_head(*rest, n);
    *rest = oh_span_from(*rest, n + 1);
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

/* Whether nothing but line ends is left. */
static bool is_tail(struct oh_span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '\r' && s.p[i] != '\n')
            return false;
    }
    return true;
}

static int parse_lines(struct parser *p, struct oh_span text)
{
    struct oh_span rest = text;

    if (text.n > OH_SDP_BYTES_MAX)
        return fail(p, OH_E_LIMIT, "a description longer than the limit");
    while (!is_tail(rest)) {
        int rc;

        p->fault.line++;
        p->fault.at = (uint32_t)(rest.p - text.p);
        rc = parse_line(p, line_next(&rest));
        if (rc != OH_OK)
            return rc;
    }
    p->fault.at = (uint32_t)(rest.p - text.p);
    if (p->out->lines_n < 3)
        return fail(p, OH_E_ABSENT, "it ends before s=");
    if (!p->has_time)
        return fail(p, OH_E_ABSENT, "no t= line");
    return OH_OK;
}

int oh_sdp_parse(struct oh_span text, struct oh_sdp *out, struct oh_sdp_fault *fault)
{
    struct oh_sdp sdp = {.text = text};
    struct parser p = {.out = &sdp};
    int rc = parse_lines(&p, text);

    if (rc == OH_OK)
        *out = sdp;
    else if (fault)
        *fault = p.fault;
    return rc;
}
