/* options.c: reading options and REEVE_ variables. See options.h. */
#include "sched/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cpus.h"
#include "base/report.h"

static const char *const known[] = {
    "REEVE_BACKEND", "REEVE_STACK", "REEVE_TASKS_MAX", "REEVE_RING",  "REEVE_CQ",
    "REEVE_WIPE",    "REEVE_GUARD", "REEVE_SEED",      "REEVE_SEEDS", "REEVE_LOG",
    "REEVE_WORKERS", "REEVE_PIN",   "REEVE_WATCHDOG",
};

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
                   "REEVE_TASKS_MAX, REEVE_RING, REEVE_CQ, REEVE_WIPE, REEVE_WORKERS, REEVE_PIN, "
                   "REEVE_WATCHDOG, REEVE_GUARD, REEVE_LOG, REEVE_SEED and REEVE_SEEDS",
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

/* What may stand in a number's place, and the value that it is then, which is out of range. */
struct word {
    const char *text, *name; /* a variable's and a field's: "auto", RV_WORKERS_AUTO */
    size_t means;
};

struct number {
    const char *variable, *field;
    size_t fallback, least, most;
    const struct word *word; /* NULL: none */
};

static int refuse_text(const struct number *n, const char *text)
{
    if (n->word)
        report("%s=%s: a number from %zu to %zu or \"%s\" is expected (K, M, G are understood)",
               n->variable, text, n->least, n->most, n->word->text);
    else
        report("%s=%s: a number from %zu to %zu is expected (K, M, G are understood)", n->variable,
               text, n->least, n->most);
    return -EINVAL;
}

static int refuse_field(const struct number *n, size_t value)
{
    report("rv_options.%s: %zu is out of range; from %zu to %zu%s%s, as for %s", n->field, value,
           n->least, n->most, n->word ? " or " : "", n->word ? n->word->name : "", n->variable);
    return -EINVAL;
}

/* *value: the program's; 0: take the variable's or the default. */
static int number(const struct number *n, size_t *value)
{
    const char *text = *value ? NULL : getenv(n->variable);

    if (n->word && (text ? strcmp(text, n->word->text) == 0 : *value == n->word->means)) {
        *value = n->word->means;
        return 0;
    }
    if (text && (!parse_count(text, value) || *value < n->least || *value > n->most))
        return refuse_text(n, text);
    if (*value == 0)
        *value = n->fallback;
    else if (*value < n->least || *value > n->most)
        return refuse_field(n, *value);
    return 0;
}

/* Which of the words (by index) the text is; there are two or three. */
static int which_word(const char *variable, const char *text, const char *const words[], int count)
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
    int which = text ? which_word("REEVE_GUARD", text, words, 3) : 0;

    if (which < 0)
        return which;
    s->guard = (enum stack_guard)which;
    return 0;
}

static int read_switch(const char *variable, bool given, bool *out)
{
    static const char *const words[] = {"0", "1"};
    const char *text = given ? NULL : getenv(variable);
    int which = text ? which_word(variable, text, words, 2) : given;

    if (which < 0)
        return which;
    *out = which;
    return 0;
}

static int read_numbers(struct settings *s, const rv_options *given)
{
    static const struct number stack = {"REEVE_STACK",   "stack_bytes", STACK_BYTES_DEFAULT,
                                        STACK_BYTES_MIN, 1u << 31,      NULL};
    static const struct number tasks = {"REEVE_TASKS_MAX", "tasks_max", SIZE_MAX, 1,
                                        SIZE_MAX,          NULL};
    static const struct number ring = {"REEVE_RING", "ring_entries", 256, 8, 32768, NULL};
    static const struct number cq = {"REEVE_CQ", "cq_entries", 4096, 8, 65536, NULL};
    size_t ring_entries = given->ring_entries, cq_entries = given->cq_entries;

    s->stack_bytes = given->stack_bytes;
    s->tasks_max = given->tasks_max;
    if (number(&stack, &s->stack_bytes) < 0 || number(&tasks, &s->tasks_max) < 0 ||
        number(&ring, &ring_entries) < 0 || number(&cq, &cq_entries) < 0)
        return -EINVAL;
    s->kernel.ring_entries = (unsigned)ring_entries;
    s->kernel.cq_entries = (unsigned)cq_entries;
    return 0;
}

/* A simulated world is the same on every machine, so there it is a number of its own. */
static unsigned workers_auto(const struct settings *s)
{
    unsigned cpus;

    if (strcmp(s->kernel.backend, "sim") == 0)
        return WORKERS_AUTO_SIM;
    cpus = cpus_allowed();
    return cpus < WORKERS_MAX ? cpus : WORKERS_MAX;
}

static int read_workers(struct settings *s, const rv_options *given)
{
    static const struct word auto_word = {"auto", "RV_WORKERS_AUTO", RV_WORKERS_AUTO};
    static const struct number count = {"REEVE_WORKERS", "workers", 1, 1, WORKERS_MAX, &auto_word};
    size_t workers = given->workers;

    if (number(&count, &workers) < 0)
        return -EINVAL;
    s->workers = workers == RV_WORKERS_AUTO ? workers_auto(s) : (unsigned)workers;
    return read_switch("REEVE_PIN", given->pin_workers, &s->pin_workers);
}

/* One worker is one thread, and gets no second one for this unless it is asked for. */
static int read_watchdog(struct settings *s, const rv_options *given)
{
    static const struct word off = {"off", "RV_WATCHDOG_OFF", RV_WATCHDOG_OFF};
    struct number watchdog = {"REEVE_WATCHDOG", "watchdog_ms", 100, 1, 3600000, &off};
    size_t ms = given->watchdog_ms;

    if (s->workers == 1)
        watchdog.fallback = RV_WATCHDOG_OFF;
    if (number(&watchdog, &ms) < 0)
        return -EINVAL;
    s->watchdog_ns = ms == RV_WATCHDOG_OFF ? 0 : (int64_t)ms * RV_MS;
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
    if (read_numbers(out, given) < 0 || read_workers(out, given) < 0 ||
        read_watchdog(out, given) < 0 || read_guard(out) < 0 ||
        read_switch("REEVE_WIPE", given->wipe_stacks, &out->wipe_stacks) < 0 ||
        read_switch("REEVE_LOG", false, &out->log) < 0)
        return -EINVAL;
    return 0;
}
