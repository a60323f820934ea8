/* Decoding the topmost Via in place. */
#ifndef OH_SIP_VIA_H
#define OH_SIP_VIA_H

#include <offhook/error.h>
#include <offhook/via.h>

/*
 * oh_via_decode without the copy: on an error *v is half filled. Bytes up to limit may be read, see
 * wide.h. With `first` the text may go on with a comma and other values; v->text is then the first.
 */
int oh__via_decode(struct oh_span text, const char *limit, bool first, struct oh_via *v,
                   struct oh_fault *fault);

#endif
