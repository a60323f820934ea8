/*
 * The list of problems. It is bounded because a file may be anything: the
 * first 64 are worth reading, the rest is a number.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "host/config_parts.h"

void oh__config_problem(struct oh__config_report *report, const char *file, struct oh__position at,
                        const char *setting, const char *format, ...)
{
    struct oh__config_problem *p;
    va_list args;

    if (report->n == OH__CONFIG_PROBLEMS_MAX) {
        report->dropped++;
        return;
    }
    p = &report->problems[report->n++];
    memset(p, 0, sizeof(*p));
    snprintf(p->file, sizeof(p->file), "%s", file);
    p->line = at.line;
    p->column = at.column;
    snprintf(p->setting, sizeof(p->setting), "%s", setting);
    va_start(args, format);
    vsnprintf(p->text, sizeof(p->text), format, args);
    va_end(args);
    /* Parts of the text come out of the file: a line must stay a line on somebody's terminal. */
    for (char *c = p->text; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
}

/* Order of files, then of places; problems that are equal in all of this are doubles. */
static int compare(const void *a, const void *b)
{
    const struct oh__config_problem *x = a, *y = b;
    int d = strcmp(x->file, y->file);

    if (d)
        return d;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    if (x->column != y->column)
        return x->column < y->column ? -1 : 1;
    return strcmp(x->text, y->text);
}

void oh__config_report_sort(struct oh__config_report *report)
{
    unsigned kept = 0;

    if (report->n < 2)
        return;
    qsort(report->problems, report->n, sizeof(report->problems[0]), compare);
    for (unsigned i = 1; i < report->n; i++) {
        if (compare(&report->problems[kept], &report->problems[i]) != 0)
            report->problems[++kept] = report->problems[i];
    }
    report->n = kept + 1;
}

void oh__config_report_print(const struct oh__config_report *report, FILE *to)
{
    for (unsigned i = 0; i < report->n; i++) {
        const struct oh__config_problem *p = &report->problems[i];

        if (p->line && p->column)
            fprintf(to, "%s:%u:%u: %s\n", p->file, p->line, p->column, p->text);
        else if (p->line)
            fprintf(to, "%s:%u: %s\n", p->file, p->line, p->text);
        else
            fprintf(to, "%s: %s\n", p->file, p->text);
    }
    if (report->dropped)
        fprintf(to, "and %u more\n", report->dropped);
}
