/*
 * Of a message of our own the core wants to know one thing only: the topmost
 * Via of a request, the To tag of a response. Indexing all of it for that
 * would cost as much as receiving it, and Via and To stand at the beginning;
 * so this walks the rows until it has found the one.
 */
#include "core/internal.h"

/* The offset behind the line feed that ends the row starting at `at`, folded lines included; 0 when
 * there is none. */
static size_t row_end(struct oh_span m, size_t at)
{
    while (at < m.n) {
        const char *lf = memchr(m.p + at, '\n', m.n - at);

        if (!lf)
            return 0;
        at = (size_t)(lf - m.p) + 1;
        if (at >= m.n || (m.p[at] != ' ' && m.p[at] != '\t'))
            return at;
    }
    return 0;
}

bool oh__own_row(struct oh_span message, struct oh_span name, char compact, struct oh_span *value)
{
    struct oh_span short_name = oh_span(&compact, 1);
    size_t at = row_end(message, 0);

    while (at && at < message.n && message.p[at] != '\r' && message.p[at] != '\n') {
        size_t end = row_end(message, at);
        struct oh_span row = oh_span(message.p + at, (end ? end : message.n) - at);
        ptrdiff_t colon = oh_span_find(row, ':');

        if (colon > 0) {
            struct oh_span is = oh_span_trim(oh_span_head(row, (size_t)colon));

            if (oh_span_ieq(is, name) || oh_span_ieq(is, short_name)) {
                *value = oh_span_trim(oh_span_from(row, (size_t)colon + 1));
                return true;
            }
        }
        at = end;
    }
    return false;
}

int oh__own_via(struct oh_span message, struct oh_via *via)
{
    struct oh_span rest, top;

    if (!oh__own_row(message, OH_LIT("Via"), 'v', &rest) || oh_comma_next(&rest, &top) != OH_OK ||
        oh_via_decode(top, via, NULL) != OH_OK)
        return OH_E_SYNTAX;
    return OH_OK;
}

struct oh_span oh__own_to_tag(struct oh_span message)
{
    struct oh_span value;
    struct oh_address to;

    if (!oh__own_row(message, OH_LIT("To"), 't', &value) ||
        oh_address_decode(value, &to, NULL) != OH_OK)
        return oh_span(NULL, 0);
    return oh_address_tag(&to);
}

int oh__own_msg(struct oh_endpoint *ep, struct oh_span message)
{
    /* Our own messages are not bound by the limits for strangers. */
    static const struct oh_msg_limits none = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
    size_t used;

    if (oh_msg_parse(message, OH_MSG_DATAGRAM, &none, &ep->scratch, &used, NULL) != OH_OK ||
        oh_msg_check(&ep->scratch, NULL) != OH_OK)
        return OH_E_SYNTAX;
    return OH_OK;
}
