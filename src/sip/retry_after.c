/*
 * Retry-After is one of the few headers with a comment, which may hold
 * comments, which may hold escaped parentheses (RFC 3261 25.1). It is the one
 * place of the grammar that nests; a counter does, so hostile nesting costs a
 * number and no stack.
 */
#include <offhook/retry_after.h>

#include "sip/lex.h"
#include "sip/value.h"

/* The offset behind the ")" that closes s[0] = "("; 0 when there is none. */
static size_t comment_end(struct oh_span s)
{
    size_t depth = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\')
            i++;
        else if (s.p[i] == '(')
            depth++;
        else if (s.p[i] == ')' && --depth == 0)
            return i + 1;
    }
    return 0;
}

/* Takes a comment with the white space before it, when there is one. */
static int comment_next(struct oh_span *rest, struct oh_span *inside)
{
    size_t n;

    oh__lex_lws(rest);
    if (!oh__at(*rest, '('))
        return OH_OK;
    n = comment_end(*rest);
    if (n == 0)
        return OH_E_SYNTAX;
    *inside = oh_span(rest->p + 1, n - 2);
    oh__skip(rest, n);
    return OH_OK;
}

int oh_retry_after_decode(struct oh_span value, struct oh_retry_after *out, struct oh_fault *fault)
{
    struct oh_retry_after r = {.seconds = 0};
    struct oh_span rest = value, text;
    uint64_t seconds;
    int rc;

    oh__lex_lws(&rest);
    if (!oh__lex_number(&rest, UINT32_MAX, &seconds))
        return oh__fail(fault, OH_E_SYNTAX, 0, "no number of seconds");
    r.seconds = seconds > UINT32_MAX ? UINT32_MAX : (uint32_t)seconds;
    if (comment_next(&rest, &r.comment) != OH_OK)
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(rest.p - value.p),
                        "a comment without its closing parenthesis");
    rc = oh__value_params(rest, value.p, &r.params, fault);
    if (rc != OH_OK)
        return rc;
    r.has_duration = oh_param_find(r.params, OH_LIT("duration"), &text);
    if (r.has_duration && oh__seconds(text, &r.duration) != OH_OK)
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(r.params.p - value.p),
                        "duration is not a number of seconds");
    *out = r;
    return OH_OK;
}

/*
 * Whether text can stand in parentheses as it is: its own are paired, and no
 * backslash quotes nothing, or a line end, which is not going to be written.
 */
static bool is_comment(struct oh_span s)
{
    long depth = 0;

    for (size_t i = 0; i < s.n && depth >= 0; i++) {
        if (s.p[i] == '\\') {
            if (++i == s.n || !s.p[i] || s.p[i] == '\r' || s.p[i] == '\n')
                return false;
        } else if (s.p[i] == '(') {
            depth++;
        } else if (s.p[i] == ')') {
            depth--;
        }
    }
    return depth == 0;
}

/* A comment as received, or, when it is not one, its text with everything escaped that needs it. */
static void put_comment(struct oh_buf *out, struct oh_span s)
{
    bool whole = is_comment(s);

    oh_buf_lit(out, " (");
    for (size_t i = 0; i < s.n; i++) {
        if (!whole && (s.p[i] == '(' || s.p[i] == ')' || s.p[i] == '\\'))
            oh_buf_char(out, '\\');
        oh__put_line(out, oh_span(s.p + i, 1));
    }
    oh_buf_char(out, ')');
}

void oh_retry_after_put(struct oh_buf *out, const struct oh_retry_after *r)
{
    oh_buf_u64(out, r->seconds);
    if (r->comment.p)
        put_comment(out, r->comment);
    if (r->params.n) {
        oh__put_params(out, r->params);
    } else if (r->has_duration) {
        oh_buf_lit(out, ";duration=");
        oh_buf_u64(out, r->duration);
    }
}
