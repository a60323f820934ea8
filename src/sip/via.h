/* Decoding the topmost Via in place. */
#ifndef OH_SIP_VIA_H
#define OH_SIP_VIA_H

#include <offhook/error.h>
#include <offhook/via.h>

/* oh_via_decode without the copy: on an error *v is half filled. */
int oh__via_decode(struct oh_span text, struct oh_via *v, struct oh_fault *fault);

#endif
