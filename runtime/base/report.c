/* report.c: the library's voice. See report.h. */
#include "base/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024 };

void (*report_who)(char *text, size_t room);

/* Appends to line, never past its end; the last byte is kept for the newline. */
static size_t append(char *line, size_t at, const char *fmt, va_list args)
{
    int n = vsnprintf(line + at, LINE_MAX_BYTES - 1 - at, fmt, args);

    if (n < 0)
        return at;
    at += (size_t)n;
    return at < LINE_MAX_BYTES - 2 ? at : LINE_MAX_BYTES - 2;
}

static size_t append_text(char *line, size_t at, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    at = append(line, at, fmt, args);
    va_end(args);
    return at;
}

static void put(int fd, char *line, size_t len)
{
    ssize_t ignored;

    line[len] = '\n';
    ignored = write(fd, line, len + 1); /* nobody is left to tell if stderr is gone */
    (void)ignored;
}

void report(const char *fmt, ...)
{
    char line[LINE_MAX_BYTES];
    va_list args;
    size_t len = append_text(line, 0, "reeve: ");

    va_start(args, fmt);
    len = append(line, len, fmt, args);
    va_end(args);
    put(STDERR_FILENO, line, len);
}

void report_to(int fd, const char *fmt, ...)
{
    char line[LINE_MAX_BYTES];
    va_list args;
    size_t len;

    va_start(args, fmt);
    len = append(line, 0, fmt, args);
    va_end(args);
    put(fd, line, len);
}

void die(const char *fmt, ...)
{
    char line[LINE_MAX_BYTES], who[256] = "";
    va_list args;
    size_t len = append_text(line, 0, "reeve: ");

    va_start(args, fmt);
    len = append(line, len, fmt, args);
    va_end(args);
    if (report_who)
        report_who(who, sizeof who);
    if (who[0])
        len = append_text(line, len, " (%s)", who);
    put(STDERR_FILENO, line, len);
    abort();
}
