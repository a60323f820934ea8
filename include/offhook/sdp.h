/*
 * Session descriptions (RFC 8866, and RFC 4566 before it; RFC 3264 for what
 * offers and answers need). Parsing finds the lines and checks them; nothing
 * is copied and nothing allocated: the struct, a few kilobytes, holds offsets
 * and spans into the text, which must outlive it.
 *
 * Strict: "<letter>=" without blanks around "=", known letters only, v= o= s=
 * first and in this order, t= there, one blank between fields. Tolerant: LF as
 * line end, a last line without line end, empty lines at the end, blanks at
 * the end of o= t= c= b= m= lines, an empty s= or i=, any order of lines behind
 * s= within a section, no c= at all (the offer of a port that is not used).
 */
#ifndef OFFHOOK_SDP_H
#define OFFHOOK_SDP_H

#include <offhook/addr.h>
#include <offhook/buf.h>
#include <offhook/error.h>

#define OH_SDP_BYTES_MAX 65535 /* of the whole text */
#define OH_SDP_LINE_MAX  8192  /* of one line without its end */
#define OH_SDP_LINES_MAX 512
#define OH_SDP_MEDIA_MAX 32

/* A line: where its value is; the letter is two bytes before. */
struct oh_sdp_line {
    uint16_t at;  /* offset of the value in bytes */
    uint16_t len; /* of the value, bytes */
    char type;    /* the letter */
};

/* Neighbouring lines of the session, or of one medium without its m= line. */
struct oh_sdp_section {
    uint16_t first, n; /* indexes into lines */
};

/* o= (RFC 8866 5.2) */
struct oh_sdp_origin {
    struct oh_span username, sess_id, nettype, addrtype, address;
    uint64_t version; /* sess-version; larger numbers are OH_E_RANGE */
};

/* c= (RFC 8866 5.7) */
struct oh_sdp_connection {
    struct oh_span nettype, addrtype;
    struct oh_span address; /* without "/ttl" and "/count" */
    struct oh_span suffix;  /* "/ttl/count" of a multicast address, empty when absent */
    struct oh_addr addr;    /* of address; family NONE for a name or another network */
};

/* m= (RFC 8866 5.14) */
struct oh_sdp_media {
    struct oh_span media;   /* "audio" */
    struct oh_span proto;   /* "RTP/AVP" */
    struct oh_span formats; /* divided by blanks: oh_sdp_format_next */
    uint16_t port;          /* 0 = rejected or not offered (RFC 3264 6) */
    uint16_t ports;         /* how many; 1 when not said */
    struct oh_sdp_section section;
};

struct oh_sdp {
    struct oh_span text;
    struct oh_sdp_origin origin;
    struct oh_span name;           /* s= */
    uint64_t start, stop;          /* of the first t=, seconds since 1900; 0 = unbounded */
    struct oh_sdp_section section; /* the session's lines, v= o= s= among them */
    uint16_t lines_n;
    uint16_t media_n;
    struct oh_sdp_media media[OH_SDP_MEDIA_MAX];
    struct oh_sdp_line lines[OH_SDP_LINES_MAX];
};

/* Where and why a description was refused. */
struct oh_sdp_fault {
    int code;        /* OH_E_* */
    uint32_t line;   /* from 1 */
    uint32_t at;     /* offset in bytes from the start of the text */
    const char *why; /* static phrase */
};

/*
 * Parses a description that fills the span. OH_OK; OH_E_SYNTAX; OH_E_VERSION (v= is not 0);
 * OH_E_ABSENT (a line that must be there); OH_E_DUPLICATE (a line that may be there once);
 * OH_E_RANGE (a port above 65535, a version above 64 bits); OH_E_LIMIT (larger than the bounds
 * above). *out is written only on OH_OK; fault may be NULL.
 */
int oh_sdp_parse(struct oh_span text, struct oh_sdp *out, struct oh_sdp_fault *fault);

/* As a section's index: the session itself. */
#define OH_SDP_SESSION (-1)

/* The value of a line. */
static inline struct oh_span oh_sdp_line_value(const struct oh_sdp *s, const struct oh_sdp_line *l)
{
    return oh_span(s->text.p + l->at, l->len);
}

/*
 * The next line of a type in a section (index of a medium, or OH_SDP_SESSION) behind `after` (NULL
 * = from the start), or NULL.
 */
const struct oh_sdp_line *oh_sdp_line_next(const struct oh_sdp *s, int where, char type,
                                           const struct oh_sdp_line *after);

struct oh_sdp_attribute {
    struct oh_span name;
    struct oh_span value; /* p == NULL for a property attribute, one without ":" */
};

/* Reads a line of type 'a', which oh_sdp_parse has checked. */
struct oh_sdp_attribute oh_sdp_attribute_of(const struct oh_sdp *s, const struct oh_sdp_line *l);

/*
 * The next attribute of a name (with case, RFC 8866 5.13) in a section behind `after` (NULL = from
 * the start), or NULL; value (may be NULL) gets its text.
 */
const struct oh_sdp_line *oh_sdp_attribute(const struct oh_sdp *s, int where, struct oh_span name,
                                           const struct oh_sdp_line *after, struct oh_span *value);

/* Takes the next format ("0", "96") off a copy of `formats`. OH_OK or OH_E_ABSENT at the end. */
int oh_sdp_format_next(struct oh_span *formats, struct oh_span *format);

struct oh_sdp_rtpmap {
    struct oh_span encoding; /* "PCMU" */
    uint32_t rate;           /* clock, Hz */
    struct oh_span params;   /* behind the second "/": channels; empty when absent */
};

/*
 * What a format of a medium means: its a=rtpmap, else the static payload types of RFC 3551 6.
 * OH_OK, OH_E_ABSENT, OH_E_SYNTAX for an rtpmap out of form.
 */
int oh_sdp_rtpmap(const struct oh_sdp *s, int media, struct oh_span format,
                  struct oh_sdp_rtpmap *out);

/* The parameters of a format's a=fmtp. Returns whether it is there. */
bool oh_sdp_fmtp(const struct oh_sdp *s, int media, struct oh_span format, struct oh_span *params);

/* Bits: the offerer sends, the offerer receives. */
enum oh_sdp_direction {
    OH_SDP_INACTIVE = 0,
    OH_SDP_SENDONLY = 1,
    OH_SDP_RECVONLY = 2,
    OH_SDP_SENDRECV = 3,
};

/* The direction of a medium: its own, else the session's, else sendrecv (RFC 3264 5.1, RFC
 * 8866 6.7). */
enum oh_sdp_direction oh_sdp_direction(const struct oh_sdp *s, int media);

/* The attribute's name: "sendrecv" ... */
struct oh_span oh_sdp_direction_text(enum oh_sdp_direction d);

/* The connection of a medium: its first c=, else the session's (RFC 8866 5.7). OH_OK or
 * OH_E_ABSENT. */
int oh_sdp_connection(const struct oh_sdp *s, int media, struct oh_sdp_connection *out);

/* A b= value by type ("AS", "TIAS") in one section. OH_OK, or OH_E_ABSENT. */
int oh_sdp_bandwidth(const struct oh_sdp *s, int where, struct oh_span type, uint64_t *out);

/*
 * Builders append whole lines with CRLF. Bytes that would end a line (CR, LF, NUL) are dropped, so
 * a value stays one line whatever it holds; the caller tests oh_buf_error once at the end.
 */

/* Writes one line: the letter, "=", the value. */
void oh_sdp_put_line(struct oh_buf *out, char type, struct oh_span value);

/* "v=0", o=, s= ("-" when name is empty); an empty username is written "-" (RFC 8866 5.2). */
void oh_sdp_put_head(struct oh_buf *out, const struct oh_sdp_origin *origin, struct oh_span name);

/* Writes c= of the internet, IP4 or IP6 as the address is; its port does not count. */
void oh_sdp_put_connection(struct oh_buf *out, const struct oh_addr *addr);

/* Writes t= with start and stop in seconds since 1900, 0 = unbounded. */
void oh_sdp_put_time(struct oh_buf *out, uint64_t start, uint64_t stop);

/* m= from media, port, ports, proto and formats; the section is not looked at. */
void oh_sdp_put_media(struct oh_buf *out, const struct oh_sdp_media *m);

/* Writes a= with the name and, when value.p is not NULL, ":" and the value. */
void oh_sdp_put_attribute(struct oh_buf *out, struct oh_span name, struct oh_span value);

/* All lines of a parsed description as they are, each with CRLF. */
void oh_sdp_put(struct oh_buf *out, const struct oh_sdp *s);

#endif
