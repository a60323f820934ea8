/*
 * The rows of digest: credentials, challenge and the server's confirmation.
 *
 * All three are comma-separated auth-params out of one vocabulary, so one
 * function sorts a row into an array indexed by that vocabulary and refuses
 * repetitions; the decoders then only pick and interpret. Quoted and bare
 * values are read alike for every parameter, because phones mix them up; only
 * the form that RFC 7616 3.3, 3.4 and 3.5 ask for is written.
 */
#include <offhook/digest.h>

#include "sip/lex.h"
#include "sip/value.h"

/* X(id, name on the wire) */
#define AUTH_PARAMS(X)            \
    X(USERNAME, "username")       \
    X(USERNAME_STAR, "username*") \
    X(REALM, "realm")             \
    X(NONCE, "nonce")             \
    X(URI, "uri")                 \
    X(RESPONSE, "response")       \
    X(ALGORITHM, "algorithm")     \
    X(CNONCE, "cnonce")           \
    X(OPAQUE, "opaque")           \
    X(QOP, "qop")                 \
    X(NC, "nc")                   \
    X(DOMAIN, "domain")           \
    X(STALE, "stale")             \
    X(USERHASH, "userhash")       \
    X(NEXTNONCE, "nextnonce")     \
    X(RSPAUTH, "rspauth")

enum auth_param {
#define AUTH_ENUM(id, name) AUTH_##id,
    AUTH_PARAMS(AUTH_ENUM)
#undef AUTH_ENUM
        AUTH_COUNT
};

static const struct {
    uint8_t n;
    const char *text;
} auth_names[AUTH_COUNT] = {
#define AUTH_NAME(id, name) [AUTH_##id] = {sizeof(name) - 1, name},
    AUTH_PARAMS(AUTH_NAME)
#undef AUTH_NAME
};

/* What a row holds; p == NULL for what it does not. */
struct auth_row {
    struct oh_span v[AUTH_COUNT];
};

/* A bare value: phones leave quotes away even from URIs, so anything but blanks and commas. */
static bool is_bare(char c)
{
    return (unsigned char)c > ' ' && c != 0x7f && c != ',' && c != '"';
}

int oh_auth_scheme(struct oh_span *rest, struct oh_span *scheme)
{
    struct oh_span s = *rest, token;

    oh__lex_lws(&s);
    if (!oh__lex_token(&s, &token) || (s.n && !oh__is(*s.p, OH__C_LWS)))
        return OH_E_SYNTAX;
    oh__lex_lws(&s);
    *rest = s;
    *scheme = token;
    return OH_OK;
}

/* The value behind "=", quoted or bare; an empty bare one is refused. */
static bool auth_value(struct oh_span *s, struct oh_param *param)
{
    size_t n = 0;

    param->quoted = oh__at(*s, '"');
    if (param->quoted)
        return oh__lex_quoted(s, &param->value);
    while (n < s->n && is_bare(s->p[n]))
        n++;
    param->value = oh_span_head(*s, n);
    oh__skip(s, n);
    return n > 0;
}

/* Commas in a row are taken for one, as in every list; a parameter without "=" would be the scheme
 * of another challenge in the same row, which SIP does not allow (RFC 3261 7.3.1). */
int oh_auth_param_next(struct oh_span *rest, struct oh_param *out)
{
    struct oh_span s = *rest;
    struct oh_param param;

    oh__lex_lws(&s);
    while (oh__lex_sep(&s, ','))
        continue;
    if (s.n == 0) {
        *rest = s;
        return OH_E_ABSENT;
    }
    if (!oh__lex_token(&s, &param.name) || !oh__lex_sep(&s, '=') || !auth_value(&s, &param))
        return OH_E_SYNTAX;
    oh__lex_lws(&s);
    if (s.n && !oh__at(s, ','))
        return OH_E_SYNTAX;
    *rest = s;
    *out = param;
    return OH_OK;
}

static enum auth_param auth_param_of(struct oh_span name)
{
    /* Most differ in length, the others in the first letter. */
    for (int i = 0; i < AUTH_COUNT; i++) {
        if (name.n == auth_names[i].n && ((name.p[0] ^ auth_names[i].text[0]) & 0x1f) == 0 &&
            oh_span_ieq(name, oh_span(auth_names[i].text, name.n)))
            return (enum auth_param)i;
    }
    return AUTH_COUNT;
}

/* Sorts all parameters of a row. Offsets in faults are relative to base. */
static int row_collect(struct oh_span rest, const char *base, struct auth_row *row,
                       struct oh_fault *fault)
{
    struct auth_row found = {0};
    struct oh_param param;
    int rc;

    while ((rc = oh_auth_param_next(&rest, &param)) == OH_OK) {
        enum auth_param which = auth_param_of(param.name);

        /* Extensions are to be ignored (RFC 7616 3.3). */
        if (which == AUTH_COUNT)
            continue;
        if (found.v[which].p)
            return oh__fail(fault, OH_E_DUPLICATE, (size_t)(param.name.p - base),
                            "an authentication parameter is there twice");
        found.v[which] = param.value;
    }
    if (rc != OH_E_ABSENT)
        return oh__fail(fault, rc, (size_t)(rest.p - base),
                        "not a list of authentication parameters");
    *row = found;
    return OH_OK;
}

/* Refuses a row in which a parameter is missing; an empty string counts as there. */
static int row_needs(const struct auth_row *row, enum auth_param which, const char *why,
                     struct oh_fault *fault)
{
    return row->v[which].p ? OH_OK : oh__fail(fault, OH_E_ABSENT, 0, why);
}

/* Anything but "true" is false (RFC 7616 3.3, stale and userhash). */
static bool is_true(struct oh_span s)
{
    return oh_span_ieq(s, OH_LIT("true"));
}

/* The set of options in "auth,auth-int"; credentials hold just one of them. */
static uint8_t qop_set(struct oh_span list)
{
    /* One that we do not know is noted: "some other qop" is not the same as "no qop". */
    uint8_t set = OH_QOP_NONE;

    while (list.n) {
        ptrdiff_t comma = oh_span_find(list, ',');
        size_t n = comma < 0 ? list.n : (size_t)comma;
        struct oh_span word = oh_span_trim(oh_span_head(list, n));

        if (oh_span_ieq(word, OH_LIT("auth")))
            set |= OH_QOP_AUTH;
        else if (oh_span_ieq(word, OH_LIT("auth-int")))
            set |= OH_QOP_AUTH_INT;
        else if (word.n)
            set |= OH_QOP_OTHER;
        list = oh_span_from(list, n + 1);
    }
    return set;
}

/* nc is exactly eight hexadecimal digits (RFC 7616 3.4). */
static int nc_decode(struct oh_span s, uint32_t *out)
{
    uint32_t v = 0;

    if (s.n != 8)
        return OH_E_SYNTAX;
    for (size_t i = 0; i < s.n; i++) {
        int digit = oh__hex_value(s.p[i]);

        if (digit < 0)
            return OH_E_SYNTAX;
        v = v << 4 | (uint32_t)digit;
    }
    *out = v;
    return OH_OK;
}

/* Reads the scheme; *digest tells whether parameters of ours follow. */
static int scheme_decode(struct oh_span *rest, struct oh_span *scheme, bool *digest,
                         struct oh_fault *fault)
{
    if (oh_auth_scheme(rest, scheme) != OH_OK)
        return oh__fail(fault, OH_E_SYNTAX, 0, "no authentication scheme");
    *digest = oh_span_ieq(*scheme, OH_LIT("Digest"));
    return OH_OK;
}

/* What must be in credentials, and what must not stand together (RFC 7616 3.4). */
static int credentials_complete(const struct auth_row *row, struct oh_fault *fault)
{
    static const struct {
        enum auth_param which;
        const char *why;
    } needed[] = {
        {AUTH_REALM, "credentials without realm"},
        {AUTH_NONCE, "credentials without nonce"},
        {AUTH_URI, "credentials without uri"},
        {AUTH_RESPONSE, "credentials without response"},
    };

    if (row->v[AUTH_USERNAME].p && row->v[AUTH_USERNAME_STAR].p)
        return oh__fail(fault, OH_E_SYNTAX, 0, "username and username* together");
    if (!row->v[AUTH_USERNAME].p && !row->v[AUTH_USERNAME_STAR].p)
        return oh__fail(fault, OH_E_ABSENT, 0, "credentials without username");
    if (row->v[AUTH_USERNAME_STAR].p && is_true(row->v[AUTH_USERHASH]))
        return oh__fail(fault, OH_E_SYNTAX, 0, "userhash with username*");
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        if (row_needs(row, needed[i].which, needed[i].why, fault) != OH_OK)
            return OH_E_ABSENT;
    }
    return OH_OK;
}

int oh_credentials_decode(struct oh_span value, struct oh_credentials *out, struct oh_fault *fault)
{
    struct oh_credentials c = {.nc = 0};
    struct oh_span rest = value;
    struct auth_row row;
    bool digest;
    int rc = scheme_decode(&rest, &c.scheme, &digest, fault);

    /* Another scheme is none of our business, and no fault: the caller sees its name. */
    if (rc == OH_OK && !digest) {
        *out = c;
        return OH_OK;
    }
    if (rc == OH_OK)
        rc = row_collect(rest, value.p, &row, fault);
    if (rc == OH_OK)
        rc = credentials_complete(&row, fault);
    if (rc != OH_OK)
        return rc;
    c.username = row.v[AUTH_USERNAME];
    c.username_star = row.v[AUTH_USERNAME_STAR];
    c.realm = row.v[AUTH_REALM];
    c.nonce = row.v[AUTH_NONCE];
    c.uri = row.v[AUTH_URI];
    c.response = row.v[AUTH_RESPONSE];
    c.cnonce = row.v[AUTH_CNONCE];
    c.opaque = row.v[AUTH_OPAQUE];
    c.algorithm_text = row.v[AUTH_ALGORITHM];
    c.algorithm = oh_algorithm_of(c.algorithm_text);
    c.userhash = is_true(row.v[AUTH_USERHASH]);
    c.qop_text = row.v[AUTH_QOP];
    c.qop = qop_set(c.qop_text);
    c.nc_text = row.v[AUTH_NC];
    c.has_nc = c.nc_text.p != NULL;
    if (c.has_nc && nc_decode(c.nc_text, &c.nc) != OH_OK)
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(c.nc_text.p - value.p),
                        "nc is not eight hexadecimal digits");
    *out = c;
    return OH_OK;
}

int oh_challenge_decode(struct oh_span value, struct oh_challenge *out, struct oh_fault *fault)
{
    struct oh_challenge c = {.stale = false};
    struct oh_span rest = value;
    struct auth_row row;
    bool digest;
    int rc = scheme_decode(&rest, &c.scheme, &digest, fault);

    if (rc == OH_OK && !digest) {
        *out = c;
        return OH_OK;
    }
    if (rc == OH_OK)
        rc = row_collect(rest, value.p, &row, fault);
    if (rc == OH_OK)
        rc = row_needs(&row, AUTH_REALM, "a challenge without realm", fault);
    if (rc == OH_OK)
        rc = row_needs(&row, AUTH_NONCE, "a challenge without nonce", fault);
    if (rc != OH_OK)
        return rc;
    c.realm = row.v[AUTH_REALM];
    c.nonce = row.v[AUTH_NONCE];
    c.opaque = row.v[AUTH_OPAQUE];
    c.domain = row.v[AUTH_DOMAIN];
    c.algorithm_text = row.v[AUTH_ALGORITHM];
    c.algorithm = oh_algorithm_of(c.algorithm_text);
    c.qop = qop_set(row.v[AUTH_QOP]);
    c.stale = is_true(row.v[AUTH_STALE]);
    c.userhash = is_true(row.v[AUTH_USERHASH]);
    *out = c;
    return OH_OK;
}

int oh_auth_info_decode(struct oh_span value, struct oh_auth_info *out, struct oh_fault *fault)
{
    struct oh_auth_info a = {.nc = 0};
    struct auth_row row;
    int rc = row_collect(value, value.p, &row, fault);

    if (rc != OH_OK)
        return rc;
    a.nextnonce = row.v[AUTH_NEXTNONCE];
    a.rspauth = row.v[AUTH_RSPAUTH];
    a.cnonce = row.v[AUTH_CNONCE];
    a.qop_text = row.v[AUTH_QOP];
    a.qop = qop_set(a.qop_text);
    a.nc_text = row.v[AUTH_NC];
    a.has_nc = a.nc_text.p != NULL;
    if (a.has_nc && nc_decode(a.nc_text, &a.nc) != OH_OK)
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(a.nc_text.p - value.p),
                        "nc is not eight hexadecimal digits");
    *out = a;
    return OH_OK;
}

/* One "%XX" or plain byte of RFC 5987 3.2.1 value-chars; returns its length, 0 when it is neither.
 */
static size_t ext_char(struct oh_span s, char *out)
{
    static const char attr_signs[] = "!#$&+-.^_`|~";
    int high, low;

    if (s.p[0] != '%') {
        if (!oh__is(s.p[0], OH__C_ALPHA | OH__C_DIGIT) && (!s.p[0] || !strchr(attr_signs, s.p[0])))
            return 0;
        *out = s.p[0];
        return 1;
    }
    high = s.n > 2 ? oh__hex_value(s.p[1]) : -1;
    low = s.n > 2 ? oh__hex_value(s.p[2]) : -1;
    if (high < 0 || low < 0)
        return 0;
    *out = (char)(high << 4 | low);
    return 3;
}

/* UTF-8'language'value-chars; RFC 7616 3.4 knows no other charset. */
static int ext_value_decode(struct oh_span s, struct oh_buf *out)
{
    ptrdiff_t quote;

    if (!oh_span_ieq(oh_span_head(s, 6), OH_LIT("UTF-8'")))
        return OH_E_SYNTAX;
    s = oh_span_from(s, 6);
    quote = oh_span_find(s, '\'');
    if (quote < 0)
        return OH_E_SYNTAX;
    s = oh_span_from(s, (size_t)quote + 1);
    while (s.n) {
        char c;
        size_t n = ext_char(s, &c);

        if (n == 0)
            return OH_E_SYNTAX;
        oh_buf_char(out, c);
        s = oh_span_from(s, n);
    }
    return oh_buf_error(out);
}

int oh_credentials_user(const struct oh_credentials *c, struct oh_buf *out)
{
    if (c->username_star.p)
        return ext_value_decode(c->username_star, out);
    oh_unquote(c->username, out);
    return oh_buf_error(out);
}

/* Writes one row: scheme, then parameters with ", " between them. */
struct writer {
    struct oh_buf *out;
    bool begun;
};

static void put_name(struct writer *w, const char *name)
{
    if (w->begun)
        oh_buf_lit(w->out, ", ");
    w->begun = true;
    oh_buf_span(w->out, oh_span_str(name));
    oh_buf_char(w->out, '=');
}

/* Without quotes nothing can be escaped, so what does not belong there is left out. */
static void put_bare(struct writer *w, enum auth_param which, struct oh_span s)
{
    if (!s.n)
        return;
    put_name(w, auth_names[which].text);
    for (size_t i = 0; i < s.n; i++) {
        if (is_bare(s.p[i]))
            oh_buf_char(w->out, s.p[i]);
    }
}

/* An empty string is written, NULL is not: opaque="" has to come back as it was. */
static void put_quoted(struct writer *w, enum auth_param which, struct oh_span s)
{
    if (!s.p)
        return;
    put_name(w, auth_names[which].text);
    oh__put_inside(w->out, s);
}

static struct writer put_scheme(struct oh_buf *out, struct oh_span scheme)
{
    oh_buf_span(out, scheme.n ? scheme : OH_LIT("Digest"));
    oh_buf_char(out, ' ');
    return (struct writer){out, false};
}

static struct oh_span algorithm_word(struct oh_algorithm a, struct oh_span text)
{
    return text.n ? text : oh_algorithm_text(a);
}

/* An offer of options, in the order of strength that most clients read first. */
static struct oh_span qop_offer(uint8_t set)
{
    switch (set & (OH_QOP_AUTH | OH_QOP_AUTH_INT)) {
    case OH_QOP_AUTH: return OH_LIT("auth");
    case OH_QOP_AUTH_INT: return OH_LIT("auth-int");
    case OH_QOP_AUTH | OH_QOP_AUTH_INT: return OH_LIT("auth,auth-int");
    default: return oh_span(NULL, 0);
    }
}

static struct oh_span qop_word(uint8_t qop, struct oh_span text)
{
    return text.n ? text : qop_offer(qop);
}

/* The count as it is hashed: the received digits, whose case matters, or 8 of our own. */
static void put_nc(struct writer *w, struct oh_span text, bool has, uint32_t nc)
{
    uint8_t bytes[4];

    put_bare(w, AUTH_NC, text);
    if (text.n || !has)
        return;
    put_name(w, auth_names[AUTH_NC].text);
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(nc >> (24 - 8 * i));
    oh_buf_hex(w->out, bytes, sizeof(bytes));
}

void oh_challenge_put(struct oh_buf *out, const struct oh_challenge *c)
{
    struct writer w = put_scheme(out, c->scheme);

    put_quoted(&w, AUTH_REALM, c->realm);
    put_quoted(&w, AUTH_DOMAIN, c->domain);
    put_quoted(&w, AUTH_NONCE, c->nonce);
    put_quoted(&w, AUTH_OPAQUE, c->opaque);
    if (c->stale)
        put_bare(&w, AUTH_STALE, OH_LIT("true"));
    put_bare(&w, AUTH_ALGORITHM, algorithm_word(c->algorithm, c->algorithm_text));
    put_quoted(&w, AUTH_QOP, qop_offer(c->qop));
    if (c->userhash)
        put_bare(&w, AUTH_USERHASH, OH_LIT("true"));
}

void oh_credentials_put(struct oh_buf *out, const struct oh_credentials *c)
{
    struct writer w = put_scheme(out, c->scheme);

    put_quoted(&w, AUTH_USERNAME, c->username);
    put_bare(&w, AUTH_USERNAME_STAR, c->username_star);
    put_quoted(&w, AUTH_REALM, c->realm);
    put_quoted(&w, AUTH_NONCE, c->nonce);
    put_quoted(&w, AUTH_URI, c->uri);
    put_quoted(&w, AUTH_RESPONSE, c->response);
    put_bare(&w, AUTH_ALGORITHM, algorithm_word(c->algorithm, c->algorithm_text));
    put_quoted(&w, AUTH_CNONCE, c->cnonce);
    put_quoted(&w, AUTH_OPAQUE, c->opaque);
    put_bare(&w, AUTH_QOP, qop_word(c->qop, c->qop_text));
    put_nc(&w, c->nc_text, c->has_nc, c->nc);
    if (c->userhash)
        put_bare(&w, AUTH_USERHASH, OH_LIT("true"));
}

void oh_auth_info_put(struct oh_buf *out, const struct oh_auth_info *a)
{
    struct writer w = {out, false};

    put_quoted(&w, AUTH_NEXTNONCE, a->nextnonce);
    put_bare(&w, AUTH_QOP, qop_word(a->qop, a->qop_text));
    put_quoted(&w, AUTH_RSPAUTH, a->rspauth);
    put_quoted(&w, AUTH_CNONCE, a->cnonce);
    put_nc(&w, a->nc_text, a->has_nc, a->nc);
}
