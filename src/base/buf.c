/*
 * Writers check once whether all they have fits, and write nothing when it
 * does not: a buffer is either good up to its length or marked as failed, and
 * the caller, who asks once at the end, never sends half a header.
 */
#include <offhook/buf.h>
#include <offhook/error.h>

void oh_buf_u64(struct oh_buf *b, uint64_t v)
{
    size_t n = 1;
    char *out;

    /* Counting first lets the digits go where they belong, without a copy. */
    for (uint64_t left = v; left >= 10; left /= 10)
        n++;
    if (b->full || n > b->cap - b->n) {
        b->full = true;
        return;
    }
    out = b->p + b->n;
    b->n += n;
    do {
        out[--n] = (char)('0' + v % 10);
        v /= 10;
    } while (n);
}

void oh_buf_hex(struct oh_buf *b, const void *bytes, size_t n)
{
    static const char digit[16] = "0123456789abcdef";
    const unsigned char *in = bytes;
    char *out;

    /* Halving the room, not doubling n, which could wrap round. */
    if (b->full || n > (b->cap - b->n) / 2) {
        b->full = true;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        out = b->p + b->n;
        out[0] = digit[in[i] >> 4];
        out[1] = digit[in[i] & 15];
        b->n += 2;
    }
}

void oh_buf_host(struct oh_buf *b, const struct oh_addr *a)
{
    char text[OH_ADDR_TEXT_MAX];
    struct oh_addr plain = *a;
    size_t n;

    /* A host that nobody can reach must not get into a message. */
    if (a->family == OH_FAMILY_NONE) {
        b->full = true;
        return;
    }
    /* A zone means something on this machine only; SIP has no place for it. */
    plain.scope = 0;
    n = oh_addr_host_text(&plain, text);
    if (a->family == OH_FAMILY_IPV6)
        oh_buf_char(b, '[');
    oh_buf_put(b, text, n);
    if (a->family == OH_FAMILY_IPV6)
        oh_buf_char(b, ']');
}

/* How one byte goes into a quoted-string (RFC 3261 25.1). */
enum quoting { QUOTE_PLAIN, QUOTE_ESCAPE, QUOTE_DROP };

static enum quoting quoting_of(unsigned char c)
{
    /* quoted-pair may hold any 7-bit byte except these two; NUL ends text in too many programs. */
    if (c == '\r' || c == '\n' || c == '\0')
        return QUOTE_DROP;
    /* qdtext leaves out these two, and all controls besides the tab of LWS. */
    if (c == '"' || c == '\\' || (c < ' ' && c != '\t') || c == 0x7f)
        return QUOTE_ESCAPE;
    return QUOTE_PLAIN;
}

/*
 * A display name may come from a stranger, and goes into a header of ours: a
 * line end that got through would let him write the next header himself.
 */
void oh_buf_quoted(struct oh_buf *b, struct oh_span s)
{
    size_t start = 0;

    oh_buf_char(b, '"');
    /* Runs that need nothing are copied whole; names rarely need anything. */
    for (size_t i = 0; i < s.n; i++) {
        enum quoting q = quoting_of((unsigned char)s.p[i]);

        if (q == QUOTE_PLAIN)
            continue;
        oh_buf_put(b, s.p + start, i - start);
        if (q == QUOTE_ESCAPE)
            oh_buf_char(b, '\\');
        /* An escaped byte opens the next run, a dropped one stays out. */
        start = q == QUOTE_ESCAPE ? i : i + 1;
    }
    if (start < s.n)
        oh_buf_put(b, s.p + start, s.n - start);
    oh_buf_char(b, '"');
}

int oh_buf_error(const struct oh_buf *b)
{
    return b->full ? OH_E_LIMIT : OH_OK;
}
