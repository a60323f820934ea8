/*
 * The table of commands, the two forms of a reply, and the commands about the
 * process itself. Commands about a topic are in control_<topic>.c.
 */
#include "host/control_commands.h"

#include <stdarg.h>
#include <stdio.h>

#include "host/control.h"
#include "host/control_topics.h"

#define SENTENCE_MAX 1024

#define LOOK   OH__CONTROL_LOOK
#define CHANGE OH__CONTROL_CHANGE
#define LONG   OH__CONTROL_LONG

static const struct oh__control_command COMMANDS[] = {
    {"ping", LOOK, oh__control_ping},           {"status", LOOK, oh__control_status},
    {"config", LOOK, oh__control_config},       {"phones", LOOK, oh__control_phones},
    {"tried", LOOK, oh__control_tried},         {"why", LOOK, oh__control_why},
    {"bans-list", LOOK, oh__control_bans_list}, {"bans-clear", LOOK, oh__control_bans_clear},
    {"reload", CHANGE, oh__control_reload},     {"drain", LOOK, oh__control_drain},
    {"stop", LOOK, oh__control_stop},           {"backup", LONG, oh__control_backup},
    {"restore", LONG, oh__control_restore},     {"user-add", CHANGE, oh__control_users},
    {"user-list", CHANGE, oh__control_users},   {"user-passwd", CHANGE, oh__control_users},
    {"user-set", CHANGE, oh__control_users},    {"user-remove", CHANGE, oh__control_users},
    {"user-import", CHANGE, oh__control_users},
};

const struct oh__control_command *oh__control_find(const char *name)
{
    for (unsigned i = 0; i < sizeof COMMANDS / sizeof *COMMANDS; i++)
        if (strcmp(COMMANDS[i].name, name) == 0)
            return &COMMANDS[i];
    return NULL;
}

json_t *oh__control_ok(void)
{
    return json_pack("{s:b,s:i}", "ok", 1, "schema_version", OH__CONTROL_SCHEMA);
}

json_t *oh__control_error(int exit_status, const char *format, ...)
{
    char text[SENTENCE_MAX];
    json_t *reply;
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    reply = json_pack("{s:b,s:i,s:i}", "ok", 0, "schema_version", OH__CONTROL_SCHEMA, "exit",
                      exit_status);
    json_object_set_new(reply, "error", oh__json_text(oh_span_str(text)));
    return reply;
}
