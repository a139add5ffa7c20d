/* bench.c: options, rows and their statistics, clocks, memory readers, fresh processes.
 *
 * Nothing here knows what is measured. State is a few statics: the options, the patterns that
 * select rows, and how much wall and CPU time the timed spans took.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct bench_options bench = {.pin = -1};

static char *const *patterns; /* NULL-terminated, as argv is */

static uint64_t begun_wall_ns, begun_cpu_ns, timed_wall_ns, timed_cpu_ns;
static long begun_sleeps;

void bench_note(const char *fmt, ...)
{
    va_list args;

    fprintf(stderr, "%s: ", program_invocation_short_name);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
}

void bench_die(const char *fmt, ...)
{
    va_list args;

    fflush(stdout);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

void bench_must(long result, const char *what)
{
    if (result < 0)
        bench_die("%s: %s", what, strerror((int)-result));
}

/* ---- options ---- */

static void say_if_crowded(void)
{
    double share = timed_wall_ns ? (double)timed_cpu_ns / (double)timed_wall_ns : 1;

    if (share < 0.95)
        bench_note("had its core for %.0f %% of the timed spans: on a quiet machine the figures "
                   "may be better",
                   share * 100);
}

static void usage(void)
{
    fprintf(stderr,
            "usage: %s [--runs N] [--quick] [--json] [--pin CPU] [part of a row's name]...\n",
            program_invocation_short_name);
    exit(2);
}

static long number(const char *text, long max)
{
    char *end;
    long n = strtol(text, &end, 10);

    if (end == text || *end || n < 0 || n > max)
        usage();
    return n;
}

void bench_init(int argc, char **argv)
{
    static const struct option options[] = {
        {"runs", required_argument, NULL, 'r'},
        {"quick", no_argument, NULL, 'q'},
        {"json", no_argument, NULL, 'j'},
        {"pin", required_argument, NULL, 'p'},
        {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (c) {
        case 'r':
            bench.runs = (unsigned)number(optarg, BENCH_RUNS_MAX);
            break;
        case 'q':
            bench.quick = true;
            break;
        case 'j':
            bench.json = true;
            break;
        case 'p':
            bench.pin = (int)number(optarg, CPU_SETSIZE - 1);
            break;
        default:
            usage();
        }
    patterns = argv + optind;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (bench.pin >= 0)
        bench_pin(bench.pin);
    atexit(say_if_crowded);
}

bool bench_wanted(const char *name)
{
    if (!*patterns)
        return true;
    for (char *const *p = patterns; *p; p++)
        if (strstr(name, *p))
            return true;
    return false;
}

unsigned bench_runs(unsigned usual)
{
    unsigned quick = usual < 5 ? usual : 5;

    return bench.runs ? bench.runs : bench.quick ? quick : usual;
}

void bench_pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) < 0)
        bench_note("cannot pin to CPU %d: %s", cpu, strerror(errno));
}

/* ---- rows ---- */

void bench_row_open(struct bench_row *row, const char *unit, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(row->name, sizeof row->name, fmt, args);
    va_end(args);
    row->unit = unit;
    row->count = 0;
}

void bench_row_add(struct bench_row *row, double value)
{
    if (row->count == BENCH_RUNS_MAX)
        bench_die("%s: more than %d values", row->name, BENCH_RUNS_MAX);
    row->value[row->count++] = value;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median_of(double *value, unsigned count)
{
    qsort(value, count, sizeof *value, by_size);
    return count % 2 ? value[count / 2] : (value[count / 2 - 1] + value[count / 2]) / 2;
}

double bench_row_median(const struct bench_row *row)
{
    double sorted[BENCH_RUNS_MAX];

    if (row->count == 0)
        return 0;
    memcpy(sorted, row->value, row->count * sizeof *sorted);
    return median_of(sorted, row->count);
}

static int decimals(double value)
{
    double size = value < 0 ? -value : value;

    return size < 1 ? 3 : size < 100 ? 2 : size < 1000 ? 1 : 0;
}

void bench_row_print(const struct bench_row *row)
{
    double sorted[BENCH_RUNS_MAX], median, min, max;

    if (row->count == 0)
        return;
    memcpy(sorted, row->value, row->count * sizeof *sorted);
    median = median_of(sorted, row->count);
    min = sorted[0];
    max = sorted[row->count - 1];
    if (bench.json)
        printf("{\"name\":\"%s\",\"median\":%.6g,\"min\":%.6g,\"max\":%.6g,\"unit\":\"%s\","
               "\"runs\":%u}\n",
               row->name, median, min, max, row->unit, row->count);
    else
        printf("%-34s %10.*f %-5s (%.*f–%.*f, %u)\n", row->name, decimals(median), median,
               row->unit, decimals(min), min, decimals(max), max, row->count);
}

void bench_run(const struct bench_case *cases, size_t count, unsigned runs)
{
    struct bench_row *rows = calloc(count, sizeof *rows);

    if (!rows)
        bench_die("no memory for %zu rows", count);
    for (size_t i = 0; i < count; i++)
        bench_row_open(&rows[i], cases[i].unit, "%s", cases[i].name);
    for (unsigned round = 0; round <= runs; round++)
        for (size_t i = 0; i < count; i++) {
            if (!bench_wanted(cases[i].name))
                continue;
            double value = cases[i].run();
            if (round > 0)
                bench_row_add(&rows[i], value);
        }
    for (size_t i = 0; i < count; i++)
        bench_row_print(&rows[i]);
    free(rows);
}

/* ---- clocks ---- */

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;

    if (clock_gettime(id, &t) < 0)
        bench_die("clock_gettime: %s", strerror(errno));
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t bench_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t bench_cpu_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/* Of all threads of the process. */
static long voluntary_switches(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nvcsw;
}

void bench_begin(void)
{
    begun_sleeps = voluntary_switches();
    begun_wall_ns = bench_now_ns();
    begun_cpu_ns = bench_cpu_ns();
}

double bench_end_ns(void)
{
    uint64_t cpu_ns = bench_cpu_ns() - begun_cpu_ns, wall_ns = bench_now_ns() - begun_wall_ns;

    timed_cpu_ns += cpu_ns;
    timed_wall_ns += wall_ns;
    return (double)(voluntary_switches() == begun_sleeps ? cpu_ns : wall_ns);
}

/* ---- memory ---- */

/* The number after `key` at the start of a line, in kB as the kernel prints it; as bytes. */
static size_t proc_bytes(const char *path, const char *key)
{
    char line[256];
    size_t bytes = 0, length = strlen(key);
    FILE *f = fopen(path, "re");

    if (!f)
        bench_die("%s: %s", path, strerror(errno));
    while (fgets(line, sizeof line, f))
        if (strncmp(line, key, length) == 0) {
            bytes = strtoul(line + length, NULL, 10) * 1024;
            break;
        }
    fclose(f);
    return bytes;
}

size_t bench_rss(void)
{
    return proc_bytes("/proc/self/smaps_rollup", "Rss:");
}

size_t bench_tables(void)
{
    return proc_bytes("/proc/self/status", "VmPTE:");
}

size_t bench_peak(void)
{
    return proc_bytes("/proc/self/status", "VmHWM:");
}

size_t bench_available(void)
{
    return proc_bytes("/proc/meminfo", "MemAvailable:");
}

size_t bench_mappings(void)
{
    FILE *f = fopen("/proc/self/maps", "re");
    size_t lines = 0;
    int c;

    if (!f)
        bench_die("/proc/self/maps: %s", strerror(errno));
    while ((c = getc_unlocked(f)) != EOF)
        lines += c == '\n';
    fclose(f);
    return lines;
}

/* ---- processes ---- */

bool bench_child(void (*fn)(double *out), double *out, size_t count)
{
    size_t bytes = count * sizeof *out;
    double inside[BENCH_OUT_MAX] = {0};
    int ends[2], status;
    ssize_t got;
    pid_t pid;

    if (count > BENCH_OUT_MAX || pipe(ends) < 0)
        bench_die("bench_child: %s", strerror(errno));
    fflush(NULL);
    pid = fork();
    if (pid < 0)
        bench_die("fork: %s", strerror(errno));
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        fn(inside);
        _exit(write(ends[1], inside, bytes) == (ssize_t)bytes ? 0 : 1);
    }
    close(ends[1]);
    got = read(ends[0], out, bytes);
    close(ends[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return got == (ssize_t)bytes && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
