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

/* X(id, name on the wire) */
#define AUTH_PARAMS(X)                                                                             \
    X(USERNAME, "username")                                                                        \
    X(USERNAME_STAR, "username*")                                                                  \
    X(REALM, "realm")                                                                              \
    X(NONCE, "nonce")                                                                              \
    X(URI, "uri")                                                                                  \
    X(RESPONSE, "response")                                                                        \
    X(ALGORITHM, "algorithm")                                                                      \
    X(CNONCE, "cnonce")                                                                            \
    X(OPAQUE, "opaque")                                                                            \
    X(QOP, "qop")                                                                                  \
    X(NC, "nc")                                                                                    \
    X(DOMAIN, "domain")                                                                            \
    X(STALE, "stale")                                                                              \
    X(USERHASH, "userhash")                                                                        \
    X(NEXTNONCE, "nextnonce")                                                                      \
    X(RSPAUTH, "rspauth")

enum auth_param {
#define AUTH_ENUM(id, name) AUTH_##id,
    AUTH_PARAMS(AUTH_ENUM)
#undef AUTH_ENUM
        AUTH_COUNT
};

static const char *const auth_names[AUTH_COUNT] = {
#define AUTH_NAME(id, name) [AUTH_##id] = (name),
    AUTH_PARAMS(AUTH_NAME)
#undef AUTH_NAME
};

/* What a row holds; p == NULL for what it does not. */
struct auth_row {
    struct oh_span v[AUTH_COUNT];
};

static int fail(struct oh_fault *fault, int code, size_t at, const char *why)
{
    if (fault)
        *fault = (struct oh_fault){code, 0, (uint32_t)at, why};
    return code;
}

int oh_auth_scheme(struct oh_span *rest, struct oh_span *scheme)
{
    struct oh_span s = *rest, token;

    oh__lex_lws(&s);
    if (!oh__lex_token(&s, &token))
        return OH_E_SYNTAX;
    if (s.n && !oh__is_lws(s.p[0]))
        return OH_E_SYNTAX;
    oh__lex_lws(&s);
    *rest = s;
    *scheme = token;
    return OH_OK;
}

int oh_auth_param_next(struct oh_span *rest, struct oh_param *out)
{
    struct oh_span s = *rest;
    struct oh_param param = {.quoted = false};

    oh__lex_lws(&s);
    while (s.n && s.p[0] == ',') {
        s = oh_span_from(s, 1);
        oh__lex_lws(&s);
    }
    if (s.n == 0) {
        *rest = s;
        return OH_E_ABSENT;
    }
    if (!oh__lex_token(&s, &param.name))
        return OH_E_SYNTAX;
    oh__lex_lws(&s);
    if (s.n == 0 || s.p[0] != '=')
        return OH_E_SYNTAX;
    s = oh_span_from(s, 1);
    oh__lex_lws(&s);
    if (s.n && s.p[0] == '"') {
        if (!oh__lex_quoted(&s, &param.value))
            return OH_E_SYNTAX;
        param.quoted = true;
    } else {
        param.value = bare_value(&s);
    }
    oh__lex_lws(&s);
    if (s.n && s.p[0] != ',')
        return OH_E_SYNTAX;
    *rest = s;
    *out = param;
    return OH_OK;
}
