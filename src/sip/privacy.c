/*
 * A set of wishes as bits. What this program does not know becomes one bit of
 * its own and is not forgotten: with "critical" beside it, a privacy service
 * that cannot do everything it is asked for must refuse the request
 * (RFC 3323 5), and it can only know that if the unknown word was counted.
 */
#include <offhook/privacy.h>

#include "sip/lex.h"

static const struct {
    const char *text;
    unsigned bit;
} values[] = {
#define ROW(name, bit, text) {(text), (bit)},
    OH_PRIVACIES(ROW)
#undef ROW
};

#define VALUES (sizeof(values) / sizeof(values[0]))

static unsigned bit_of(struct oh_span token)
{
    for (size_t i = 0; i < VALUES; i++) {
        if (oh_span_ieq(token, oh_span_str(values[i].text)))
            return values[i].bit;
    }
    return OH_PRIVACY_OTHER;
}

int oh_privacy_decode(struct oh_span value, unsigned *set, struct oh_fault *fault)
{
    struct oh_span rest = value, token;
    unsigned found = 0;

    oh__lex_lws(&rest);
    /* One row at least has one value: an empty Privacy says nothing and is no "none". */
    do {
        if (!oh__lex_token(&rest, &token))
            return oh__fail(fault, OH_E_SYNTAX, (size_t)(rest.p - value.p),
                            "no privacy value where one must be");
        found |= bit_of(token);
    } while (oh__lex_sep(&rest, ';') || oh__lex_sep(&rest, ','));
    oh__lex_lws(&rest);
    if (rest.n)
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(rest.p - value.p),
                        "something behind a privacy value");
    *set = found;
    return OH_OK;
}

void oh_privacy_put(struct oh_buf *out, unsigned set)
{
    bool begun = false;

    for (size_t i = 0; i < VALUES; i++) {
        if (!(set & values[i].bit))
            continue;
        /* ";" and not ",": this is the one list of SIP that is divided like parameters. */
        if (begun)
            oh_buf_char(out, ';');
        oh_buf_span(out, oh_span_str(values[i].text));
        begun = true;
    }
}
