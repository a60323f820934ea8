#include "sdp/lex.h"

bool oh__sdp_token_char(char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    return c && strchr("!#$%&'*+-.^_`{|}~", c);
}

bool oh__sdp_is_token(struct oh_span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!oh__sdp_token_char(s.p[i]))
            return false;
    }
    return s.n > 0;
}

bool oh__sdp_field(struct oh_span *rest, char end, struct oh_span *out)
{
    ptrdiff_t at = oh_span_find(*rest, end);
    size_t n = at < 0 ? rest->n : (size_t)at;

    if (n == 0)
        return false;
    *out = oh_span_head(*rest, n);
    *rest = oh_span_from(*rest, n + 1);
    return true;
}

bool oh__sdp_token(struct oh_span *rest, struct oh_span *out)
{
    struct oh_span s = *rest, field;

    if (!oh__sdp_field(&s, ' ', &field) || !oh__sdp_is_token(field))
        return false;
    *rest = s;
    *out = field;
    return true;
}
