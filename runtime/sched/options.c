/* options.c: reading options and REEVE_ variables. See options.h. */
#include "sched/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/report.h"

static const char *const known[] = {"REEVE_BACKEND", "REEVE_STACK", "REEVE_TASKS_MAX", "REEVE_RING",
                                    "REEVE_CQ",      "REEVE_WIPE",  "REEVE_GUARD",     "REEVE_SEED",
                                    "REEVE_SEEDS",   "REEVE_LOG"};

enum { KNOWN = sizeof known / sizeof known[0] };

extern char **environ;

static void point_out_unknown(void)
{
    for (char **e = environ; *e; e++) {
        size_t len = strcspn(*e, "=");
        bool found = strncmp(*e, "REEVE_", 6) != 0;

        for (int i = 0; i < KNOWN && !found; i++)
            found = strlen(known[i]) == len && strncmp(*e, known[i], len) == 0;
        if (!found)
            report("%.*s is no variable of reeve's; there are REEVE_BACKEND, REEVE_STACK, "
                   "REEVE_TASKS_MAX, REEVE_RING, REEVE_CQ, REEVE_WIPE, REEVE_GUARD, REEVE_LOG, "
                   "REEVE_SEED and REEVE_SEEDS",
                   (int)len, *e);
    }
}

/* A count, with K, M or G for powers of 1024; and nothing else. */
static bool parse_count(const char *text, size_t *out)
{
    unsigned long long n;
    char *end;
    int shift = 0;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    n = strtoull(text, &end, 10);
    if (*end == 'K' || *end == 'M' || *end == 'G')
        shift = *end == 'K' ? 10 : *end == 'M' ? 20 : 30;
    if (errno || end[shift != 0] != 0 || n > SIZE_MAX >> shift)
        return false;
    *out = (size_t)n << shift;
    return true;
}

/* *value: the program's; 0: take the variable's or the default. */
static int number(const char *variable, size_t *value, size_t fallback, size_t least, size_t most)
{
    const char *text = *value ? NULL : getenv(variable);

    if (text && (!parse_count(text, value) || *value < least || *value > most)) {
        report("%s=%s: a number from %zu to %zu is expected (K, M, G are understood)", variable,
               text, least, most);
        return -EINVAL;
    }
    if (*value == 0)
        *value = fallback;
    if (*value < least || *value > most) {
        report("rv_options: %zu is out of range; from %zu to %zu, as for %s", *value, least, most,
               variable);
        return -EINVAL;
    }
    return 0;
}

/* Which of the words (by index) the text is; there are two or three. */
static int word(const char *variable, const char *text, const char *const words[], int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(text, words[i]) == 0)
            return i;
    if (count == 2)
        report("%s=%s: \"%s\" and \"%s\" are understood", variable, text, words[0], words[1]);
    else
        report("%s=%s: \"%s\", \"%s\" and \"%s\" are understood", variable, text, words[0],
               words[1], words[2]);
    return -EINVAL;
}

static int read_guard(struct settings *s)
{
    static const char *const words[] = {"auto", "madvise", "mprotect"};
    const char *text = getenv("REEVE_GUARD");
    int which = text ? word("REEVE_GUARD", text, words, 3) : 0;

    if (which < 0)
        return which;
    s->guard = (enum stack_guard)which;
    return 0;
}

static int read_switch(const char *variable, bool given, bool *out)
{
    static const char *const words[] = {"0", "1"};
    const char *text = given ? NULL : getenv(variable);
    int which = text ? word(variable, text, words, 2) : given;

    if (which < 0)
        return which;
    *out = which;
    return 0;
}

static int read_numbers(struct settings *s, const rv_options *given)
{
    size_t ring = given->ring_entries, cq = given->cq_entries;

    s->stack_bytes = given->stack_bytes;
    s->tasks_max = given->tasks_max;
    if (number("REEVE_STACK", &s->stack_bytes, STACK_BYTES_DEFAULT, STACK_BYTES_MIN, 1u << 31) <
            0 ||
        number("REEVE_TASKS_MAX", &s->tasks_max, SIZE_MAX, 1, SIZE_MAX) < 0 ||
        number("REEVE_RING", &ring, 256, 8, 32768) < 0 ||
        number("REEVE_CQ", &cq, 4096, 8, 65536) < 0)
        return -EINVAL;
    s->kernel.ring_entries = (unsigned)ring;
    s->kernel.cq_entries = (unsigned)cq;
    return 0;
}

static int read_seed(const char *variable, uint64_t *out)
{
    const char *text = getenv(variable);
    size_t value;

    if (text == NULL)
        return 0;
    if (!parse_count(text, &value)) {
        report("%s=%s: a number is expected", variable, text);
        return -EINVAL;
    }
    *out = value;
    return 1;
}

int options_seed(uint64_t *out)
{
    return read_seed("REEVE_SEED", out);
}

int options_seeds(uint64_t *out)
{
    return read_seed("REEVE_SEEDS", out);
}

int options_read(struct settings *out, const rv_options *given)
{
    const rv_options none = {0};
    const char *backend = getenv("REEVE_BACKEND");

    *out = (struct settings){0};
    given = given ? given : &none;
    point_out_unknown();
    out->kernel.backend = given->backend ? given->backend : backend ? backend : "auto";
    out->kernel.sim = &out->sim;
    out->sim.options = (rv_sim_options){
        .without = RV_SIM_ALL,
        .fds_max = 1 << 16,
        .leave_open = true, /* who calls rv_run() may do so */
    };
    if (options_seed(&out->sim.seed) < 0)
        return -EINVAL;
    if (read_numbers(out, given) < 0 || read_guard(out) < 0 ||
        read_switch("REEVE_WIPE", given->wipe_stacks, &out->wipe_stacks) < 0 ||
        read_switch("REEVE_LOG", false, &out->log) < 0)
        return -EINVAL;
    return 0;
}
