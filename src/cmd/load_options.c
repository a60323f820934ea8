/*
 * What can be said on the command line, and the sentences for what cannot.
 * Nothing here touches the network.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/load.h"
#include "cmd/output.h"

#define SEC         UINT64_C(1000000000)
#define MS          UINT64_C(1000000)
#define YEAR        (UINT64_C(366) * 24 * 3600)
#define RATE_MAX    1000000
#define RAMP_STEPS  10
#define MOST_DIGITS 9

#define DEFAULT_USERS   100
#define DEFAULT_PORTS   4
#define DEFAULT_RATE    10
#define DEFAULT_EXPIRES 3600

#define OF_ALL                                                                                     \
    {"rate", "N/s", "begin N operations each second, however long answers take; 10 unless told",   \
     0},                                                                                           \
        {"window", "N", "instead of --rate: keep N operations in flight", 0},                      \
        {"ramp", "FROM:TO:SECONDS",                                                                \
         "instead of --rate: from one rate to another in 10 steps (or FROM:TO:SECONDS:STEPS), "    \
         "each of so many seconds. A rate is held when at most 0.1 % of its operations are lost "  \
         "and p99 is within --p99-max; one that is not is tried once more, and then the limit is " \
         "looked for below it",                                                                    \
         0},                                                                                       \
        {"duration", "TIME", "stop beginning after this time (10s, 5m); 10s unless told", 0},      \
        {"count", "N", "stop after N operations", 0},                                              \
        {"warmup", "TIME", "the beginning that is not counted; none unless told", 0},              \
        {"users", "N", "how many users take part; 100 unless told", 0},                            \
        {"user-format", "FORMAT",                                                                  \
         "their names; %d or %06d is the number, from 0; u%06d unless "                            \
         "told",                                                                                   \
         0},                                                                                       \
        {"domain", "NAME", "what stands behind their @; the target unless told", 0},               \
        {"transport", "udp|tcp", "how to go there; udp unless the target says tcp", 0},            \
        {"threads", "N", "threads; 1 unless told", 0},                                             \
        {"ports", "N",                                                                             \
         "source ports, or connections, of each thread, at most 64; 4 unless told. A server's "    \
         "workers are fed evenly from 64 or more",                                                 \
         0},                                                                                       \
        {"in-flight", "N",                                                                         \
         "how many operations may wait at once in an open loop; by rate unless "                   \
         "told",                                                                                   \
         0},                                                                                       \
        {"timeout", "TIME", "when a request without final response has failed; 32s unless told",   \
         0},                                                                                       \
        {"max-failures", "N", "stop when more than N operations have failed", 0},                  \
        {"p99-max", "MS",                                                                          \
         "a rate of a ramp is held when 99 % are done within so many "                             \
         "milliseconds; 100 unless told",                                                          \
         0},                                                                                       \
    {                                                                                              \
        "yes-i-own-this-server", NULL, "the target may be a public address", 0                     \
    }

#define OF_ACCOUNTS                                                                            \
    {"accounts", "FILE",                                                                       \
     "the users and their passwords: lines of user@domain,password, as for user import", 0},   \
        {"password-file", "FILE", "everybody's password is the first line of FILE", 0},        \
        {"password-format-file", "FILE",                                                       \
         "each user's password is the first line of FILE, with %d or %06d for the number", 0}, \
    {                                                                                          \
        "password", "TEXT",                                                                    \
            "a password on the command line is seen by everybody on this machine (ps): use "   \
            "--password-file, --password-format-file or --accounts",                           \
            OH__OPTION_SECRET                                                                  \
    }

#define OF_REGISTER(help)               \
    {                                   \
        "register-first", NULL, help, 0 \
    }

const struct oh__option oh__load_options_options[] = {OF_ALL, OF_ACCOUNTS, {NULL, NULL, NULL, 0}};

const struct oh__option oh__load_options_register[] = {
    OF_ALL,
    OF_ACCOUNTS,
    {"expires", "SECONDS", "what is asked for; 3600 unless told. The bindings stay", 0},
    {NULL, NULL, NULL, 0}};

const struct oh__option oh__load_options_message[] = {
    OF_ALL,
    OF_ACCOUNTS,
    OF_REGISTER("register all users before, answer what comes, and sign them off behind; without "
                "it the messages go to phones that are registered already"),
    {NULL, NULL, NULL, 0}};

const struct oh__option oh__load_options_call[] = {
    OF_ALL,
    OF_ACCOUNTS,
    {"hold", "TIME", "how long a call is up; 0 unless told", 0},
    OF_REGISTER("register all users before and sign them off behind; a call does so in any case"),
    {NULL, NULL, NULL, 0}};

/* ---- numbers ---- */

/* Cuts "12.5" off the front as a whole number and nanos of a unit. */
static bool take_decimal(struct oh_span *rest, uint64_t *whole, uint64_t *billionths)
{
    size_t n = 0, f = 0;
    uint64_t scale = UINT64_C(1000000000);

    while (n < rest->n && rest->p[n] >= '0' && rest->p[n] <= '9')
        n++;
    if (n == 0 || oh_span_u64(oh_span_head(*rest, n), UINT32_MAX, whole) != OH_OK)
        return false;
    *rest = oh_span_from(*rest, n);
    *billionths = 0;
    if (!rest->n || rest->p[0] != '.')
        return true;
    *rest = oh_span_from(*rest, 1);
    for (; f < rest->n && rest->p[f] >= '0' && rest->p[f] <= '9'; f++) {
        if (f == MOST_DIGITS)
            return false;
        scale /= 10;
        *billionths += (uint64_t)(rest->p[f] - '0') * scale;
    }
    *rest = oh_span_from(*rest, f);
    return f > 0;
}

bool oh__load_time_read(const char *text, uint64_t unit, uint64_t *out)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"us", 1000}, {"ms", MS}, {"s", SEC}, {"m", 60 * SEC}, {"h", 3600 * SEC}};
    struct oh_span rest = oh_span_str(text);
    uint64_t whole, billionths, ns = rest.n ? unit : 0;

    if (!take_decimal(&rest, &whole, &billionths))
        return false;
    for (size_t i = 0; rest.n && i < sizeof units / sizeof units[0]; i++) {
        if (oh_span_eq(rest, oh_span_str(units[i].name))) {
            ns = units[i].ns;
            rest = oh_span_from(rest, rest.n);
        }
    }
    if (rest.n || whole > YEAR * SEC / ns)
        return false;
    *out = whole * ns + (uint64_t)((double)billionths * 1e-9 * (double)ns + 0.5);
    return true;
}

/* Reads a rate off the front. */
static bool take_rate(struct oh_span *rest, double *out)
{
    uint64_t whole, billionths;
    double rate;

    if (!take_decimal(rest, &whole, &billionths))
        return false;
    rate = (double)whole + (double)billionths * 1e-9;
    if (rate <= 0 || rate > RATE_MAX)
        return false;
    *out = rate;
    return true;
}

bool oh__load_rate_read(const char *text, double *out)
{
    struct oh_span rest = oh_span_str(text);
    double rate;

    if (!take_rate(&rest, &rate) || (rest.n && !oh_span_eq(rest, OH_LIT("/s"))))
        return false;
    *out = rate;
    return true;
}

/* "FROM:TO:SECONDS[:STEPS]". */
static bool read_ramp(const char *text, struct oh__load_config *c)
{
    struct oh_span rest = oh_span_str(text), field;
    char lasts[32];
    ptrdiff_t colon;
    uint32_t steps = RAMP_STEPS;

    if (!take_rate(&rest, &c->rate) || !rest.n || rest.p[0] != ':')
        return false;
    rest = oh_span_from(rest, 1);
    if (!take_rate(&rest, &c->ramp_to) || !rest.n || rest.p[0] != ':')
        return false;
    /* A ramp ends where a rate is not held: downwards it would end at its first one. */
    if (c->ramp_to < c->rate)
        return false;
    rest = oh_span_from(rest, 1);
    colon = oh_span_find(rest, ':');
    field = colon < 0 ? rest : oh_span_head(rest, (size_t)colon);
    if (field.n >= sizeof lasts)
        return false;
    memcpy(lasts, field.p, field.n);
    lasts[field.n] = '\0';
    if (!oh__load_time_read(lasts, SEC, &c->ramp_step) || c->ramp_step < 100 * MS)
        return false;
    if (colon >= 0 &&
        (oh_span_u32(oh_span_from(rest, (size_t)colon + 1), OH__LOAD_RAMP_MAX, &steps) ||
         steps == 0))
        return false;
    c->ramp_steps = steps;
    return true;
}

/* ---- the target ---- */

/* Cuts a scheme off that says how to go there. NULL, or what is wrong with it. */
static const char *take_scheme(struct oh_span *s, uint8_t *transport)
{
    struct oh_span scheme = oh_span_head(*s, 4);

    if (s->n <= 4 || s->p[3] != ':')
        return NULL;
    if (oh_span_ieq(scheme, OH_LIT("tls:")))
        return "load speaks UDP and TCP only";
    if (oh_span_ieq(scheme, OH_LIT("udp:")))
        *transport = OH_TRANSPORT_UDP;
    else if (oh_span_ieq(scheme, OH_LIT("tcp:")))
        *transport = OH_TRANSPORT_TCP;
    else if (!oh_span_ieq(scheme, OH_LIT("sip:")))
        return NULL;
    *s = oh_span_from(*s, 4);
    return NULL;
}

/* The transport of a word; false when load does not speak it. */
static bool transport_of(struct oh_span word, uint8_t *out)
{
    uint8_t transport = oh_transport_of(word);

    if (transport != OH_TRANSPORT_UDP && transport != OH_TRANSPORT_TCP)
        return false;
    *out = transport;
    return true;
}

/* Cuts ";transport=tcp" off the end. NULL, or what is wrong. */
static const char *take_params(struct oh_span *s, uint8_t *transport)
{
    ptrdiff_t at = oh_span_find(*s, ';');
    struct oh_span params = oh_span_from(*s, at < 0 ? s->n : (size_t)at);

    if (at < 0)
        return NULL;
    if (!oh_span_ieq(oh_span_head(params, 11), OH_LIT(";transport=")))
        return "it is a server's name or address; the only parameter there can be is transport";
    if (!transport_of(oh_span_from(params, 11), transport))
        return "load speaks UDP and TCP only";
    *s = oh_span_head(*s, (size_t)at);
    return NULL;
}

const char *oh__load_target_read(const char *text, struct oh__load_where *out)
{
    struct oh_span s = oh_span_str(text), name;
    struct oh__load_where w = {.transport = OH_TRANSPORT_OTHER};
    uint32_t number = 5060;
    struct oh_addr literal;
    ptrdiff_t end;
    const char *why = take_scheme(&s, &w.transport);

    if (!why && oh_span_find(s, '@') >= 0)
        why = "it is a server's name or address, without user";
    if (!why)
        why = take_params(&s, &w.transport);
    if (why)
        return why;
    end = s.n && s.p[0] == '[' ? oh_span_find(s, ']') + 1 : oh_span_find(s, ':');
    if (s.n && s.p[0] == '[' && end == 0)
        return "']' is missing";
    name = end < 0 ? s : oh_span_head(s, (size_t)end);
    s = oh_span_from(s, name.n);
    w.with_port = s.n > 0;
    if (s.n && (s.p[0] != ':' || oh_span_u32(oh_span_from(s, 1), 65535, &number) || number == 0))
        return "the port must be a number from 1 to 65535 (and IPv6 stand in brackets)";
    if (name.n && name.p[0] == '[') {
        if (oh_addr_parse(name, &literal) != OH_OK)
            return "it is not an IPv6 address";
        name = oh_span(name.p + 1, name.n - 2);
    }
    if (name.n == 0 || name.n >= OH__LOAD_HOST_MAX)
        return "there is no host in it";
    memcpy(w.host, name.p, name.n);
    w.port = (uint16_t)number;
    *out = w;
    return NULL;
}

bool oh__load_addr_is_near(const struct oh_addr *a)
{
    static const char *const near[] = {"127.0.0.0/8",    "10.0.0.0/8",     "172.16.0.0/12",
                                       "192.168.0.0/16", "169.254.0.0/16", "::1/128",
                                       "fc00::/7",       "fe80::/10"};
    struct oh_network net;

    for (size_t i = 0; i < sizeof near / sizeof near[0]; i++)
        if (oh_network_parse(oh_span_str(near[i]), &net) == OH_OK && oh_network_has(&net, a))
            return true;
    return false;
}

/* ---- the whole ---- */

/* Reads an option that is a time; what is not given stays as it is. */
static bool time_arg(const struct oh__args *args, const char *name, uint64_t unit, uint64_t *out)
{
    const char *text = oh__arg(args, name);

    if (!text || oh__load_time_read(text, unit, out))
        return true;
    oh__fail("--%s %s: it must be a time such as 10, 1.5s, 250ms or 5m", name, text);
    return false;
}

/* Reads an option that is a number from 1 on. */
static bool count_arg(const struct oh__args *args, const char *name, uint64_t max,
                      uint64_t fallback, uint64_t *out)
{
    unsigned long value;

    if (!oh__arg_number(args, name, (unsigned long)max, (unsigned long)fallback, &value))
        return false;
    *out = value;
    return true;
}

/* Copies a text; false when it does not fit. */
static bool copy_text(char *out, size_t cap, struct oh_span text)
{
    if (text.n >= cap)
        return false;
    memcpy(out, text.p, text.n);
    out[text.n] = '\0';
    return true;
}

/* What the target or --transport says, which must not say two things; else UDP. */
static bool read_transport(const struct oh__args *args, uint8_t target, struct oh__load_config *c)
{
    const char *text = oh__arg(args, "transport");
    uint8_t said = target;

    if (text && !transport_of(oh_span_str(text), &said)) {
        oh__fail("--transport %s: it must be udp or tcp", text);
        return false;
    }
    if (target != OH_TRANSPORT_OTHER && said != target) {
        oh__fail("--transport %s: the target says something else", text);
        return false;
    }
    c->transport = said == OH_TRANSPORT_OTHER ? OH_TRANSPORT_UDP : said;
    return true;
}

/*
 * The target also names the domain of the users, with the port when there was one: that is how a
 * URI says which server is meant (RFC 3261 19.1.1), and --domain says otherwise.
 */
static bool read_target(const struct oh__args *args, struct oh__load_config *c)
{
    const char *text = args->words[0], *domain = oh__arg(args, "domain");
    char written[OH__LOAD_HOST_MAX + 16];
    struct oh__load_where where;
    const char *why = oh__load_target_read(text, &where);
    bool v6 = !why && strchr(where.host, ':') != NULL;

    if (why) {
        oh__fail("%s: %s", text, why);
        return false;
    }
    memcpy(c->host, where.host, sizeof c->host);
    c->port = where.port;
    if (!read_transport(args, where.transport, c))
        return false;
    if (domain)
        snprintf(written, sizeof written, "%s", domain);
    else if (where.with_port)
        snprintf(written, sizeof written, v6 ? "[%s]:%u" : "%s:%u", c->host, c->port);
    else
        snprintf(written, sizeof written, v6 ? "[%s]" : "%s", c->host);
    struct oh_span end = oh_span_str(written);
    struct oh_uri uri;
    char whole[sizeof written + 8];

    /* What stands in every message had better be right once. */
    snprintf(whole, sizeof whole, "sip:u@%s", written);
    if (!copy_text(c->domain, sizeof c->domain, end) ||
        oh_uri_parse(oh_span_str(whole), &uri, NULL) != OH_OK || uri.params.n || uri.headers.n) {
        oh__fail("%s: no domain of a SIP address", written);
        return false;
    }
    return true;
}

/* Which loop: exactly one of --rate, --window and --ramp, else the default rate. */
static bool read_loop(const struct oh__args *args, struct oh__load_config *c)
{
    const char *rate = oh__arg(args, "rate"), *ramp = oh__arg(args, "ramp");
    bool window = oh__arg_given(args, "window");
    uint64_t n;

    if ((rate != NULL) + (ramp != NULL) + window > 1) {
        oh__fail("--rate, --window and --ramp exclude each other");
        return false;
    }
    if (ramp && (oh__arg_given(args, "duration") || oh__arg_given(args, "count"))) {
        oh__fail("--ramp says itself how long it lasts: leave --duration and --count out");
        return false;
    }
    if (!ramp && oh__arg_given(args, "p99-max")) {
        oh__fail("--p99-max judges the steps of a --ramp");
        return false;
    }
    if (window && oh__arg_given(args, "in-flight")) {
        oh__fail("--window is how many are in flight: leave --in-flight out");
        return false;
    }
    c->rate = window ? 0 : DEFAULT_RATE;
    if (rate && !oh__load_rate_read(rate, &c->rate)) {
        oh__fail("--rate %s: it must be a number of operations per second, at most %d", rate,
                 RATE_MAX);
        return false;
    }
    if (ramp && !read_ramp(ramp, c)) {
        oh__fail("--ramp %s: it must be FROM:TO:SECONDS or FROM:TO:SECONDS:STEPS, such as "
                 "1000:20000:5, and rise (at most %d steps, none shorter than 100ms)",
                 ramp, OH__LOAD_RAMP_MAX);
        return false;
    }
    if (!count_arg(args, "window", OH__LOAD_SLOTS_MAX, 0, &n))
        return false;
    c->window = (uint32_t)n;
    return true;
}

/* All options that are times, with their defaults. */
static bool read_times(const struct oh__args *args, struct oh__load_config *c)
{
    c->duration = c->ramp_to > 0 || oh__arg_given(args, "count") ? 0 : 10 * SEC;
    c->timeout = 32 * SEC;
    c->p99_max = 100 * MS;
    if (!time_arg(args, "duration", SEC, &c->duration) ||
        !time_arg(args, "warmup", SEC, &c->warmup) || !time_arg(args, "hold", SEC, &c->hold) ||
        !time_arg(args, "timeout", SEC, &c->timeout) || !time_arg(args, "p99-max", MS, &c->p99_max))
        return false;
    if (oh__arg_given(args, "duration") && c->duration == 0) {
        oh__fail("--duration must be more than 0");
        return false;
    }
    if (c->timeout < 100 * MS) {
        oh__fail("--timeout must be at least 100ms");
        return false;
    }
    return true;
}

/* All options that are numbers, with their defaults. */
static bool read_numbers(const struct oh__args *args, struct oh__load_config *c)
{
    uint64_t users, threads, ports, expires, slots;

    if (!count_arg(args, "count", UINT64_C(1000000000000), 0, &c->count) ||
        !count_arg(args, "users", OH__LOAD_USERS_MAX, DEFAULT_USERS, &users) ||
        !count_arg(args, "threads", OH__LOAD_THREADS_MAX, 1, &threads) ||
        !count_arg(args, "ports", OH__NET_LISTENERS_MAX, DEFAULT_PORTS, &ports) ||
        !count_arg(args, "expires", UINT32_MAX, DEFAULT_EXPIRES, &expires) ||
        !count_arg(args, "in-flight", OH__LOAD_SLOTS_MAX, 0, &slots))
        return false;
    c->users = (uint32_t)users;
    c->threads = (unsigned)threads;
    c->ports = (unsigned)ports;
    c->expires = (uint32_t)expires;
    c->slots = (uint32_t)slots;
    const char *failures = oh__arg(args, "max-failures");

    c->max_failures = OH__NEVER;
    if (failures &&
        oh_span_u64(oh_span_str(failures), UINT64_C(1000000000000), &c->max_failures) != OH_OK) {
        oh__fail("--max-failures %s: it must be a number, 0 or more", failures);
        return false;
    }
    return true;
}

/* The first line of a file, without its end. */
static bool read_line(const char *path, char out[OH__LOAD_PASSWORD_MAX])
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    char *got = f ? fgets(out, OH__LOAD_PASSWORD_MAX, f) : NULL;
    size_t n = got ? strcspn(out, "\r\n") : 0;
    bool whole = got && (out[n] || n + 1 < OH__LOAD_PASSWORD_MAX);

    if (!got || n == 0)
        oh__fail("%s: %s", path, f ? "there is no password in its first line" : strerror(errno));
    else if (!whole)
        oh__fail("%s: the first line is longer than a password", path);
    if (f && f != stdin)
        fclose(f);
    if (got)
        out[n] = '\0';
    return whole && n > 0;
}

/* A percent sign of a password is one of the format, and must be doubled in there. */
static bool escape_percent(char text[OH__LOAD_PASSWORD_MAX])
{
    char copy[OH__LOAD_PASSWORD_MAX];
    size_t n = 0;

    for (const char *c = text; *c; c++) {
        if (n + 2 >= sizeof copy)
            return false;
        copy[n++] = *c;
        if (*c == '%')
            copy[n++] = '%';
    }
    copy[n] = '\0';
    memcpy(text, copy, n + 1);
    return true;
}

/* Where passwords come from: never from the command line, which everybody on the machine sees. */
static bool read_passwords(const struct oh__args *args, struct oh__load_config *c)
{
    const char *one = oh__arg(args, "password-file"),
               *format = oh__arg(args, "password-format-file");
    char room[OH__LOAD_PASSWORD_MAX + 32];
    struct oh_buf b;

    c->accounts = oh__arg(args, "accounts");
    if ((one != NULL) + (format != NULL) + (c->accounts != NULL) > 1) {
        oh__fail("--accounts, --password-file and --password-format-file exclude each other");
        return false;
    }
    if (c->accounts && (oh__arg_given(args, "users") || oh__arg_given(args, "user-format"))) {
        oh__fail("--accounts names the users: leave --users and --user-format out");
        return false;
    }
    if ((one || format) && !read_line(one ? one : format, c->password_format))
        return false;
    if (one && !escape_percent(c->password_format)) {
        oh__fail("%s: the first line is longer than a password", one);
        return false;
    }
    oh_buf_init(&b, room, sizeof room);
    if (oh__load_format(oh_span_str(c->password_format), 0, &b) != OH_OK) {
        oh__fail("%s: a format has one %%d or %%06d, and %%%% for a percent sign", format);
        return false;
    }
    return true;
}

/* A format must give names that need no escapes, and a different one for each user. */
static bool read_user_format(const struct oh__args *args, struct oh__load_config *c)
{
    const char *text = oh__arg(args, "user-format");
    struct oh_span format = oh_span_str(text ? text : "u%06d");
    char name[OH__LOAD_FORMAT_MAX + 32], escaped[3 * sizeof name];
    struct oh_buf plain, user;

    oh_buf_init(&plain, name, sizeof name);
    oh_buf_init(&user, escaped, sizeof escaped);
    if (!copy_text(c->user_format, sizeof c->user_format, format) ||
        oh__load_format(format, c->users - 1, &plain) != OH_OK) {
        oh__fail("--user-format %s: it must be short, with one %%d or %%06d", text);
        return false;
    }
    oh_uri_put_user(&user, oh_buf_view(&plain));
    if (!oh_span_eq(oh_buf_view(&plain), oh_buf_view(&user)) || plain.n == 0) {
        oh__fail("--user-format %s: it has characters that a user's name cannot have", text);
        return false;
    }
    if (c->users > 1 && !oh__load_format_has_number(format)) {
        oh__fail("--user-format %s: %u users need a %%d to differ", text, c->users);
        return false;
    }
    return true;
}

int oh__load_config_read(const struct oh__args *args, struct oh__load_config *out)
{
    static const char *const kinds[] = {"load options", "load register", "load message",
                                        "load call"};
    struct oh__load_config c = {0};

    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(args->command->name, kinds[i]) == 0)
            c.kind = (enum oh__load_kind)i;
    if (!read_target(args, &c) || !read_loop(args, &c) || !read_times(args, &c) ||
        !read_numbers(args, &c) || !read_user_format(args, &c) || !read_passwords(args, &c))
        return OH__EXIT_USAGE;
    c.register_first = c.kind == OH__LOAD_CALL || oh__arg_given(args, "register-first");
    c.own = oh__arg_given(args, "yes-i-own-this-server");
    c.json = args->json;
    *out = c;
    return OH__EXIT_OK;
}
