/* tour-screen.c: what the tour shows: on a terminal one line that moves while a chapter runs,
 * elsewhere a line a second; a line for what each chapter did; the table at the end.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tour.h"

struct row {
    const char *what;
    struct text count, time, memory;
    char each[80];
};

static struct {
    bool terminal, colour;
    const char *chapter;
    const char *what; /* is under way; NULL: nothing worth a line */
    const long *done;
    long of;
    int failures;
    struct row rows[16];
    int row_count;
} screen;

struct text number(long n)
{
    struct text digits, out;
    int length = snprintf(digits.is, sizeof digits.is, "%ld", n), at = 0;

    for (int i = 0; i < length && at < (int)sizeof out.is - 2; i++) {
        out.is[at++] = digits.is[i];
        if ((length - i - 1) % 3 == 0 && i + 1 < length)
            out.is[at++] = ',';
    }
    out.is[at] = 0;
    return out;
}

struct text duration(double ns)
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    struct text out;
    int unit = 0;

    for (; unit < 3 && ns >= 1000; unit++)
        ns /= 1000;
    snprintf(out.is, sizeof out.is, "%.*f %s", ns < 10 ? 2 : ns < 100 ? 1 : 0, ns, units[unit]);
    return out;
}

struct text megabytes(long bytes)
{
    struct text out;

    snprintf(out.is, sizeof out.is, "%.1f MB", (double)(bytes > 0 ? bytes : 0) / 1e6);
    return out;
}

static const char *paint(const char *code)
{
    return screen.colour ? code : "";
}

static const char *over_the_line(void)
{
    return screen.terminal ? "\r\033[K" : "";
}

void screen_open(void)
{
    const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");

    screen.terminal = isatty(1) && term && strcmp(term, "dumb") != 0;
    screen.colour = screen.terminal && !(no_colour && *no_colour);
}

void screen_chapter(const char *name)
{
    screen.chapter = name;
    screen.what = NULL;
}

void progress(const char *what, const long *done, long of)
{
    screen.what = what;
    screen.done = done;
    screen.of = of;
}

int screen_progress(void *arg)
{
    const rv_time pace = screen.terminal ? RV_S / 10 : RV_S;
    int err;

    (void)arg;
    while ((err = rv_sleep(pace)) == 0) {
        if (screen.what == NULL)
            continue;
        printf("%s  %-7s %s of %s %s%s", over_the_line(), screen.chapter, number(*screen.done).is,
               number(screen.of).is, screen.what, screen.terminal ? "" : "\n");
        fflush(stdout);
    }
    return err;
}

void tell(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    printf("%s  %s%-7s%s ", over_the_line(), paint("\033[1m"), screen.chapter, paint("\033[0m"));
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

void expect(bool holds, const char *fmt, ...)
{
    va_list args;

    if (holds)
        return;
    screen.failures++;
    fflush(stdout);
    va_start(args, fmt);
    fprintf(stderr, "%s  %-7s %snot so:%s ", over_the_line(), screen.chapter, paint("\033[31m"),
            paint("\033[0m"));
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
}

void row(const char *what, long count, rv_time time, struct text memory, const char *fmt, ...)
{
    struct row *r = &screen.rows[screen.row_count++];
    va_list args;

    r->what = what;
    r->count = number(count);
    r->time = duration((double)time);
    r->memory = memory;
    va_start(args, fmt);
    vsnprintf(r->each, sizeof r->each, fmt, args);
    va_end(args);
}

int screen_close(void)
{
    printf("\n  %s%-33s %9s %8s %9s  %s%s\n", paint("\033[1m"), "what", "how many", "time",
           "memory", "each", paint("\033[0m"));
    for (struct row *r = screen.rows; r < screen.rows + screen.row_count; r++)
        printf("  %-33s %9s %8s %9s  %s\n", r->what, r->count.is, r->time.is, r->memory.is,
               r->each);
    return screen.failures;
}
