/*
 * What a receiver that does not understand a body has to do hangs on one
 * parameter: handling=required means 415, optional means to go on without it.
 * Everything that is absent or unknown counts as required, the careful reading
 * (RFC 3261 20.11): a call that is refused is noticed, a body that was silently
 * left out is not.
 */
#include <offhook/disposition.h>

#include "sip/lex.h"
#include "sip/value.h"

int oh_disposition_decode(struct oh_span value, struct oh_disposition *out, struct oh_fault *fault)
{
    struct oh_disposition d;
    struct oh_span handling = {NULL, 0};
    struct oh_token t;
    int rc = oh_token_decode(value, &t, fault);

    if (rc != OH_OK)
        return rc;
    /* Not found leaves it empty, which is not "optional" either. */
    (void)oh_param_find(t.params, OH_LIT("handling"), &handling);
    d.type = t.token;
    d.params = t.params;
    d.required = !oh_span_ieq(handling, OH_LIT("optional"));
    *out = d;
    return OH_OK;
}

/* The default of bodies without the header differs by type, because most phones never sent it with
 * their SDP. */
void oh_disposition_default(const struct oh_media *body, struct oh_disposition *out)
{
    bool sdp = oh_media_is(body, OH_LIT("application"), OH_LIT("sdp"));

    *out = (struct oh_disposition){sdp ? OH_LIT("session") : OH_LIT("render"), {NULL, 0}, true};
}

void oh_disposition_put(struct oh_buf *out, const struct oh_disposition *d)
{
    oh__put_line(out, d->type);
    if (d->params.n)
        oh__put_params(out, d->params);
    else if (!d->required)
        oh_buf_lit(out, ";handling=optional");
}
