/* Writing descriptions, a line at a time. */
#include <offhook/sdp.h>

/* Text without the bytes that would end its line. */
static void put_text(struct oh_buf *out, struct oh_span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '\r' && s.p[i] != '\n' && s.p[i] != '\0')
            oh_buf_char(out, s.p[i]);
    }
}

/* A field and the blank behind it. */
static void put_field(struct oh_buf *out, struct oh_span s)
{
    put_text(out, s);
    oh_buf_char(out, ' ');
}

static void put_end(struct oh_buf *out)
{
    oh_buf_lit(out, "\r\n");
}

void oh_sdp_put_line(struct oh_buf *out, char type, struct oh_span value)
{
    oh_buf_char(out, type);
    oh_buf_char(out, '=');
    put_text(out, value);
    put_end(out);
}

void oh_sdp_put_head(struct oh_buf *out, const struct oh_sdp_origin *origin, struct oh_span name)
{
    oh_buf_lit(out, "v=0\r\no=");
    put_field(out, origin->username.n ? origin->username : OH_LIT("-"));
    put_field(out, origin->sess_id);
    oh_buf_u64(out, origin->version);
    oh_buf_char(out, ' ');
    put_field(out, origin->nettype);
    put_field(out, origin->addrtype);
    put_text(out, origin->address);
    put_end(out);
    oh_sdp_put_line(out, 's', name.n ? name : OH_LIT("-"));
}

void oh_sdp_put_connection(struct oh_buf *out, const struct oh_addr *addr)
{
    char text[OH_ADDR_TEXT_MAX];
    size_t n = oh_addr_host_text(addr, text);

    oh_buf_lit(out, "c=IN ");
    oh_buf_span(out, addr->family == OH_FAMILY_IPV6 ? OH_LIT("IP6 ") : OH_LIT("IP4 "));
    oh_buf_put(out, text, n);
    put_end(out);
}

void oh_sdp_put_time(struct oh_buf *out, uint64_t start, uint64_t stop)
{
    oh_buf_lit(out, "t=");
    oh_buf_u64(out, start);
    oh_buf_char(out, ' ');
    oh_buf_u64(out, stop);
    put_end(out);
}

void oh_sdp_put_media(struct oh_buf *out, const struct oh_sdp_media *m)
{
    oh_buf_lit(out, "m=");
    put_field(out, m->media);
    oh_buf_u64(out, m->port);
    if (m->ports > 1) {
        oh_buf_char(out, '/');
        oh_buf_u64(out, m->ports);
    }
    oh_buf_char(out, ' ');
    put_field(out, m->proto);
    put_text(out, m->formats);
    put_end(out);
}

void oh_sdp_put_attribute(struct oh_buf *out, struct oh_span name, struct oh_span value)
{
    oh_buf_lit(out, "a=");
    put_text(out, name);
    if (value.p) {
        oh_buf_char(out, ':');
        put_text(out, value);
    }
    put_end(out);
}

void oh_sdp_put(struct oh_buf *out, const struct oh_sdp *s)
{
    for (unsigned i = 0; i < s->lines_n; i++)
        oh_sdp_put_line(out, s->lines[i].type, oh_sdp_line_value(s, &s->lines[i]));
}
