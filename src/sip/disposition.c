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
    (void)oh_param_find(t.params, OH_LIT("handling"), &handling);
    d.type = t.token;
    d.params = t.params;
    d.required = !oh_span_ieq(handling, OH_LIT("optional"));
    *out = d;
    return OH_OK;
}

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
