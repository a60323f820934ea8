/*
 * One value of the file becomes one field: units, ranges and forms. A value is
 * refused with what it must be and what it is, because "invalid value" helps
 * nobody.
 */
#include <stdarg.h>

#include <lauxlib.h>

#include <offhook/flow.h>

#include "host/config_parts.h"

#define SECOND       1000000000.0
#define DEFAULT_PORT 5060
#define EXACT_MAX    9.0e15 /* whole numbers up to here are exact in a double */

struct unit {
    const char *name;
    double factor;
};

static const struct unit time_units[] = {
    {"ms", SECOND / 1000},
    {"s", SECOND},
    {"min", 60 * SECOND},
    {"h", 3600 * SECOND},
    {"d", 24 * 3600 * SECOND},
    {"", SECOND},
    {NULL, 0},
};

static const struct unit size_units[] = {
    {"B", 1},
    {"KiB", 1024},
    {"MiB", 1024.0 * 1024},
    {"GiB", 1024.0 * 1024 * 1024},
    {"kB", 1e3},
    {"MB", 1e6},
    {"", 1},
    {NULL, 0},
};

static int fail(char why[OH__CONFIG_WHY_MAX], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int fail(char why[OH__CONFIG_WHY_MAX], const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, OH__CONFIG_WHY_MAX, format, args);
    va_end(args);
    return OH_E_SYNTAX;
}

/* Digits with at most one point in between; the rest is left in *s. */
static int take_decimal(struct oh_span *s, double *out)
{
    double v = 0, scale = 0;
    size_t n = 0, digits = 0;

    for (; n < s->n; n++) {
        char c = s->p[n];

        if (c == '.' && scale == 0 && digits) {
            scale = 1;
            continue;
        }
        if (c < '0' || c > '9')
            break;
        v = v * 10 + (c - '0');
        scale *= 10;
        digits++;
    }
    if (digits == 0 || s->p[n - 1] == '.')
        return OH_E_SYNTAX;
    *s = oh_span_from(*s, n);
    *out = scale > 1 ? v / scale : v;
    return OH_OK;
}

/* A number with a unit out of a table, into the table's smallest unit. */
static int with_unit(struct oh_span text, const struct unit *units, uint64_t *out)
{
    struct oh_span s = oh_span_trim(text);
    double v;

    if (take_decimal(&s, &v) != OH_OK)
        return OH_E_SYNTAX;
    s = oh_span_trim(s);
    for (; units->name; units++) {
        if (!oh_span_eq(s, oh_span_str(units->name)))
            continue;
        v *= units->factor;
        if (v > EXACT_MAX * 1000)
            return OH_E_RANGE;
        *out = (uint64_t)(v + 0.5);
        return OH_OK;
    }
    return OH_E_SYNTAX;
}

int oh__config_duration(struct oh_span text, uint64_t *ns)
{
    return with_unit(text, time_units, ns);
}

int oh__config_size(struct oh_span text, uint64_t *bytes)
{
    return with_unit(text, size_units, bytes);
}

/* Writes v in the largest unit that divides it. */
static void unit_text(uint64_t v, const struct unit *units, char *out, size_t cap)
{
    const struct unit *best = NULL;

    for (; units->name; units++) {
        uint64_t f = (uint64_t)units->factor;

        /* Powers of ten are left out: 64000 bytes read better as a number than as kB. */
        if (units->name[0] == 0 || units->name[1] == 'B')
            continue;
        if (v % f == 0 && (!best || f > (uint64_t)best->factor))
            best = units;
    }
    if (best && v)
        snprintf(out, cap, "%llu %s", (unsigned long long)(v / (uint64_t)best->factor), best->name);
    else
        snprintf(out, cap, "%llu", (unsigned long long)v);
}

void oh__config_value_text(const struct oh__setting_row *row, uint64_t value,
                           char out[OH__CONFIG_VALUE_TEXT])
{
    if (row->type == OH__SETTING_SECONDS)
        unit_text(value * (uint64_t)SECOND, time_units, out, OH__CONFIG_VALUE_TEXT);
    else if (row->type == OH__SETTING_DURATION)
        unit_text(value, time_units, out, OH__CONFIG_VALUE_TEXT);
    else if (row->type == OH__SETTING_SIZE)
        unit_text(value, size_units, out, OH__CONFIG_VALUE_TEXT);
    else if (row->type == OH__SETTING_BOOL)
        snprintf(out, OH__CONFIG_VALUE_TEXT, "%s", value ? "true" : "false");
    else if (row->type == OH__SETTING_CHOICE)
        snprintf(out, OH__CONFIG_VALUE_TEXT, "%s", row->choices[value]);
    else
        snprintf(out, OH__CONFIG_VALUE_TEXT, "%llu", (unsigned long long)value);
}

uint64_t oh__config_field(const struct oh__setting_row *row, const void *base)
{
    const char *at = (const char *)base + row->offset;

    switch (row->type) {
    case OH__SETTING_BOOL: return *(const bool *)at;
    case OH__SETTING_CHOICE: return *(const uint8_t *)at;
    case OH__SETTING_DURATION: return *(const uint64_t *)at;
    case OH__SETTING_COUNT:
    case OH__SETTING_SECONDS:
    case OH__SETTING_SIZE: return *(const uint32_t *)at;
    default: return 0;
    }
}

/* "a boolean", "the number 3", "the text \"x\"": what was found instead. */
static const char *found(lua_State *L)
{
    switch (lua_type(L, -1)) {
    case LUA_TSTRING: {
        struct oh_span s;

        s.p = lua_tolstring(L, -1, &s.n);
        s = oh_span_head(s, 60);
        return lua_pushfstring(L, "\"%s\"", lua_pushlstring(L, s.p, s.n));
    }
    case LUA_TNUMBER:
        lua_pushvalue(L, -1); /* lua_tolstring would turn the value itself into a text */
        return lua_tostring(L, -1);
    case LUA_TNIL: return "nil";
    default: return lua_pushfstring(L, "a %s", luaL_typename(L, -1));
    }
}

/* How a value of this type is written, for people. */
static const char *must_be(const struct oh__setting_row *row)
{
    switch (row->type) {
    case OH__SETTING_BOOL: return "true or false";
    case OH__SETTING_COUNT: return "a whole number";
    case OH__SETTING_SECONDS:
    case OH__SETTING_DURATION: return "a time such as \"30 s\" or \"5 min\"";
    case OH__SETTING_SIZE: return "a size such as 4096 or \"64 KiB\"";
    case OH__SETTING_HOST: return "a host name or an address";
    default: return "a text in quotes";
    }
}

/* The usual refusal: what it must be, and what it is. */
static int wrong_type(lua_State *L, const struct oh__setting_row *row, char *why)
{
    int top = lua_gettop(L);

    fail(why, "must be %s, but is %s", must_be(row), found(L));
    lua_settop(L, top);
    return OH_E_SYNTAX;
}

/* Reads the number of a numeric row in its own unit. */
static int read_number(lua_State *L, const struct oh__setting_row *row, uint64_t *out)
{
    bool time = row->type == OH__SETTING_SECONDS || row->type == OH__SETTING_DURATION;
    struct oh_span s;
    double v;
    int e;

    if (lua_type(L, -1) == LUA_TSTRING && row->type != OH__SETTING_COUNT) {
        s.p = lua_tolstring(L, -1, &s.n);
        e = time ? oh__config_duration(s, out) : oh__config_size(s, out);
        if (e != OH_OK || row->type != OH__SETTING_SECONDS)
            return e;
        *out = (*out + (uint64_t)SECOND - 1) / (uint64_t)SECOND;
        return OH_OK;
    }
    if (lua_type(L, -1) != LUA_TNUMBER)
        return OH_E_SYNTAX;
    v = lua_tonumber(L, -1);
    if (row->type == OH__SETTING_DURATION)
        v = v * SECOND;
    if (!(v >= 0 && v <= EXACT_MAX * 1000))
        return OH_E_RANGE;
    if (row->type != OH__SETTING_DURATION && v != (double)(uint64_t)v)
        return OH_E_SYNTAX;
    *out = (uint64_t)v;
    return OH_OK;
}

/* The range was checked: a 32-bit field takes what is left. */
static void store_number(const struct oh__setting_row *row, void *base, uint64_t v)
{
    char *at = (char *)base + row->offset;

    if (row->type == OH__SETTING_DURATION)
        *(uint64_t *)at = v;
    else
        *(uint32_t *)at = (uint32_t)v;
}

/* A number, time or size within the range of its row; or 0 where that means "off". */
static int convert_number(lua_State *L, const struct oh__setting_row *row, void *base, char *why)
{
    char lo[OH__CONFIG_VALUE_TEXT], hi[OH__CONFIG_VALUE_TEXT];
    uint64_t v = 0;
    int e = read_number(L, row, &v);
    int top = lua_gettop(L);

    if (e == OH_E_SYNTAX)
        return wrong_type(L, row, why);
    if (e == OH_OK && ((v >= row->min && v <= row->max) || (v == 0 && row->zero))) {
        store_number(row, base, v);
        return OH_OK;
    }
    oh__config_value_text(row, row->min, lo);
    oh__config_value_text(row, row->max, hi);
    fail(why, "must be %s%s to %s, but is %s", row->zero ? "0, or " : "", lo, hi, found(L));
    lua_settop(L, top);
    return OH_E_RANGE;
}

/* Nothing that would break a line of a message or of the log. */
static bool is_printable(struct oh_span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    }
    return true;
}

/* Stores a text that fits, with its terminator. */
static int store_text(struct oh_span s, const struct oh__setting_row *row, void *base, char *why)
{
    char *at = (char *)base + row->offset;

    if (s.n < row->min)
        return fail(why, "must not be empty");
    if (s.n >= row->size)
        return fail(why, "must be shorter than %u bytes, but has %zu", row->size, s.n);
    if (!is_printable(s))
        return fail(why, "must not hold control characters");
    if (s.n)
        memcpy(at, s.p, s.n);
    at[s.n] = 0;
    return OH_OK;
}

/* A text or a host name; a host is stored in lower case and without its final dot. */
static int convert_text(lua_State *L, const struct oh__setting_row *row, void *base, char *why)
{
    char name[OH__NAME_MAX];
    struct oh_span s;
    int e;

    if (lua_type(L, -1) != LUA_TSTRING)
        return wrong_type(L, row, why);
    s.p = lua_tolstring(L, -1, &s.n);
    if (row->type == OH__SETTING_HOST && s.n) {
        e = oh__config_domain(s, name, why);
        if (e != OH_OK)
            return e;
        s = oh_span_str(name);
    }
    return store_text(s, row, base, why);
}

/* One of a few words, stored as its index. */
static int convert_choice(lua_State *L, const struct oh__setting_row *row, void *base, char *why)
{
    struct oh__suggestion best = {NULL, 0};
    char all[128] = "";
    struct oh_span s;
    size_t n = 0;

    if (lua_type(L, -1) != LUA_TSTRING)
        return wrong_type(L, row, why);
    s.p = lua_tolstring(L, -1, &s.n);
    for (unsigned i = 0; row->choices[i]; i++) {
        if (oh_span_eq(s, oh_span_str(row->choices[i]))) {
            *((uint8_t *)base + row->offset) = (uint8_t)i;
            return OH_OK;
        }
        oh__suggest(&best, s, row->choices[i]);
        n += (size_t)snprintf(all + n, sizeof(all) - n, "%s\"%s\"", i ? ", " : "", row->choices[i]);
    }
    s = oh_span_head(s, 40);
    if (best.name)
        return fail(why, "must be one of %s, but is \"%.*s\": did you mean \"%s\"?", all, OH_PRI(s),
                    best.name);
    return fail(why, "must be one of %s, but is \"%.*s\"", all, OH_PRI(s));
}

/* A list such as {"SHA-256", "MD5"}, or a single name. */
static int convert_digest(lua_State *L, const struct oh__setting_row *row, void *base, char *why)
{
    uint8_t *at = (uint8_t *)base + row->offset, list[3] = {0};
    bool table = lua_istable(L, -1);
    lua_Unsigned n = table ? lua_rawlen(L, -1) : 1;

    if (!table && lua_type(L, -1) != LUA_TSTRING)
        return fail(why, "must be a list such as {\"SHA-256\", \"MD5\"}, but is a %s",
                    luaL_typename(L, -1));
    if (n == 0 || n > 3)
        return fail(why, "must name one to three algorithms, but has %llu", (unsigned long long)n);
    for (unsigned i = 0; i < n; i++) {
        struct oh_algorithm a = {0};
        struct oh_span s = {"", 0};

        lua_pushvalue(L, -1);
        if (table)
            lua_rawgeti(L, -1, (lua_Integer)i + 1);
        if (lua_type(L, -1) == LUA_TSTRING)
            s.p = lua_tolstring(L, -1, &s.n);
        if (s.n)
            a = oh_algorithm_of(s);
        lua_pop(L, table ? 2 : 1);
        if (a.hash == OH_HASH_NONE || a.sess)
            return fail(why, "knows \"MD5\", \"SHA-256\" and \"SHA-512-256\", not \"%.*s\"",
                        OH_PRI(oh_span_head(s, 40)));
        if (memchr(list, a.hash, i))
            return fail(why, "names \"%.*s\" twice", OH_PRI(oh_algorithm_text(a)));
        list[i] = a.hash;
    }
    memcpy(at, list, sizeof(list));
    return OH_OK;
}

int oh__config_convert(lua_State *L, const struct oh__setting_row *row, void *base,
                       char why[OH__CONFIG_WHY_MAX])
{
    switch (row->type) {
    case OH__SETTING_BOOL:
        if (!lua_isboolean(L, -1))
            return wrong_type(L, row, why);
        *((bool *)base + row->offset) = lua_toboolean(L, -1);
        return OH_OK;
    case OH__SETTING_COUNT:
    case OH__SETTING_SECONDS:
    case OH__SETTING_DURATION:
    case OH__SETTING_SIZE: return convert_number(L, row, base, why);
    case OH__SETTING_CHOICE: return convert_choice(L, row, base, why);
    case OH__SETTING_DIGEST: return convert_digest(L, row, base, why);
    default: return convert_text(L, row, base, why);
    }
}

/* A label of RFC 3261 25.1 hostname: letters, digits and inner hyphens; underscores exist in
 * practice. */
static bool is_name(struct oh_span s)
{
    size_t label = 0;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '_';

        if (c == '.' && label && s.p[i - 1] != '-')
            label = 0;
        else if ((word || (c == '-' && label)) && label < 63)
            label++;
        else
            return false;
    }
    return label > 0 && s.p[s.n - 1] != '-';
}

int oh__config_domain(struct oh_span text, char out[OH__NAME_MAX], char why[OH__CONFIG_WHY_MAX])
{
    struct oh_addr addr;
    char host[OH_ADDR_TEXT_MAX];

    if (text.n >= OH__NAME_MAX)
        return fail(why, "must be shorter than %d bytes, but has %zu", OH__NAME_MAX, text.n);
    if (text.n > 1 && text.p[text.n - 1] == '.')
        text.n--;
    if (oh_addr_parse(text, &addr) == OH_OK) {
        oh_addr_host_text(&addr, host);
        snprintf(out, OH__NAME_MAX, addr.family == OH_FAMILY_IPV6 ? "[%s]" : "%s", host);
        return OH_OK;
    }
    if (!is_name(text))
        return fail(why, "must be a host name or an address, but is \"%.*s\"",
                    OH_PRI(oh_span_head(text, 60)));
    for (size_t i = 0; i < text.n; i++)
        out[i] = (char)(text.p[i] >= 'A' && text.p[i] <= 'Z' ? text.p[i] | 0x20 : text.p[i]);
    out[text.n] = 0;
    return OH_OK;
}

int oh__config_listener(struct oh_span text, struct oh__settings_listener *out,
                        char why[OH__CONFIG_WHY_MAX])
{
    ptrdiff_t colon = oh_span_find(text, ':');
    struct oh_span transport = oh_span_head(text, colon > 0 ? (size_t)colon : 0);
    uint8_t t = oh_transport_of(transport);
    struct oh_span address;
    struct oh_addr addr;

    if (t == OH_TRANSPORT_OTHER)
        return fail(why, "must be such as \"udp:0.0.0.0:5060\", but is \"%.*s\"",
                    OH_PRI(oh_span_head(text, 60)));
    if (t != OH_TRANSPORT_UDP && t != OH_TRANSPORT_TCP)
        return fail(why, "knows udp and tcp, not %.*s", OH_PRI(oh_transport_param(t)));
    address = oh_span_from(text, (size_t)colon + 1);
    if (oh_addr_parse(address, &addr) == OH_OK)
        addr.port = DEFAULT_PORT; /* Port 0 is something else: the kernel chooses. */
    else if (oh_addr_parse_port(address, &addr) != OH_OK)
        return fail(why,
                    "must have an address such as \"192.0.2.1:5060\" or \"[::]:5060\" behind "
                    "the transport, but is \"%.*s\"",
                    OH_PRI(oh_span_head(text, 60)));
    if (oh_addr_is_broadcast(&addr))
        return fail(why, "must not be a broadcast or multicast address");
    out->transport = t;
    out->addr = addr;
    return OH_OK;
}

int oh__config_advertise(struct oh_span text, struct oh__settings_listener *out,
                         char why[OH__CONFIG_WHY_MAX])
{
    struct oh_span host = text, port = {NULL, 0};
    struct oh_addr addr;
    uint32_t number = 0;

    /* IPv6 without brackets is all colons and has no port. */
    for (size_t i = oh_addr_parse(text, &addr) == OH_OK ? 0 : text.n;
         i-- > 0 && text.p[i] != ']';) {
        if (text.p[i] == ':') {
            host = oh_span_head(text, i);
            port = oh_span_from(text, i + 1);
            break;
        }
    }
    if (port.p && (oh_span_u32(port, 65535, &number) != OH_OK || number == 0))
        return fail(why, "must be a host with an optional port, but is \"%.*s\"",
                    OH_PRI(oh_span_head(text, 60)));
    out->advertise_port = (uint16_t)number;
    return oh__config_domain(host, out->advertise, why);
}
