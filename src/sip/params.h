/* What the decoders of this layer share about ";name=value" lists. */
#ifndef OH_SIP_PARAMS_H
#define OH_SIP_PARAMS_H

#include <offhook/params.h>

/*
 * No value needs more parameters. Without the bound, finding a repeated name
 * would cost a hostile message's length squared.
 */
#define OH__PARAMS_MAX 64

/* The names seen so far; start with n = 0. */
struct oh__names {
    unsigned n;
    struct oh_span v[OH__PARAMS_MAX];
};

/* Adds a name. OH_OK, OH_E_DUPLICATE when it is there already (without case), OH_E_LIMIT. */
int oh__names_add(struct oh__names *seen, struct oh_span name);

/*
 * Walks a whole list and checks it like oh_params_check; *value gets the value of
 * `name` when it is there and stays otherwise. On an error *rest is where it is.
 */
int oh__params_scan(struct oh_span *rest, struct oh_span name, struct oh_span *value);

/* A phrase for people about an error of the functions above. */
const char *oh__params_why(int code);

#endif
