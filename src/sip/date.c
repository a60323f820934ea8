/*
 * The calendar is counted in eras of 400 years, which all have the same number
 * of days, and in years that begin on the first of March, so that the leap day
 * is the last of its year and the lengths of the months before it follow one
 * rule: 153 days for each five months.
 */
#include <offhook/date.h>

#include "sip/lex.h"

#define DAY          86400
#define ERA_DAYS     146097
#define EPOCH_DAYS   719468 /* from 0000-03-01 to 1970-01-01 */
#define YEAR_MAX     9999
#define FIRST_SECOND (-62167219200) /* 0000-01-01 00:00:00 */
#define LAST_SECOND  253402300799   /* 9999-12-31 23:59:59 */

static const char days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

struct calendar {
    unsigned year, month, day; /* month and day from 1 */
    unsigned hour, minute, second;
};

/* Takes a name of three letters; its index, -1 when it is none. */
static int name_next(struct oh_span *rest, const char *names)
{
    if (rest->n < 3)
        return -1;
    for (int i = 0; names[3 * i]; i++) {
        if (memcmp(rest->p, names + 3 * i, 3) == 0) {
            oh__skip(rest, 3);
            return i;
        }
    }
    return -1;
}

/* Takes a number of min to max digits. */
static bool digits_next(struct oh_span *rest, size_t min, size_t max, unsigned *out)
{
    size_t n = oh__run(*rest, OH__C_DIGIT);
    unsigned v = 0;

    if (n < min || n > max)
        return false;
    for (size_t i = 0; i < n; i++)
        v = v * 10 + (unsigned)(rest->p[i] - '0');
    oh__skip(rest, n);
    *out = v;
    return true;
}

/* Takes white space, of which there must be some. */
static bool blank_next(struct oh_span *rest)
{
    size_t before = rest->n;

    oh__lex_lws(rest);
    return rest->n < before;
}

/* "13 Nov 2010" */
static bool day_next(struct oh_span *rest, struct calendar *c)
{
    int month;

    if (!digits_next(rest, 1, 2, &c->day) || !blank_next(rest))
        return false;
    month = name_next(rest, months);
    c->month = (unsigned)month + 1;
    return month >= 0 && blank_next(rest) && digits_next(rest, 4, 4, &c->year);
}

/* "23:29:00" */
static bool time_next(struct oh_span *rest, struct calendar *c)
{
    return digits_next(rest, 2, 2, &c->hour) && oh__lex_char(rest, ':') &&
           digits_next(rest, 2, 2, &c->minute) && oh__lex_char(rest, ':') &&
           digits_next(rest, 2, 2, &c->second);
}

static bool is_leap(unsigned year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static unsigned month_days(unsigned year, unsigned month)
{
    static const unsigned char length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return length[month - 1] + (month == 2 && is_leap(year));
}

static bool exists(const struct calendar *c)
{
    return c->day >= 1 && c->day <= month_days(c->year, c->month) && c->hour <= 23 &&
           c->minute <= 59 && c->second <= 60;
}

static int64_t to_seconds(const struct calendar *c)
{
    int64_t year = (int64_t)c->year - (c->month <= 2), month = (c->month + 9) % 12;
    int64_t era = (year >= 0 ? year : year - 399) / 400, of_era = year - era * 400;
    int64_t day = era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 +
                  (153 * month + 2) / 5 + c->day - 1 - EPOCH_DAYS;
    unsigned second = c->second > 59 ? 59 : c->second;

    return day * DAY + (int64_t)c->hour * 3600 + (int64_t)c->minute * 60 + second;
}

int oh_date_decode(struct oh_span value, int64_t *seconds, struct oh_fault *fault)
{
    struct oh_span rest = value;
    struct calendar c;

    oh__lex_lws(&rest);
    if (name_next(&rest, days) < 0 || !oh__lex_char(&rest, ',') || !blank_next(&rest) ||
        !day_next(&rest, &c) || !blank_next(&rest) || !time_next(&rest, &c) || !blank_next(&rest))
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(rest.p - value.p), "not an RFC 1123 date");
    if (!oh_span_eq(oh_span_trim(rest), OH_LIT("GMT")))
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(rest.p - value.p),
                        "a date in another zone than GMT");
    if (!exists(&c))
        return oh__fail(fault, OH_E_RANGE, 0, "a day or time that does not exist");
    *seconds = to_seconds(&c);
    return OH_OK;
}

/* The inverse of to_seconds for the years that a date can show. */
static struct calendar from_seconds(int64_t seconds, unsigned *weekday)
{
    int64_t day = seconds / DAY - (seconds % DAY < 0), left = seconds - day * DAY;
    int64_t count = day + EPOCH_DAYS, era = (count >= 0 ? count : count - ERA_DAYS + 1) / ERA_DAYS;
    int64_t of_era = count - era * ERA_DAYS;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;
    struct calendar c;

    c.day = (unsigned)(of_year - (153 * month + 2) / 5 + 1);
    c.month = (unsigned)(month < 10 ? month + 3 : month - 9);
    c.year = (unsigned)(year + era * 400 + (c.month <= 2));
    c.hour = (unsigned)(left / 3600);
    c.minute = (unsigned)(left / 60 % 60);
    c.second = (unsigned)(left % 60);
    *weekday = (unsigned)(((day + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
    return c;
}

/* Writes a number with leading zeros. */
static void put_digits(struct oh_buf *out, unsigned v, unsigned n)
{
    unsigned unit = 1;

    while (--n)
        unit *= 10;
    for (; unit; unit /= 10)
        oh_buf_char(out, (char)('0' + v / unit % 10));
}

int oh_date_put(struct oh_buf *out, int64_t seconds)
{
    unsigned weekday;
    struct calendar c;

    if (seconds < FIRST_SECOND || seconds > LAST_SECOND)
        return OH_E_RANGE;
    c = from_seconds(seconds, &weekday);
    oh_buf_put(out, days + 3 * weekday, 3);
    oh_buf_lit(out, ", ");
    put_digits(out, c.day, 2);
    oh_buf_char(out, ' ');
    oh_buf_put(out, months + 3 * (c.month - 1), 3);
    oh_buf_char(out, ' ');
    put_digits(out, c.year, 4);
    oh_buf_char(out, ' ');
    put_digits(out, c.hour, 2);
    oh_buf_char(out, ':');
    put_digits(out, c.minute, 2);
    oh_buf_char(out, ':');
    put_digits(out, c.second, 2);
    oh_buf_lit(out, " GMT");
    return OH_OK;
}
