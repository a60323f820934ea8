/*
 * Messages of a load test are the same text with some places changed, so the
 * text is cut once and rendering copies its pieces: about a dozen copies and
 * no formatting, where a general builder would spend more than the system call
 * that sends the message.
 */
#include "cmd/load.h"

#define NUMBER_DIGITS 20 /* of a 64-bit number in decimal */

/* The place of a name, OH__HOLE_COUNT when it is none. Only when templates are compiled. */
static enum oh__load_hole hole_of(struct oh_span name)
{
#define NAME(hole, what) [OH__HOLE_##hole] = #hole,
    static const char *const names[OH__HOLE_COUNT] = {OH__LOAD_HOLES(NAME)};
#undef NAME

    for (unsigned i = 0; i < OH__HOLE_COUNT; i++)
        if (oh_span_eq(name, oh_span_str(names[i])))
            return (enum oh__load_hole)i;
    return OH__HOLE_COUNT;
}

int oh__load_template_compile(struct oh_span text, struct oh__load_template *out)
{
    struct oh__load_template t = {0};

    while (text.n) {
        ptrdiff_t open = oh_span_find(text, '{'), close;
        size_t n = open < 0 ? text.n : (size_t)open;

        if (t.n == OH__LOAD_PIECES_MAX)
            return OH_E_LIMIT;
        t.pieces[t.n].literal = oh_span_head(text, n);
        t.pieces[t.n].hole = OH__HOLE_COUNT;
        text = oh_span_from(text, n);
        if (text.n) {
            close = oh_span_find(text, '}');
            if (close < 0)
                return OH_E_SYNTAX;
            t.pieces[t.n].hole = (uint8_t)hole_of(oh_span(text.p + 1, (size_t)close - 1));
            if (t.pieces[t.n].hole == OH__HOLE_COUNT)
                return OH_E_NOTFOUND;
            text = oh_span_from(text, (size_t)close + 1);
        }
        t.n++;
    }
    *out = t;
    return OH_OK;
}

void oh__load_template_render(const struct oh__load_template *t,
                              const struct oh_span values[OH__HOLE_COUNT], struct oh_buf *out)
{
    for (unsigned i = 0; i < t->n; i++) {
        oh_buf_span(out, t->pieces[i].literal);
        if (t->pieces[i].hole < OH__HOLE_COUNT)
            oh_buf_span(out, values[t->pieces[i].hole]);
    }
}

/* Writes a number with at least `width` digits. */
static void put_padded(struct oh_buf *out, uint64_t n, unsigned width)
{
    char digits[NUMBER_DIGITS];
    struct oh_buf number;

    oh_buf_init(&number, digits, sizeof digits);
    oh_buf_u64(&number, n);
    for (size_t i = number.n; i < width; i++)
        oh_buf_char(out, '0');
    oh_buf_span(out, oh_buf_view(&number));
}

/* Reads what stands behind a percent sign: "%" or "d", or "0Nd" with N from 1 to 9. */
static bool take_conversion(struct oh_span *rest, bool *number, unsigned *width)
{
    *width = 0;
    *number = false;
    if (rest->n && rest->p[0] == '%') {
        *rest = oh_span_from(*rest, 1);
        return true;
    }
    if (rest->n >= 2 && rest->p[0] == '0' && rest->p[1] >= '1' && rest->p[1] <= '9') {
        *width = (unsigned)(rest->p[1] - '0');
        *rest = oh_span_from(*rest, 2);
    }
    *number = rest->n && rest->p[0] == 'd';
    *rest = oh_span_from(*rest, 1);
    return *number;
}

int oh__load_format(struct oh_span format, uint64_t n, struct oh_buf *out)
{
    unsigned numbers = 0;

    while (format.n) {
        char c = format.p[0];
        unsigned width;
        bool number;

        format = oh_span_from(format, 1);
        if (c != '%') {
            oh_buf_char(out, c);
            continue;
        }
        if (!take_conversion(&format, &number, &width) || (number && ++numbers > 1))
            return OH_E_SYNTAX;
        if (number)
            put_padded(out, n, width);
        else
            oh_buf_char(out, '%');
    }
    return OH_OK;
}

bool oh__load_format_has_number(struct oh_span format)
{
    unsigned width;
    bool number;

    while (format.n) {
        bool percent = format.p[0] == '%';

        format = oh_span_from(format, 1);
        if (percent && take_conversion(&format, &number, &width) && number)
            return true;
    }
    return false;
}

void oh__load_hex_put(char *out, uint64_t v, unsigned digits)
{
    while (digits > 0) {
        out[--digits] = "0123456789abcdef"[v & 15];
        v >>= 4;
    }
}

bool oh__load_hex_get(struct oh_span *rest, unsigned digits, uint64_t *out)
{
    uint64_t v = 0;

    if (rest->n < digits)
        return false;
    for (unsigned i = 0; i < digits; i++) {
        char c = rest->p[i];

        if (c >= '0' && c <= '9')
            v = v << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *rest = oh_span_from(*rest, digits);
    *out = v;
    return true;
}
