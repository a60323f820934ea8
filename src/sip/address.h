/* Decoding an address in place: with its tag and its URI, where they are wanted in the same pass.
 */
#ifndef OH_SIP_ADDRESS_H
#define OH_SIP_ADDRESS_H

#include <offhook/address.h>

/*
 * As oh_address_decode, without the copy: on an error *a is half filled. *tag gets the tag
 * parameter, empty when absent. Bytes up to limit may be read, see wide.h.
 */
int oh__address_decode_tag(struct oh_span text, const char *limit, struct oh_address *a,
                           struct oh_span *tag, struct oh_fault *fault);

/*
 * The same and oh_uri_parse in one pass, for an address in brackets with nothing wrong about it,
 * which is nearly every one. Reads from p up to end, or to a comma, and returns where that is; NULL
 * for any other address, with everything half filled: then it is to be read by the functions that
 * know what is wrong.
 */
const char *oh__address_read(const char *p, const char *end, const char *limit,
                             struct oh_address *a, struct oh_uri *u, struct oh_span *tag);

#endif
