/*
 * The ladder: one line per message, for whoever has to find out what went
 * wrong; and the trace, a hash of the same, by which two runs are compared.
 * Nothing that happens depends on them.
 */
#include "parts.h"

#define LADDER_MAX (4u * 1024 * 1024)

static void add(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct world *w, const char *format, ...)
{
    size_t before = w->ladder.n;
    va_list args;

    if (before > LADDER_MAX || w->options.quiet)
        return;
    va_start(args, format);
    world_text_add(&w->ladder, format, args);
    va_end(args);
    if (w->options.verbose)
        fputs(w->ladder.p + before, stderr);
}

static double seconds(const struct world *w)
{
    return (double)(w->now - w->started) / 1e9;
}

void world_note(struct world *w, const char *format, ...)
{
    char text[WORLD_WHY];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    add(w, "%10.4f  -- %s\n", seconds(w), text);
}

/* The value of a row that is looked for by name at the start of lines: hostile bytes are shown,
 * too, so the parser is not asked. */
static struct oh_span row_of(struct oh_span text, const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i + n < text.n; i++) {
        struct oh_span rest = oh_span_from(text, i + 1);
        ptrdiff_t end;

        if (text.p[i] != '\n' || !oh_span_ieq(oh_span_head(rest, n), oh_span_str(name)))
            continue;
        rest = oh_span_from(rest, n);
        end = oh_span_find(rest, '\r');
        return oh_span_trim(oh_span_head(rest, end < 0 ? rest.n : (size_t)end));
    }
    return oh_span("", 0);
}

/* Control bytes would spoil the terminal. */
static void clean(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 127)
            *text = '.';
}

void ladder_message(struct world *w, bool to_server, const struct oh_addr *peer,
                    struct oh_span bytes, const char *fate)
{
    char address[OH_ADDR_TEXT_MAX], line[512];
    struct peer *p = peer_at(w, peer);
    ptrdiff_t end = oh_span_find(bytes, '\r');
    struct oh_span first = oh_span_head(bytes, end < 0 ? bytes.n : (size_t)end);
    struct oh__hash_key key = {w->trace, w->now};
    struct oh_span cseq, call;

    w->trace = oh__hash(&key, bytes) + to_server + 2 * oh__hash(&key, oh_span_str(fate));
    if (w->options.quiet)
        return;
    cseq = row_of(bytes, "CSeq:");
    call = row_of(bytes, "Call-ID:");
    oh_addr_text(peer, address);
    snprintf(line, sizeof line, "%-8.8s %s  %.*s  [%.*s, %.*s]%s%s", p ? p->name : address,
             to_server ? "->" : "<-", OH_PRI(oh_span_head(first, 120)),
             OH_PRI(oh_span_head(cseq, 24)), OH_PRI(oh_span_head(call, 48)), fate[0] ? "  " : "",
             fate);
    clean(line);
    add(w, "%10.4f  %s\n", seconds(w), line);
    if (w->options.verbose > 1)
        add(w, "%.*s\n", OH_PRI(bytes));
}
