/* run.c: runs the scenarios with as many seeds as are asked for, or as fit into a time.
 *
 *   run --seeds 100000 [--scenario NAME]   so many, spread over the scenarios; or --seconds 170;
 *                                          of both, what is over first. And --first 1000,
 *                                          --jobs 2, --failures 1 (then it stops)
 *   run --list                             their names and what they promise
 *   run NAME FIRST COUNT                   one scenario with these seeds, in this process
 *
 * The last form is what the others start, in as many processes as --jobs says: so that the command
 * which the library prints for a replay is short and true, and a seed that ends its process ends no
 * more than that. It tells its seeds and what was seen on stdout, and the first form adds that up.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/sim/coverage.h"
#include "tests/sim/scenario.h"

enum { CHUNK = 200, FIRST_CHUNK = 20, JOBS_MOST = 64, SECONDS_MOST = 60, SEEDS_USUAL = 10000 };
#define PEACE (RV_SIM_ERRORS | RV_SIM_RESETS | RV_SIM_LOSS | RV_SIM_PARTITIONS | RV_SIM_DISK_ERRORS)

static struct scenario *first_scenario;
static int scenario_count;

void scenario_add(struct scenario *s)
{
    struct scenario **at = &first_scenario;

    while (*at && strcmp((*at)->name, s->name) < 0)
        at = &(*at)->next;
    s->next = *at;
    *at = s;
    scenario_count++;
}

/* Each is there twice: which one is it? */
static struct scenario *named(const char *name, bool *peace)
{
    for (struct scenario *s = first_scenario; s; s = s->next) {
        size_t len = strlen(s->name);

        if (strncmp(name, s->name, len) != 0)
            continue;
        *peace = strcmp(name + len, "_in_peace") == 0;
        if (*peace || name[len] == 0)
            return s;
    }
    fprintf(stderr, "sim: no scenario is called %s; --list names them\n", name);
    exit(2);
}

/* ---- one scenario, here ---- */

/* Virtual time is bounded by the world; that a loop comes to an end at all, by this. */
static void overdue(int sig)
{
    static const char words[] = "sim: this seed takes too long\n";

    (void)sig;
    if (write(2, words, sizeof words - 1) > 0)
        abort();
}

static int run_here(const char *name, uint64_t first, uint64_t count)
{
    struct scenario *s = named(name, &in_peace);
    rv_sim_options options = s->options;
    int result;

    if (in_peace)
        options.without |= PEACE;
    coverage_begin();
    signal(SIGALRM, overdue);
    alarm(getenv("REEVE_SEED") ? 0 : SECONDS_MOST);
    result = rv_sim_seeds(first, count, &options, s->fn, NULL);
    printf("%llu\n", (unsigned long long)(result < 0 ? rv_sim_last().seed - first : count));
    coverage_print();
    return result < 0;
}

/* ---- all of them, in processes ---- */

struct plan {
    const char *only; /* a scenario's name, or NULL */
    uint64_t first, seeds;
    int64_t until; /* the real clock; CLOCK_NEVER: until the seeds are done */
    int jobs, failures_most;
    bool covers;
};

struct job {
    pid_t pid; /* 0: none */
    int from;
    FILE *out;
};

static struct {
    uint64_t chunks; /* begun */
    uint64_t asked, done;
    unsigned failures;
    int64_t began, shown;
} now;

/* The scenario and the seeds of the next chunk: each in turn, once as itself and once in peace; few
 * seeds of each at first, for what is easy to find. */
static uint64_t next_chunk(const struct plan *p, char *name, size_t room, uint64_t *first)
{
    uint64_t each = p->only ? 1 : 2 * (uint64_t)scenario_count, turn = now.chunks / each;
    uint64_t which = now.chunks++ % each, share = p->seeds / each + (p->seeds % each != 0);
    uint64_t size = turn ? CHUNK : FIRST_CHUNK, left = p->seeds - now.asked;
    struct scenario *s = first_scenario;

    for (uint64_t i = which / 2; i > 0; i--)
        s = s->next;
    snprintf(name, room, "%s%s", p->only ? p->only : s->name,
             !p->only && which % 2 ? "_in_peace" : "");
    *first = p->first + (turn ? FIRST_CHUNK + (turn - 1) * CHUNK : 0);
    size = size < share ? size : share;
    size = size < left ? size : left;
    now.asked += size;
    return size;
}

static void start(const struct plan *p, struct job *j, const char *program)
{
    char name[64], first[24], count[24];
    uint64_t from, seeds = next_chunk(p, name, sizeof name, &from);
    int ends[2];

    snprintf(first, sizeof first, "%llu", (unsigned long long)from);
    snprintf(count, sizeof count, "%llu", (unsigned long long)seeds);
    if (pipe2(ends, O_CLOEXEC) < 0 || (j->pid = fork()) < 0) {
        perror("sim");
        exit(2);
    }
    if (j->pid == 0) {
        dup2(ends[1], 1);
        if (p->covers)
            setenv("SIM_COVERAGE", "1", 1);
        execl(program, program, name, first, count, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    j->from = ends[0];
}

static void finish(struct job *j)
{
    FILE *out = fdopen(j->from, "r");
    unsigned long long done = 0;
    int status;

    if (out && fscanf(out, "%llu\n", &done) == 1)
        coverage_add(out);
    waitpid(j->pid, &status, 0);
    fclose(out);
    now.done += done;
    now.failures += status != 0;
    j->pid = 0;
}

static void show_progress(void)
{
    int64_t clock = clock_now();

    if (clock < now.shown + 500 * RV_MS || !isatty(1))
        return;
    now.shown = clock;
    printf("\rsim: %llu seeds, %u failures, %.0f seeds/s ", (unsigned long long)now.done,
           now.failures, (double)now.done * 1e9 / (double)(clock - now.began));
    fflush(stdout);
}

/* A job that has ended, or NULL: none runs. */
static struct job *wait_for_one(struct job *jobs, int count)
{
    struct pollfd polled[JOBS_MOST];

    for (int i = 0; i < count; i++)
        polled[i] = (struct pollfd){.fd = jobs[i].pid ? jobs[i].from : -1, .events = POLLIN};
    if (poll(polled, (nfds_t)count, 10000) < 0)
        return NULL;
    for (int i = 0; i < count; i++)
        if (polled[i].revents)
            return &jobs[i];
    return wait_for_one(jobs, count);
}

static bool more(const struct plan *p)
{
    return now.failures < (unsigned)p->failures_most && now.asked < p->seeds &&
           clock_now() < p->until;
}

static int run_all(const struct plan *p)
{
    struct job jobs[JOBS_MOST] = {0};
    int running = 0;
    char program[4096];
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);

    program[len > 0 ? len : 0] = 0;
    now.began = clock_now();
    for (; running < p->jobs && more(p); running++)
        start(p, &jobs[running], program);
    while (running > 0) {
        struct job *j = wait_for_one(jobs, p->jobs);

        finish(j);
        show_progress();
        if (more(p))
            start(p, j, program);
        else
            running--;
    }
    printf("%ssim: %llu seeds, %d scenarios, %u failures, %.0f seeds/s\n", isatty(1) ? "\r" : "",
           (unsigned long long)now.done, p->only ? 1 : scenario_count, now.failures,
           (double)now.done * 1e9 / (double)(clock_now() - now.began));
    if (p->covers)
        coverage_print();
    return now.failures > 0;
}

/* ---- what is asked ---- */

static int list(void)
{
    for (struct scenario *s = first_scenario; s; s = s->next)
        printf("%-16s %s\n", s->name, s->promise);
    return 0;
}

static int usage(void)
{
    fprintf(stderr,
            "usage: run [--seeds N | --seconds N] [--first N] [--scenario NAME] [--jobs N] "
            "[--failures N] [--coverage]\n       run --list\n       run NAME FIRST COUNT\n");
    return 2;
}

static int read_plan(struct plan *p, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        bool peace;

        if (strcmp(argv[i], "--coverage") == 0) {
            p->covers = true;
            continue;
        }
        if (value == NULL)
            return usage();
        i++;
        if (strcmp(argv[i - 1], "--seeds") == 0) {
            p->seeds = strtoull(value, NULL, 10);
        } else if (strcmp(argv[i - 1], "--seconds") == 0) {
            p->until = clock_sum(clock_now(), atoll(value) * RV_S);
        } else if (strcmp(argv[i - 1], "--first") == 0) {
            p->first = strtoull(value, NULL, 10);
        } else if (strcmp(argv[i - 1], "--jobs") == 0) {
            p->jobs = atoi(value);
        } else if (strcmp(argv[i - 1], "--failures") == 0) {
            p->failures_most = atoi(value);
        } else if (strcmp(argv[i - 1], "--scenario") == 0) {
            (void)named(value, &peace);
            p->only = value;
        } else {
            return usage();
        }
    }
    if (p->seeds == 0)
        p->seeds = p->until == CLOCK_NEVER ? SEEDS_USUAL : UINT64_MAX;
    return p->jobs < 1 || p->jobs > JOBS_MOST ? usage() : 0;
}

int main(int argc, char **argv)
{
    struct plan plan = {.first = 1, .until = CLOCK_NEVER, .jobs = 2, .failures_most = 10};
    bool peace;

    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return list();
    if (argc >= 2 && argv[1][0] != '-') {
        uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
        uint64_t count = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;

        (void)named(argv[1], &peace);
        return run_here(argv[1], first, count);
    }
    return read_plan(&plan, argc, argv) ? 2 : run_all(&plan);
}
