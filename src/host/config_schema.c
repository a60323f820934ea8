/*
 * Every setting is one line here: the loader checks against it, the reference
 * is printed from it, and nothing else knows a setting's name. Defaults are
 * not repeated: they are read out of the structs that oh__settings_default
 * and oh__config_process_default fill.
 */
#include "host/config_parts.h"
#include "serve/location.h"

#define SEC  UINT64_C(1000000000)
#define HOUR (3600 * SEC)
#define KIB  1024u
#define MIB  (1024u * 1024u)

/* The columns that most rows share. */
#define SET(field)      OH__BASE_SETTINGS, offsetof(struct oh__settings, field)
#define PROC(field)     OH__BASE_PROCESS, offsetof(struct oh__config_process, field)
#define LISTENER(field) OH__BASE_ELEMENT, offsetof(struct oh__settings_listener, field)
#define DOMAIN(field)   OH__BASE_ELEMENT, offsetof(struct oh__settings_domain, field)
#define FLAG(name, where, doc)                                          \
    {                                                                   \
        name, OH__SETTING_BOOL, where, 0, 1, 0, false, false, NULL, doc \
    }
#define COUNT(name, where, lo, hi, doc)                                    \
    {                                                                      \
        name, OH__SETTING_COUNT, where, lo, hi, 0, false, false, NULL, doc \
    }
#define COUNT0(name, where, lo, hi, doc)                                  \
    {                                                                     \
        name, OH__SETTING_COUNT, where, lo, hi, 0, true, false, NULL, doc \
    }
#define FIXED_COUNT(name, where, lo, hi, doc)                             \
    {                                                                     \
        name, OH__SETTING_COUNT, where, lo, hi, 0, false, true, NULL, doc \
    }
#define SECONDS(name, where, lo, hi, doc)                                    \
    {                                                                        \
        name, OH__SETTING_SECONDS, where, lo, hi, 0, false, false, NULL, doc \
    }
#define TIME(name, where, lo, hi, doc)                                        \
    {                                                                         \
        name, OH__SETTING_DURATION, where, lo, hi, 0, false, false, NULL, doc \
    }
#define TIME0(name, where, lo, hi, doc)                                      \
    {                                                                        \
        name, OH__SETTING_DURATION, where, lo, hi, 0, true, false, NULL, doc \
    }
#define FIXED_TIME(name, where, lo, hi, doc)                                 \
    {                                                                        \
        name, OH__SETTING_DURATION, where, lo, hi, 0, false, true, NULL, doc \
    }
#define BYTES(name, where, lo, hi, doc)                                   \
    {                                                                     \
        name, OH__SETTING_SIZE, where, lo, hi, 0, false, false, NULL, doc \
    }
#define FIXED_BYTES(name, where, lo, hi, doc)                            \
    {                                                                    \
        name, OH__SETTING_SIZE, where, lo, hi, 0, false, true, NULL, doc \
    }
#define TEXT(name, where, least, size, doc)                                    \
    {                                                                          \
        name, OH__SETTING_TEXT, where, least, 0, size, false, false, NULL, doc \
    }
#define FIXED_TEXT(name, where, size, doc)                                \
    {                                                                     \
        name, OH__SETTING_TEXT, where, 1, 0, size, false, true, NULL, doc \
    }
#define HOST(name, where, doc)                                                     \
    {                                                                              \
        name, OH__SETTING_HOST, where, 0, 0, OH__NAME_MAX, false, false, NULL, doc \
    }
#define CHOICE(name, where, choices, doc)                                    \
    {                                                                        \
        name, OH__SETTING_CHOICE, where, 0, 0, 0, false, false, choices, doc \
    }
#define DIGEST(name, where, doc)                                          \
    {                                                                     \
        name, OH__SETTING_DIGEST, where, 0, 0, 0, false, false, NULL, doc \
    }

static const char *const modes[] = {"proxy", "redirect", NULL};
static const char *const levels[] = {"error", "warn", "info", "debug", NULL};

/* clang-format off */
static const struct oh__setting_row top_rows[] = {
    HOST("default_domain", SET(default_domain),
        "Domain of accounts made without one, and of requests for a bare address of this "
        "server; empty: the first of `domains`."),
    FLAG("no_auth", SET(no_auth),
        "For laboratories: everybody is trusted and nobody is asked for a password."),
    TEXT("server_name", SET(server_name), 0, 64,
        "Value of the Server header in our own replies; empty sends none."),
    FIXED_TEXT("state", PROC(state), OH__CONFIG_PATH_MAX,
        "Directory for bindings, accounts and the control socket."),
    FIXED_COUNT("workers", PROC(workers), 0, OH__CONFIG_WORKERS_MAX,
        "Worker threads; 0 is the number of processor cores less one."),
    {"user", OH__SETTING_TEXT, PROC(user), 0, 0, OH__NAME_MAX, false, true, NULL,
        "Account to run as once the sockets are open; empty keeps the one that started the "
        "server."},
};

static const struct oh__setting_row listen_rows[] = {
    {"advertise", OH__SETTING_TEXT, LISTENER(advertise), 1, 0, OH__NAME_MAX, false, false, NULL,
        "Host name or address, with an optional `:port`, put into Via and Record-Route "
        "instead of the address (behind NAT)."},
    FLAG("optional", LISTENER(optional),
        "Leave this listener out silently when the machine does not have the address."),
};

static const struct oh__setting_row domain_rows[] = {
    CHOICE("mode", DOMAIN(mode), modes,
        "`proxy` forwards calls to the phones; `redirect` tells the caller where they are "
        "(302)."),
    FLAG("accept_foreign", DOMAIN(accept_foreign),
        "Strangers may call users of this domain without a password."),
    DIGEST("digest", DOMAIN(digest),
        "Digest algorithms offered, in this order, out of `\"MD5\"`, `\"SHA-256\"`, "
        "`\"SHA-512-256\"`; many phones only understand a single MD5 challenge."),
    HOST("alias_of", DOMAIN(alias_of),
        "Another domain of the list whose accounts and realm this name shares."),
};

static const struct oh__setting_row default_rows[] = {
    CHOICE("mode", SET(fallback.mode), modes, "As for a domain."),
    FLAG("accept_foreign", SET(fallback.accept_foreign), "As for a domain."),
    DIGEST("digest", SET(fallback.digest), "As for a domain."),
};

static const struct oh__setting_row registrar_rows[] = {
    SECONDS("expires_min", SET(expires_min), 1, 86400,
        "Shortest registration; a shorter one is refused with 423."),
    SECONDS("expires_default", SET(expires_default), 1, 604800,
        "Lifetime of a registration that asks for none."),
    SECONDS("expires_max", SET(expires_max), 1, 604800,
        "Longest registration; a longer one is cut to this."),
    COUNT("contacts", SET(contacts_max), 1, OH__BINDINGS_PER_AOR,
        "Phones (bindings) that one user may have. Those whose connection has ended make room for "
        "new ones."),
    BYTES("contact_size", SET(contact_len_max), 64, 8 * KIB, "Longest Contact value."),
};

static const struct oh__setting_row proxy_rows[] = {
    TIME("timer_c", SET(timer_c), 10 * SEC, HOUR,
        "How long a call may ring without a final answer (RFC 3261 16.6 asks for more than "
        "3 min)."),
    TIME("ring_time", SET(ring_time), SEC, HOUR,
        "How long phones of one q value ring before those of the next lower one are tried."),
    COUNT("branches", SET(branches_max), 1, 100, "Phones that one request is forked to."),
    COUNT("max_breadth", SET(max_breadth), 1, 60,
        "Max-Breadth of requests that carry none (RFC 5393 5.3.3)."),
    FLAG("recurse", SET(recurse),
        "Follow a 3xx answer of our users' phones instead of handing it to the caller; "
        "where a policy function decides, only to users of ours."),
    FLAG("record_route", SET(record_route), "Stay in the path of calls."),
    TIME0("nat_keepalive", SET(nat_keepalive), 5 * SEC, HOUR,
        "Interval of OPTIONS sent to UDP phones behind NAT; 0 sends none."),
    TIME("call_max", SET(call_max), 60 * SEC, 7 * 24 * HOUR,
        "Lifetime of our Record-Route tokens: after it, requests inside of a call are "
        "refused."),
};

static const struct oh__setting_row abuse_rows[] = {
    COUNT0("failures", SET(failures_max), 1, 100000,
        "Failed passwords of one source within `window` before it is banned; 0 bans nobody."),
    TIME("window", SET(ban_window), SEC, 24 * HOUR, "Time within which failures are counted."),
    TIME("ban", SET(ban_time), SEC, 7 * 24 * HOUR,
        "How long a source is banned; one with a valid registration never is."),
    TIME("nonce_life", SET(nonce_life), 10 * SEC, 24 * HOUR,
        "How long a digest challenge stays good."),
};

static const struct oh__setting_row maintenance_rows[] = {
    FLAG("on", SET(maintenance), "New calls and registrations get 503; calls in progress go on."),
    SECONDS("retry_after", SET(maintenance_retry), 1, 86400, "Retry-After sent with that 503."),
};

static const struct oh__setting_row limits_rows[] = {
    FIXED_BYTES("message", SET(limits.message), 1500, 65535, "Largest message in a datagram."),
    FIXED_BYTES("headers", SET(limits.headers), KIB, 65535, "Largest start line and headers."),
    FIXED_BYTES("body", SET(limits.body), 64, 4 * MIB, "Largest body (413)."),
    FIXED_BYTES("uri", SET(limits.uri), 64, 16 * KIB, "Longest Request-URI (414)."),
    FIXED_BYTES("stream_message", SET(stream_message_max), 1500, 16 * MIB,
        "Largest message on a stream (TCP)."),
    FIXED_COUNT("transactions", SET(transactions_max), 1000, 10000000,
        "Transactions in flight in the whole process, each with room for a message of 4 KiB; "
        "beyond, new requests get 503. Who is not trusted and has as many as are left for all "
        "others gets it, too."),
    FIXED_COUNT("completed", SET(completed_max), 1000, 40000000,
        "Completed transactions kept for retransmissions, each with room for a reply of 2 KiB; "
        "beyond, the oldest go."),
    FIXED_COUNT("bindings", SET(bindings_max), 100, 20000000,
        "Bindings in the whole process; beyond, a REGISTER gets 500."),
    COUNT("policy_steps", PROC(policy_steps), 1000, 100000000,
        "Lua instructions that one policy call may take."),
    BYTES("policy_memory", PROC(policy_memory), 1 * MIB, 1024 * MIB,
        "Memory that one worker's policy may hold."),
    FIXED_COUNT("shared", PROC(shared_max), 16, 10000000,
        "Entries of `shared`; beyond, the one written longest ago goes."),
    FIXED_BYTES("journal_segment", PROC(segment_bytes), 64 * KIB, 1024 * MIB,
        "Disk space that a journal of registrations takes at a time; each worker has one in use "
        "and some lie ready. Registrations of one AOR that need more are refused."),
};

static const struct oh__setting_row connections_rows[] = {
    FIXED_COUNT("max", SET(connections_max), 1, 1000000,
        "Connections in the whole process; beyond, a new one is closed at once."),
    FIXED_COUNT("per_source", SET(connections_per_source), 1, 1000000,
        "Connections accepted from one source (an IPv4 address or an IPv6 /64)."),
    FIXED_TIME("message_timeout", SET(message_timeout), SEC, HOUR,
        "How long a message may take from its first byte to its last."),
    FIXED_TIME("idle_timeout", SET(idle_timeout), SEC, 24 * HOUR,
        "How long a connection may stay without a message or keep-alive; one that a "
        "registration uses has no such end."),
    FIXED_BYTES("send_queue", SET(send_queue_max), 64 * KIB, 64 * MIB,
        "Bytes that may wait for one peer to read them; beyond, its connection is closed."),
};

static const struct oh__setting_row timers_rows[] = {
    FIXED_TIME("t1", SET(t1), SEC / 1000, 10 * SEC,
        "T1, the estimate of the round trip (RFC 3261 17.1.1.1)."),
    FIXED_TIME("t2", SET(t2), SEC / 1000, 60 * SEC,
        "T2, the longest interval between retransmissions."),
    FIXED_TIME("t4", SET(t4), SEC / 1000, 60 * SEC,
        "T4, how long a message stays in the network."),
};

static const struct oh__setting_row log_rows[] = {
    CHOICE("level", PROC(log_level), levels,
        "Least important event that is logged: `error`, `warn`, `info` or `debug`."),
    FIXED_TEXT("to", PROC(log_to), OH__CONFIG_PATH_MAX, "`stderr`, or the path of a file."),
};

#define ROWS(rows) sizeof(rows) / sizeof((rows)[0]), rows

static const struct oh__setting_group groups[] = {
    {"", OH__GROUP_TOP, false, ROWS(top_rows), "Plain settings."},
    {"listen", OH__GROUP_LISTEN, true, ROWS(listen_rows),
        "Where requests arrive: `\"udp:0.0.0.0:5060\"`, `\"tcp:[::]:5060\"`; without a "
        "port 5060."},
    {"domains", OH__GROUP_DOMAINS, false, ROWS(domain_rows),
        "The domains that this server is responsible for. With none, every host name that "
        "reaches it is its own."},
    {"domain_defaults", OH__GROUP_TABLE, false, ROWS(default_rows),
        "What holds for domains that do not say otherwise, and for all names when "
        "`domains` is empty."},
    {"trusted", OH__GROUP_TRUSTED, false, 0, NULL,
        "Networks of peers and gateways, whose requests need no password: "
        "`\"10.0.0.0/8\"`, `\"192.0.2.7\"`, `\"2001:db8::/32\"`."},
    {"registrar", OH__GROUP_TABLE, false, ROWS(registrar_rows), "Registrations of phones."},
    {"proxy", OH__GROUP_TABLE, false, ROWS(proxy_rows), "Forwarding of requests."},
    {"abuse", OH__GROUP_TABLE, false, ROWS(abuse_rows), "What guessing of passwords leads to."},
    {"maintenance", OH__GROUP_TABLE, false, ROWS(maintenance_rows),
        "Taking the server out of service without ending calls."},
    {"limits", OH__GROUP_TABLE, false, ROWS(limits_rows),
        "Bounds of everything that strangers can make grow."},
    {"connections", OH__GROUP_TABLE, false, ROWS(connections_rows),
        "Bounds of streams (TCP)."},
    {"timers", OH__GROUP_TABLE, false, ROWS(timers_rows),
        "SIP's base timers; all others are multiples of them (RFC 3261 17)."},
    {"log", OH__GROUP_TABLE, false, ROWS(log_rows), "The log: one event per line."},
};

/* In the order of enum oh__policy_point. */
static const struct oh__schema_name functions[] = {
    {"on_register",
        "an authenticated REGISTER, before the binding is stored. May return `reply{}`."},
    {"on_call",
        "a new INVITE, after the password and before the phones are looked up. May return "
        "`reply{}` or `route{}`."},
    {"on_request",
        "any other request outside of a dialog, likewise. May return `reply{}` or "
        "`route{}`."},
};

static const struct oh__schema_name builtins[] = {
    {"reply", "Makes a verdict: answer the request."},
    {"route", "Makes a verdict: send the request to these targets."},
    {"shared", "Counters and values that all workers share."},
    {"log", "Writes a line into the log."},
    {"env", "`env(name [, default])`: an environment variable, while the file is loaded."},
    {"file",
        "`file(path)`: the text of a small file, such as a secret, without its final line "
        "end, while the file is loaded."},
    {"include", "`include(path)`: runs another file of settings, relative to this one."},
    {"assert", NULL}, {"error", NULL}, {"ipairs", NULL}, {"next", NULL}, {"pairs", NULL},
    {"pcall", NULL}, {"select", NULL}, {"tonumber", NULL}, {"tostring", NULL}, {"type", NULL},
    {"unpack", NULL}, {"math", NULL}, {"string", NULL}, {"table", NULL}, {"utf8", NULL},
    {"_ENV", NULL},
};
/* clang-format on */

const struct oh__setting_group *oh__schema_group(unsigned i)
{
    return i < sizeof(groups) / sizeof(groups[0]) ? &groups[i] : NULL;
}

const struct oh__setting_group *oh__schema_find(const char *name)
{
    for (unsigned i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        if (strcmp(groups[i].name, name) == 0)
            return &groups[i];
    }
    return NULL;
}

struct oh__schema_name oh__schema_function(unsigned i)
{
    if (i >= sizeof(functions) / sizeof(functions[0]))
        return (struct oh__schema_name){NULL, NULL};
    return functions[i];
}

struct oh__schema_name oh__schema_builtin(unsigned i)
{
    if (i >= sizeof(builtins) / sizeof(builtins[0]))
        return (struct oh__schema_name){NULL, NULL};
    return builtins[i];
}

void oh__config_process_default(struct oh__config_process *p)
{
    *p = (struct oh__config_process){
        .log_level = OH__LOG_INFO,
        .log_to = "stderr",
        .policy_steps = 100000,
        .policy_memory = 16 * MIB,
        .shared_max = 65536,
        .segment_bytes = 16 * MIB,
    };
}
