/* t_options.c: a field of rv_options beats its REEVE_ variable, which beats the default; a value
 * that makes no sense is refused with a line that names it, and a variable that nobody knows is
 * pointed out.
 */
// LINK: -Wl,--wrap=cpus_allowed
#include "child.h"

#include "base/cpus.h"
#include "reeve.h"
#include "sched/options.h"
#include "sched/worker.h"

/* Of the machine, as cpus_allowed() sees it; 0: the real one's, as it is. */
static unsigned pretended_cpus;

unsigned __real_cpus_allowed(void);
unsigned __wrap_cpus_allowed(void);
unsigned __wrap_cpus_allowed(void)
{
    return pretended_cpus ? pretended_cpus : __real_cpus_allowed();
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* ---- what is understood ---- */

struct setting {
    const char *variable, *value;
    const char *refused; /* NULL: it is fine; otherwise what is said of it, after "NAME=value" */
};

#define COUNT_WORDS ": a number from "

static const struct setting settings[] = {
    {"REEVE_STACK", "65536", NULL},
    {"REEVE_STACK", "16K", NULL},
    {"REEVE_STACK", "1M", NULL},
    {"REEVE_STACK", "2G", NULL},
    {"REEVE_STACK", "16383", COUNT_WORDS "16384"},
    {"REEVE_STACK", "3G", COUNT_WORDS "16384"},
    {"REEVE_STACK", "", COUNT_WORDS "16384"},
    {"REEVE_STACK", "0", COUNT_WORDS "16384"},
    {"REEVE_STACK", "-1", COUNT_WORDS "16384"},
    {"REEVE_STACK", " 64K", COUNT_WORDS "16384"},
    {"REEVE_STACK", "64k", COUNT_WORDS "16384"},
    {"REEVE_STACK", "64KB", COUNT_WORDS "16384"},
    {"REEVE_STACK", "0x10000", COUNT_WORDS "16384"},
    {"REEVE_STACK", "64K ", COUNT_WORDS "16384"},
    {"REEVE_STACK", "18446744073709551616", COUNT_WORDS "16384"},
    {"REEVE_STACK", "17179869185G", COUNT_WORDS "16384"}, /* 1 G when it wraps */
    {"REEVE_TASKS_MAX", "1", NULL},
    {"REEVE_TASKS_MAX", "10M", NULL},
    {"REEVE_TASKS_MAX", "18446744073709551615", NULL},
    {"REEVE_TASKS_MAX", "0", COUNT_WORDS "1 to 18446744073709551615"},
    {"REEVE_TASKS_MAX", "many", COUNT_WORDS "1 to 18446744073709551615"},
    {"REEVE_RING", "8", NULL},
    {"REEVE_RING", "1K", NULL},
    {"REEVE_RING", "7", COUNT_WORDS "8 to 32768"},
    {"REEVE_RING", "32769", COUNT_WORDS "8 to 32768"},
    {"REEVE_CQ", "8", NULL},
    {"REEVE_CQ", "64K", NULL},
    {"REEVE_CQ", "65537", COUNT_WORDS "8 to 65536"},
    {"REEVE_WIPE", "0", NULL},
    {"REEVE_WIPE", "1", NULL},
    {"REEVE_WIPE", "yes", ": \"0\" and \"1\" are understood"},
    {"REEVE_WIPE", "", ": \"0\" and \"1\" are understood"},
    {"REEVE_GUARD", "auto", NULL},
    {"REEVE_GUARD", "mprotect", NULL},
    {"REEVE_GUARD", "none", ": \"auto\", \"madvise\" and \"mprotect\" are understood"},
    {"REEVE_WORKERS", "1", NULL},
    {"REEVE_WORKERS", "2", NULL},
    {"REEVE_WORKERS", "256", NULL},
    {"REEVE_WORKERS", "auto", NULL},
    {"REEVE_WORKERS", "0", COUNT_WORDS "1 to 256 or \"auto\" is expected"},
    {"REEVE_WORKERS", "257", COUNT_WORDS "1 to 256 or \"auto\" is expected"},
    {"REEVE_WORKERS", "4294967295", COUNT_WORDS "1 to 256"}, /* RV_WORKERS_AUTO is a field's */
    {"REEVE_WORKERS", "", COUNT_WORDS "1 to 256"},
    {"REEVE_WORKERS", "Auto", COUNT_WORDS "1 to 256"},
    {"REEVE_WORKERS", "auto ", COUNT_WORDS "1 to 256"},
    {"REEVE_WORKERS", "off", COUNT_WORDS "1 to 256"},
    {"REEVE_PIN", "0", NULL},
    {"REEVE_PIN", "1", NULL},
    {"REEVE_PIN", "yes", ": \"0\" and \"1\" are understood"},
    {"REEVE_WATCHDOG", "1", NULL},
    {"REEVE_WATCHDOG", "3600000", NULL},
    {"REEVE_WATCHDOG", "off", NULL},
    {"REEVE_WATCHDOG", "0", COUNT_WORDS "1 to 3600000 or \"off\" is expected"},
    {"REEVE_WATCHDOG", "3600001", COUNT_WORDS "1 to 3600000"},
    {"REEVE_WATCHDOG", "4294967295", COUNT_WORDS "1 to 3600000"},
    {"REEVE_WATCHDOG", "auto", COUNT_WORDS "1 to 3600000"},
    {"REEVE_BACKEND", "auto", NULL},
    {"REEVE_BACKEND", "epoll", NULL},
    {"REEVE_LOG", "0", NULL},
    {"REEVE_LOG", "all", ": \"0\" and \"1\" are understood"},
};

static int read_only(void *arg)
{
    const struct setting *s = arg;
    struct settings out;

    setenv(s->variable, s->value, 1);
    return options_read(&out, NULL) == 0 ? 0 : 1;
}

static int run_with(void *arg)
{
    const struct setting *s = arg;

    setenv(s->variable, s->value, 1);
    return rv_run(nothing, NULL, NULL) == 0 ? 0 : 1;
}

TEST(each_variable_s_good_values_are_taken_and_its_bad_ones_refused_by_name)
{
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        const struct setting *s = &settings[i];
        bool big =
            strchr(s->value, 'G') || strcmp(s->value, "64K") == 0 || strcmp(s->value, "256") == 0;
        struct child o = child_result(s->refused || big ? read_only : run_with, (void *)s);
        char words[128];

        snprintf(words, sizeof words, "reeve: %s=%s%s", s->variable, s->value,
                 s->refused ? s->refused : "");
        CHECK(o.signal == 0 && o.code == (s->refused ? 1 : 0));
        if (s->refused)
            check_says(&o, words, words);
        else if (o.words[0])
            fprintf(stderr, "%s said: %s", words, o.words), tap_failures++;
    }
}

static int run_refused(void *arg)
{
    const struct setting *s = arg;

    setenv(s->variable, s->value, 1);
    return rv_run(nothing, NULL, NULL) == -EINVAL ? 0 : 1;
}

TEST(rv_run_with_a_bad_variable_returns_einval_and_runs_nothing)
{
    static const struct setting bad[] = {{"REEVE_STACK", "few", "REEVE_STACK=few"},
                                         {"REEVE_BACKEND", "windows", "\"windows\" is unknown"},
                                         {"REEVE_BACKEND", "", "\"\" is unknown"},
                                         {"REEVE_WIPE", "2", "REEVE_WIPE=2"},
                                         {"REEVE_GUARD", "x", "REEVE_GUARD=x"}};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct child o = child_result(run_refused, (void *)&bad[i]);

        CHECK(o.signal == 0 && o.code == 0);
        check_says(&o, bad[i].refused, bad[i].variable);
    }
}

/* ---- fields ---- */

static int run_fields(void *arg)
{
    return rv_run(nothing, NULL, arg) == -EINVAL ? 0 : 1;
}

TEST(fields_out_of_range_are_refused_too)
{
    static const struct {
        rv_options options;
        const char *words;
    } bad[] = {
        {{.stack_bytes = 100},
         "rv_options.stack_bytes: 100 is out of range; from 16384 to 2147483648, as for "
         "REEVE_STACK"},
        {{.stack_bytes = SIZE_MAX}, "rv_options.stack_bytes: 18446744073709551615 is out of range"},
        {{.ring_entries = 1}, "rv_options.ring_entries: 1 is out of range"},
        {{.ring_entries = 1u << 31}, "as for REEVE_RING"},
        {{.cq_entries = 1u << 31}, "rv_options.cq_entries: 2147483648 is out of range"},
        {{.workers = 257},
         "rv_options.workers: 257 is out of range; from 1 to 256 or RV_WORKERS_AUTO, as for "
         "REEVE_WORKERS"},
        {{.workers = RV_WORKERS_AUTO - 1}, "as for REEVE_WORKERS"},
        {{.watchdog_ms = 3600001},
         "rv_options.watchdog_ms: 3600001 is out of range; from 1 to 3600000 or RV_WATCHDOG_OFF, "
         "as for REEVE_WATCHDOG"},
        {{.backend = "epol"}, "backend \"epol\" is unknown"},
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct child o = child_result(run_fields, (void *)&bad[i].options);

        CHECK(o.signal == 0 && o.code == 0);
        check_says(&o, bad[i].words, "a bad field");
    }
}

static void check_precedence(void)
{
    const rv_options given = {.backend = "uring",
                              .stack_bytes = 1 << 20,
                              .tasks_max = 7,
                              .ring_entries = 16,
                              .cq_entries = 32,
                              .wipe_stacks = true};
    struct settings s;

    CHECK_EQ(options_read(&s, &given), 0);
    CHECK(strcmp(s.kernel.backend, "uring") == 0);
    CHECK_EQ(s.stack_bytes, 1 << 20);
    CHECK_EQ(s.tasks_max, 7);
    CHECK_EQ(s.kernel.ring_entries, 16);
    CHECK_EQ(s.kernel.cq_entries, 32);
    CHECK(s.wipe_stacks);
}

TEST(a_field_beats_its_variable_which_beats_the_default)
{
    const rv_options none = {0};
    struct settings s;

    unsetenv("REEVE_BACKEND");
    CHECK_EQ(options_read(&s, &none), 0);
    CHECK(strcmp(s.kernel.backend, "auto") == 0);
    CHECK_EQ(s.stack_bytes, 64 << 10);
    CHECK_EQ(s.tasks_max, SIZE_MAX);
    CHECK_EQ(s.kernel.ring_entries, 256);
    CHECK_EQ(s.kernel.cq_entries, 4096);
    CHECK(!s.wipe_stacks && s.guard == STACK_GUARD_AUTO);
    check_precedence();
    setenv("REEVE_BACKEND", "nonsense", 1);
    setenv("REEVE_STACK", "128K", 1);
    setenv("REEVE_TASKS_MAX", "99", 1);
    setenv("REEVE_RING", "64", 1);
    setenv("REEVE_CQ", "128", 1);
    setenv("REEVE_WIPE", "0", 1);
    check_precedence();
    setenv("REEVE_WIPE", "1", 1);
    setenv("REEVE_GUARD", "mprotect", 1);
    CHECK_EQ(options_read(&s, NULL), 0);
    CHECK(strcmp(s.kernel.backend, "nonsense") == 0); /* the kernel layer knows which there are */
    CHECK_EQ(s.stack_bytes, 128 << 10);
    CHECK_EQ(s.tasks_max, 99);
    CHECK_EQ(s.kernel.ring_entries, 64);
    CHECK_EQ(s.kernel.cq_entries, 128);
    CHECK(s.wipe_stacks && s.guard == STACK_GUARD_MPROTECT);
    setenv("REEVE_RING", "bad", 1);
    check_precedence(); /* what is not asked is not judged */
}

/* ---- workers ---- */

/* What is made of the fields, where the variables are as they are. */
static struct settings read_fields(rv_options given)
{
    struct settings s = {0};

    CHECK_EQ(options_read(&s, &given), 0);
    return s;
}

static void forget_variables(void)
{
    static const char *const variables[] = {"REEVE_BACKEND", "REEVE_WORKERS", "REEVE_PIN",
                                            "REEVE_WATCHDOG"};

    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        unsetenv(variables[i]);
}

TEST(workers_and_pins_are_the_field_s_or_the_variable_s_or_one_and_none)
{
    forget_variables();
    CHECK_EQ(read_fields((rv_options){0}).workers, 1);
    CHECK(!read_fields((rv_options){0}).pin_workers);
    CHECK_EQ(read_fields((rv_options){.workers = 256}).workers, 256);
    CHECK(read_fields((rv_options){.pin_workers = true}).pin_workers);
    setenv("REEVE_WORKERS", "3", 1);
    setenv("REEVE_PIN", "1", 1);
    CHECK_EQ(read_fields((rv_options){0}).workers, 3);
    CHECK(read_fields((rv_options){0}).pin_workers);
    CHECK_EQ(read_fields((rv_options){.workers = 2}).workers, 2);
    setenv("REEVE_PIN", "0", 1);
    CHECK(!read_fields((rv_options){0}).pin_workers);
    CHECK(read_fields((rv_options){.pin_workers = true}).pin_workers);
    setenv("REEVE_WORKERS", "auto", 1);
    CHECK_EQ(read_fields((rv_options){.workers = 2}).workers, 2);
    setenv("REEVE_WORKERS", "nonsense", 1);
    CHECK_EQ(read_fields((rv_options){.workers = 2}).workers, 2); /* not asked, not judged */
}

TEST(auto_is_as_many_workers_as_there_are_cpus_and_four_in_a_simulated_world)
{
    unsigned cpus = cpus_allowed() < 256 ? cpus_allowed() : 256;

    forget_variables();
    CHECK_EQ(read_fields((rv_options){.workers = RV_WORKERS_AUTO}).workers, cpus);
    CHECK_EQ(read_fields((rv_options){.backend = "sim", .workers = RV_WORKERS_AUTO}).workers, 4);
    CHECK_EQ(read_fields((rv_options){.backend = "sim"}).workers, 1);
    setenv("REEVE_WORKERS", "auto", 1);
    CHECK_EQ(read_fields((rv_options){0}).workers, cpus);
    CHECK_EQ(read_fields((rv_options){.backend = "epoll"}).workers, cpus);
    setenv("REEVE_BACKEND", "sim", 1);
    CHECK_EQ(read_fields((rv_options){0}).workers, 4);
    CHECK_EQ(read_fields((rv_options){.backend = "epoll"}).workers, cpus);
    setenv("REEVE_WORKERS", "2", 1);
    CHECK_EQ(read_fields((rv_options){.workers = RV_WORKERS_AUTO}).workers, 4);
}

TEST(auto_is_never_more_workers_than_there_may_be)
{
    forget_variables();
    pretended_cpus = 1024;
    CHECK_EQ(cpus_allowed(), 1024);
    CHECK_EQ(read_fields((rv_options){.workers = RV_WORKERS_AUTO}).workers, 256);
}

TEST(the_watchdog_is_on_by_itself_where_there_are_several_workers)
{
    const rv_options off = {.watchdog_ms = RV_WATCHDOG_OFF, .workers = 2};

    forget_variables();
    CHECK_EQ(read_fields((rv_options){0}).watchdog_ns, 0);
    CHECK_EQ(read_fields((rv_options){.workers = 2}).watchdog_ns, 100 * RV_MS);
    CHECK_EQ(read_fields(off).watchdog_ns, 0);
    CHECK_EQ(read_fields((rv_options){.watchdog_ms = 7}).watchdog_ns, 7 * RV_MS);
    CHECK_EQ(read_fields((rv_options){.watchdog_ms = 3600000}).watchdog_ns, 3600 * RV_S);
    setenv("REEVE_WORKERS", "2", 1);
    CHECK_EQ(read_fields((rv_options){0}).watchdog_ns, 100 * RV_MS);
    setenv("REEVE_WATCHDOG", "off", 1);
    CHECK_EQ(read_fields((rv_options){0}).watchdog_ns, 0);
    CHECK_EQ(read_fields((rv_options){.watchdog_ms = 7}).watchdog_ns, 7 * RV_MS);
    setenv("REEVE_WATCHDOG", "50", 1);
    setenv("REEVE_WORKERS", "1", 1);
    CHECK_EQ(read_fields((rv_options){0}).watchdog_ns, 50 * RV_MS);
    CHECK_EQ(read_fields(off).watchdog_ns, 0);
}

/* ---- unknown variables ---- */

static int run_unknown(void *arg)
{
    setenv("REEVE_STACKS", "1M", 1);
    setenv("REEVE_", "x", 1);
    setenv("REEVE_RIN", "1", 1);
    setenv("XREEVE_RING", "1", 1);
    return rv_run(nothing, arg, NULL);
}

TEST(an_unknown_variable_is_pointed_out_and_does_no_harm)
{
    struct child o = child_result(run_unknown, NULL);

    CHECK(o.signal == 0 && o.code == 0);
    check_says(&o, "REEVE_STACKS is no variable of reeve's; there are REEVE_BACKEND", "a slip");
    check_says(&o, "REEVE_WORKERS, REEVE_PIN, REEVE_WATCHDOG, ", "a slip");
    check_says(&o, "reeve: REEVE_ is no variable", "a slip");
    check_says(&o, "reeve: REEVE_RIN is no variable", "a slip");
    CHECK(strstr(o.words, "XREEVE") == NULL);
}

/* ---- they take effect ---- */

static int use_stack(void *arg)
{
    size_t bytes = *(size_t *)arg;
    volatile char *deep = __builtin_alloca(bytes);

    for (size_t i = 0; i < bytes; i += 512)
        deep[i] = 1;
    return deep[0] - 1;
}

TEST(stack_bytes_is_what_a_task_can_use)
{
    size_t half = 512 << 10;

    CHECK_EQ(rv_run(use_stack, &half, &(rv_options){.stack_bytes = 1 << 20}), 0);
}

static int count_tasks(void *arg)
{
    rv_group g;
    int got = 0;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    while (got < 100 && rv_try_go(&g, nothing, NULL) == 0)
        got++;
    return rv_group_close(&g, got);
}

TEST(tasks_max_of_the_environment_holds)
{
    setenv("REEVE_WORKERS", "1", 1); /* several would divide them */
    setenv("REEVE_TASKS_MAX", "5", 1);
    CHECK_EQ(rv_run(count_tasks, NULL, NULL), 4);
    CHECK_EQ(rv_run(count_tasks, NULL, &(rv_options){.tasks_max = 3}), 2);
}

static int all_rings(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++)
        if (rv_sleep(RV_US) != 0)
            return -EIO;
    return 0;
}

TEST(the_smallest_rings_work)
{
    CHECK_EQ(rv_run(all_rings, NULL, &(rv_options){.ring_entries = 8, .cq_entries = 8}), 0);
}
