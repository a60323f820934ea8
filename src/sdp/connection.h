/* c= is read when a description is checked and again when somebody asks for it. */
#ifndef OH_SDP_CONNECTION_H
#define OH_SDP_CONNECTION_H

#include <offhook/sdp.h>

/* Decodes the value of a c= line. OH_OK or OH_E_SYNTAX. */
int oh__sdp_connection_decode(struct oh_span value, struct oh_sdp_connection *out);

/* Decodes the value of an rtpmap attribute without the format. OH_OK or OH_E_SYNTAX. */
int oh__sdp_rtpmap_decode(struct oh_span value, struct oh_sdp_rtpmap *out);

#endif
