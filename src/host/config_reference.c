/*
 * The reference of the configuration, printed from the same tables that the
 * loader checks against, so that it cannot be out of date.
 */
#include "host/config_parts.h"
#include "host/config_policy.h"

static const char head[] =
    "# Configuration\n"
    "\n"
    "*This page is printed by `offhook check --reference`; `make test` checks that "
    "it is current.*\n"
    "\n"
    "One file, written in Lua 5.4, or none: without a file offhook listens on port 5060 (UDP and\n"
    "TCP, IPv4 and IPv6) and every host name that reaches it is its own. Settings are global\n"
    "names with literal values; the file may also define policy functions. `offhook check FILE`\n"
    "reports everything that is wrong at once, with line and column. `offhook reload` (or SIGHUP)\n"
    "applies a changed file as a whole, or keeps the old one and says why.\n"
    "\n"
    "- Times are texts such as `\"500 ms\"`, `\"30 s\"`, `\"5 min\"`, `\"12 h\"`, "
    "`\"1 d\"`, or plain\n"
    "  numbers of seconds.\n"
    "- Sizes are texts such as `\"512 B\"`, `\"64 KiB\"`, `\"1 MiB\"`, or plain numbers of bytes.\n"
    "- A setting marked *restart* cannot change while the server runs: a reload that "
    "changes it is\n"
    "  refused.\n"
    "- What the command line says wins over the file.\n"
    "\n"
    "Short examples: [office.lua](../examples/office.lua), "
    "[carrier.lua](../examples/carrier.lua),\n"
    "[lab.lua](../examples/lab.lua).\n";

static const char policy[] =
    "\n## Policy functions\n"
    "\n"
    "A policy function gets the request and returns `reply{}`, `route{}` or nothing (go on as if\n"
    "there were no policy). It runs for requests that have passed the limits and the password\n"
    "check. What goes wrong in it is answered with 500 for that request, and `offhook why` tells\n"
    "file and line.\n"
    "\n"
    "| function | is called for |\n|---|---|\n";

static const char verdicts[] =
    "\n### reply and route\n"
    "\n"
    "```lua\n"
    "return reply{ 486, reason = \"At lunch\", headers = { [\"Retry-After\"] = \"3600\" } }\n"
    "return reply{ 302, contacts = { \"sip:bob@example.org\",\n"
    "                                { uri = \"sip:bob@192.0.2.7\", q = 0.5, expires = 600 } } }\n"
    "return reply{ 480, body = \"Back at two\", type = \"text/plain\" }\n"
    "return route{ \"sip:bob@10.0.0.1\", { \"sip:bob@example.org\", q = 0.5 },\n"
    "              headers = { [\"X-Line\"] = \"2\" } }\n"
    "```\n"
    "\n"
    "`reply` takes a status code from 300 to 699, in `on_request` and `on_register` "
    "also from 200,\n"
    "but never 305, which is for phones. Contacts may carry `name`, `q` and `expires`. `route`\n"
    "replaces the look-up of phones by one to 16 URIs; a URI of a domain of this server is\n"
    "looked up as a user. A header has a text or a\n"
    "list of texts. Line ends and NULs in any text, wrong URIs, and headers that the "
    "server writes\n"
    "by itself (Via, Content-Length and so on) are refused: the request gets 500.\n";

static const char shared_text[] =
    "\n### shared\n"
    "\n"
    "Each worker thread has a Lua state of its own, so a local variable is not seen "
    "by the others.\n"
    "What they share:\n"
    "\n"
    "| call | effect |\n|---|---|\n"
    "| `shared.count(key, time [, by])` | Adds `by` (1) to a counter and returns its "
    "value. It starts "
    "at 0 and ends `time` after its first count. |\n"
    "| `shared.set(key, value [, time])` | Keeps a text (up to 1024 bytes), number or boolean for "
    "that time; `nil` removes it. |\n"
    "| `shared.get(key)` | The value, or `nil`. |\n"
    "| `shared.delete(key)` | Removes it. |\n"
    "\n"
    "Keys are texts of up to 256 bytes. At the bound (`limits.shared`) the entry written longest\n"
    "ago goes. A restart empties it, a reload does not.\n";

static const char sandbox_text[] =
    "\n### What the language offers\n"
    "\n"
    "`assert error ipairs next pairs pcall select tonumber tostring type unpack`, "
    "and the libraries\n"
    "`string` (byte char find format gmatch gsub len lower match rep reverse sub upper), `table`\n"
    "(concat insert pack remove sort unpack), `math` and `utf8`. There is no way to "
    "files, processes\n"
    "or the network. A text has at most 64 KiB, a pattern is matched against at most "
    "8 KiB, and the\n"
    "work inside of searches, sorting and joining counts towards `limits.policy_steps`. Reading a\n"
    "name that nothing has set is an error, as is setting a global in a function.\n";

/* A table cell must not hold the sign that ends it. */
static void put_cell(FILE *to, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            fputc('\\', to);
        fputc(*text, to);
    }
}

/* What a setting may be, in one cell. */
static void put_allowed(FILE *to, const struct oh__setting_row *row)
{
    char lo[OH__CONFIG_VALUE_TEXT], hi[OH__CONFIG_VALUE_TEXT];

    switch (row->type) {
    case OH__SETTING_BOOL: fputs("`true`, `false`", to); break;
    case OH__SETTING_HOST: fputs("host name or address", to); break;
    case OH__SETTING_DIGEST: fputs("list of names", to); break;
    case OH__SETTING_TEXT: fputs("text", to); break;
    case OH__SETTING_CHOICE:
        for (unsigned i = 0; row->choices[i]; i++)
            fprintf(to, "%s`\"%s\"`", i ? ", " : "", row->choices[i]);
        break;
    default:
        oh__config_value_text(row, row->min, lo);
        oh__config_value_text(row, row->max, hi);
        fprintf(to, "%s%s to %s", row->zero && row->min ? "0, or " : "", lo, hi);
        break;
    }
}

/* The value of a row that a fresh snapshot has. */
static void put_default(FILE *to, const struct oh__setting_row *row, const void *base)
{
    const char *at = (const char *)base + row->offset;
    char text[OH__CONFIG_VALUE_TEXT];
    bool quoted = row->type == OH__SETTING_CHOICE || row->type == OH__SETTING_TEXT ||
                  row->type == OH__SETTING_HOST;

    if (row->type == OH__SETTING_DIGEST) {
        struct oh_algorithm a = {(uint8_t)*at, false};

        fprintf(to, "`{\"%.*s\"}`", OH_PRI(oh_algorithm_text(a)));
        return;
    }
    if (row->type == OH__SETTING_TEXT || row->type == OH__SETTING_HOST)
        snprintf(text, sizeof(text), "%s", at);
    else
        oh__config_value_text(row, oh__config_field(row, base), text);
    fprintf(to, quoted || strchr(text, ' ') ? "`\"%s\"`" : "`%s`", text);
}

/* The rows of a group; element is what a row of a list counts its offset from. */
static void put_rows(FILE *to, const struct oh__setting_group *g, const struct oh__config *defaults)
{
    static const struct oh__settings_listener listener;
    const void *element = g->kind == OH__GROUP_LISTEN ? (const void *)&listener
                                                      : (const void *)&defaults->settings.fallback;

    fputs("\n| name | allowed | default | meaning |\n|---|---|---|---|\n", to);
    for (unsigned i = 0; i < g->rows_n; i++) {
        const struct oh__setting_row *row = &g->rows[i];
        const void *base = row->base == OH__BASE_SETTINGS  ? (const void *)&defaults->settings
                           : row->base == OH__BASE_PROCESS ? (const void *)&defaults->process
                                                           : element;

        fprintf(to, "| `%s` | ", row->name);
        put_allowed(to, row);
        fputs(" | ", to);
        put_default(to, row, base);
        fputs(" | ", to);
        put_cell(to, row->doc);
        fputs(row->fixed ? " *restart* |\n" : " |\n", to);
    }
}

/* The settings: a chapter for each group in the schema's order. */
static void put_groups(FILE *to, const struct oh__config *defaults)
{
    const struct oh__setting_group *g;

    for (unsigned i = 0; (g = oh__schema_group(i)) != NULL; i++) {
        if (g->kind == OH__GROUP_TOP)
            fprintf(to, "\n## Plain settings\n");
        else
            fprintf(to, "\n## %s\n\n%s%s\n", g->name, g->doc, g->fixed ? " *restart*" : "");
        if (g->kind == OH__GROUP_LISTEN || g->kind == OH__GROUP_DOMAINS)
            fprintf(to,
                    "\nA list; an element is a text, or `{ \"text\", name = value }` with these "
                    "names:\n");
        if (g->rows_n)
            put_rows(to, g, defaults);
    }
    fputs("\n`state` is, unless set, `/var/lib/offhook` when root starts the server, else\n"
          "`$XDG_STATE_HOME/offhook` or `~/.local/state/offhook`.\n",
          to);
}

/* Built-in names that are ours; Lua's own are in its manual. */
static void put_names(FILE *to)
{
    struct oh__schema_name n;

    fputs("\n### Other names\n\n| name | meaning |\n|---|---|\n", to);
    for (unsigned i = 0; (n = oh__schema_builtin(i)).name; i++) {
        if (!n.doc)
            continue;
        fprintf(to, "| `%s` | ", n.name);
        put_cell(to, n.doc);
        fputs(" |\n", to);
    }
}

void oh__config_reference(FILE *to)
{
    struct oh__config *defaults = oh_alloc_zero(oh_alloc_default(), 1, sizeof(*defaults));
    struct oh__schema_name f;
    struct oh__policy_field field;

    if (!defaults)
        return;
    oh__settings_default(&defaults->settings);
    oh__config_process_default(&defaults->process);
    fputs(head, to);
    put_groups(to, defaults);
    fputs(policy, to);
    for (unsigned i = 0; (f = oh__schema_function(i)).name; i++)
        fprintf(to, "| `%s(r)` | %s |\n", f.name, f.doc);
    fputs("\n### The request\n\n| field | type | meaning |\n|---|---|---|\n", to);
    for (unsigned i = 0; (field = oh__policy_field(i)).name; i++) {
        fprintf(to, "| `r.%s` | %s | ", field.name, field.type);
        put_cell(to, field.doc);
        fputs(" |\n", to);
    }
    fputs(verdicts, to);
    fputs(shared_text, to);
    put_names(to);
    fputs(sandbox_text, to);
    oh_free(oh_alloc_default(), defaults, sizeof(*defaults));
}
