/* One door to all typed headers for tables of cases: decode a value, write what was understood. */
#ifndef TESTS_UNIT_SIP_REWRITE_H
#define TESTS_UNIT_SIP_REWRITE_H

#include <offhook/buf.h>
#include <offhook/error.h>
#include <offhook/header.h>

/*
 * Decodes one value of a header with its typed decoder and writes it with its builder. The
 * decoder's code; OH_E_UNSUPPORTED for headers that are covered elsewhere (addresses, Via, free
 * text).
 */
int rewrite(enum oh_header_id id, struct oh_span value, struct oh_buf *out, struct oh_fault *fault);

#endif
