/* Decoding From and To, where the tag is wanted in the same pass. */
#ifndef OH_SIP_ADDRESS_H
#define OH_SIP_ADDRESS_H

#include <offhook/address.h>

/*
 * As oh_address_decode, without the copy: on an error *a is half filled. *tag gets the tag
 * parameter, empty when absent.
 */
int oh__address_decode_tag(struct oh_span text, struct oh_address *a, struct oh_span *tag,
                           struct oh_fault *fault);

#endif
