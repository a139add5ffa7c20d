/* bench.h: the harness every program of bench/ stands on.
 *
 * A row is one figure: a name that never changes, a unit, one value a run. It is printed as
 *
 *     name median unit (min–max, runs)
 *
 * or with --json as one object a line. Standard output carries rows only; notes about how they
 * came about go to standard error.
 *
 * The host's speed drifts by half within minutes, so a row is never measured in one block:
 * bench_run() goes through all cases once, then again, and so on, and figures that are compared
 * (a ratio, a cost on top) are computed inside one round. The first round warms up caches,
 * predictors and the page allocator and is not counted. Read the median; where it is far from
 * the minimum the machine was busy, and the minimum is the better witness.
 *
 * A timed span is its CPU time as long as nothing in it slept (no voluntary context switch, as
 * the kernel counts them): others who take the core then cost little. If anything slept, it is
 * wall time: nothing hides by sleeping. How much of the core a program had is noted at its end
 * if it was not all.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench_options {
    unsigned runs; /* counted runs of each row; 0: what the row thinks right */
    bool quick;    /* fewer runs, the same work in each: a row means the same either way */
    bool json;
    int pin; /* the CPU to run on, or -1 */
};
extern struct bench_options bench;

/* Reads the options. What is left over selects rows by a part of their name. */
void bench_init(int argc, char **argv);
bool bench_wanted(const char *name);
unsigned bench_runs(unsigned usual);
void bench_pin(int cpu); /* the calling process; a note where that is not possible */

/* ---- rows ---- */

enum { BENCH_RUNS_MAX = 256, BENCH_NAME_MAX = 64 };

struct bench_row {
    char name[BENCH_NAME_MAX];
    const char *unit;
    unsigned count;
    double value[BENCH_RUNS_MAX];
};

void bench_row_open(struct bench_row *row, const char *unit, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void bench_row_add(struct bench_row *row, double value);
double bench_row_median(const struct bench_row *row);
void bench_row_print(const struct bench_row *row); /* nothing for a row without values */

struct bench_case {
    const char *name;
    const char *unit;
    double (*run)(void);
};

/* All wanted cases in turn: one round that is not counted, then `runs` that are. Prints them. */
void bench_run(const struct bench_case *cases, size_t count, unsigned runs);

/* Jain's index, of how alike n values are: (sum x)^2 / (n sum x^2); 1/n, one has all; 1, all have
 * the same. */
struct jain {
    double count, sum, squares;
};

static inline void jain_add(struct jain *j, double x)
{
    j->count++;
    j->sum += x;
    j->squares += x * x;
}

static inline double jain_index(const struct jain *j)
{
    return j->squares > 0 ? j->sum * j->sum / (j->count * j->squares) : 0;
}

/* ---- clocks ---- */

uint64_t bench_now_ns(void);
uint64_t bench_cpu_ns(void); /* of the whole process, all its threads */

/* A timed span, in a thread that should never sleep. */
void bench_begin(void);
double bench_end_ns(void);

/* ---- memory of this process, bytes ---- */

size_t bench_rss(void);    /* exact: a walk of the page tables, not the lazy counter of VmRSS */
size_t bench_tables(void); /* page tables */
size_t bench_peak(void);   /* the highest RSS so far */
size_t bench_mappings(void);
size_t bench_available(void); /* of the machine */

/* ---- processes ---- */

enum { BENCH_OUT_MAX = 8 };

/* Runs fn in a child process: cold stacks, an allocator without history, a peak RSS of its own.
 * False if it failed; out then holds nothing. */
bool bench_child(void (*fn)(double *out), double *out, size_t count);

void bench_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void bench_die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
void bench_must(long result, const char *what); /* dies of a negative result */

/* Makes the function around it differ from its macro-generated twins, so that the compiler does
 * not fold them into one (and with them their call sites); emits no instruction. */
#define BENCH_DISTINCT(number) __asm__ volatile("" : : "i"(number) : "memory")

/* X(0) ... X(15): for a function a call site. */
#define BENCH_SITES(X) \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

#define BENCH_NOINLINE __attribute__((noinline))
#define BENCH_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
