// LINK-ONLY: arch
/* t_switch_unwind.c: a backtrace is right from wherever it is taken: inside a context, in a
 * visit, in a signal handler at any instruction of the switch.
 *
 * The words that backtraces are compared with are explained in arch/journey.h. Stepping with
 * the trap flag is x86's; elsewhere arch/unwind-steps does the same with a debugger.
 */
#include "tap.h"

#include <time.h>
#include <ucontext.h>

#include "arch/journey.h"
#include "arch/trace.h"

enum { SIGNALS = 3000 };
#define LATE_SIGNALS "ThreadSanitizer runs handlers later, at a system call"

#ifdef FRAME_BYTES

static struct context outside, inside;
static _Alignas(64) unsigned char room[64 * 1024];
static struct trace seen;

ITSELF static void take_and_leave(void *arg)
{
    trace_take(&seen, NULL);
    for (;;)
        context_switch(&inside, arg);
}

ITSELF static long asleep_here(struct context *other)
{
    long value = context_switch(&inside, other);

    __asm__ volatile("" ::: "memory"); /* not a tail call */
    return value;
}

ITSELF static void sleep_in_a_call(void *arg)
{
    for (long got = 0;; got++)
        if (asleep_here(arg) != got)
            abort();
}

static void prepare(void (*entry)(void *))
{
    context_prepare(&inside, room, room + sizeof room, entry, &outside);
}

#define CHECK_FRAME(trace, i, fn) CHECK((i) < (trace).depth && (trace).function[i] == (void *)(fn))

TEST(hazard_5_a_backtrace_ends_at_the_entry_frame)
{
    prepare(take_and_leave);
    context_switch(&outside, &inside);
    CHECK(seen.ended);
    CHECK_EQ(seen.depth, 3);
    CHECK_FRAME(seen, 0, trace_take);
    CHECK_FRAME(seen, 1, take_and_leave);
    CHECK_FRAME(seen, 2, context_entry);
}

/* ---- visits ---- */

static struct {
    uintptr_t low, high; /* of a local */
    void *caller;        /* of the code below context_visit(), by frame pointers */
} visit;

ITSELF static void look_round(void *arg)
{
    char local;

    CHECK(arg == (void *)&visit);
    visit.low = visit.high = (uintptr_t)&local;
    visit.caller = NULL;
#ifdef FRAME_RECORD
    void **record = FRAME_RECORD((void **)__builtin_frame_address(0));
    record = FRAME_RECORD((void **)record[0]);
    if (record[1])
        visit.caller = _Unwind_FindEnclosingFunction(record[1]);
#endif
    trace_take(&seen, NULL);
    __asm__ volatile("" ::: "memory");
}

TEST(a_visit_shows_the_suspended_code)
{
    prepare(sleep_in_a_call);
    context_switch(&outside, &inside);
    CHECK_EQ(context_visit(&inside, look_round, &visit), 0);
    CHECK(seen.ended);
    CHECK_EQ(seen.depth, 6);
    CHECK_FRAME(seen, 1, look_round);
    CHECK_FRAME(seen, 2, context_visit);
    CHECK_FRAME(seen, 3, asleep_here);
    CHECK_FRAME(seen, 4, sleep_in_a_call);
    CHECK_FRAME(seen, 5, context_entry);
    CHECK(visit.low >= (uintptr_t)room && visit.high < (uintptr_t)inside.sp);
#ifdef FRAME_RECORD
    CHECK(visit.caller == (void *)asleep_here);
#endif
}

TEST(a_visit_before_the_first_run_shows_the_entry_frame)
{
    prepare(sleep_in_a_call);
    CHECK_EQ(context_visit(&inside, look_round, &visit), 0);
    CHECK(seen.ended);
    CHECK_EQ(seen.depth, 4);
    CHECK_FRAME(seen, 2, context_visit);
    CHECK_FRAME(seen, 3, context_entry);
}

TEST(a_visited_context_goes_on_as_if_nothing_had_been)
{
    prepare(sleep_in_a_call);
    for (long i = 0; i < 1000; i++) {
        void *sp = inside.sp;
        CHECK_EQ(context_visit(&inside, look_round, &visit), 0);
        CHECK(inside.sp == sp);
        inside.value = i - 1; /* the first is for nobody */
        context_switch(&outside, &inside);
    }
}

#else

TEST(a_visit_is_refused_where_the_port_cannot)
{
    struct context ctx = {NULL, 0};

    CHECK_EQ(context_visit(&ctx, NULL, NULL), -1);
}

#endif

/* ---- every instruction ---- */

#if defined(FRAME_BYTES) && defined(REGISTERS)

static volatile bool judging; /* from the outside, libc's own functions are interrupted as well */
static struct trace base;     /* of the test that calls journey(), from frame 1 on */
static struct {
    int taken, in_switch, in_entry, in_visit, wrong;
    char word[TRACE_MAX + 1]; /* the first that is wrong */
    const char *side;
    void *function;
    int wrong_register;
    uint64_t wrong_value;
} unwound;

static bool is_base(void **function, int depth)
{
    return depth == base.depth - 1 &&
           memcmp(function, base.function + 1, (size_t)depth * sizeof *function) == 0;
}

static char letter(void *function)
{
    return function == (void *)context_switch          ? 's'
           : function == (void *)switch_with_registers ? 'r'
           : function == (void *)context_entry         ? 'E'
           : function == (void *)context_visit         ? 'v'
           : function == (void *)journey_body          ? 'T'
           : function == (void *)journey_visitor       ? 'f'
                                                       : '?';
}

static void spell(struct trace *trace, char *word)
{
    for (int i = trace->interrupted; i < trace->depth; i++) {
        void **rest = trace->function + i;
        int depth = trace->depth - i;
        if (is_base(rest, depth) || (*rest == (void *)journey && is_base(rest + 1, depth - 1))) {
            *word++ = 'M';
            break;
        }
        *word++ = letter(*rest);
    }
    *word = 0;
}

static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(word, *words) == 0)
            return true;
    return false;
}

/* In a signal handler, on whichever stack was interrupted: unwinds and judges. */
static void judge(ucontext_t *context)
{
    static const char *const main_words[] = {JOURNEY_MAIN_WORDS, NULL};
    static const char *const task_words[] = {JOURNEY_TASK_WORDS, NULL};
    char here;
    bool on_task = (uintptr_t)&here - (uintptr_t)journey_room.stack < sizeof journey_room.stack;
    struct trace trace;
    char word[TRACE_MAX + 1];

#ifdef BELOW_STACK
    /* What the port has left below its stack pointer is gone: nothing may look there. */
    void *function = _Unwind_FindEnclosingFunction(INTERRUPTED_AT(context) + 1);
    if (function == (void *)context_switch || function == (void *)context_visit)
        memset(BELOW_STACK(context), 0x5a, BELOW_BYTES);
#else
    (void)context;
#endif
    trace_take(&trace, on_task ? journey_task_registers : journey_main_registers);
    spell(&trace, word);
    unwound.taken++;
    unwound.in_switch += word[0] == 's';
    unwound.in_entry += word[0] == 'E';
    unwound.in_visit += word[0] == 'v';
    if ((trace.ended || !on_task) && is_one_of(word, on_task ? task_words : main_words) &&
        trace.wrong_register < 0)
        return;
    if (unwound.wrong++)
        return;
    snprintf(unwound.word, sizeof unwound.word, "%s", word);
    unwound.side = on_task ? "task's" : "main";
    unwound.function = trace.function[trace.interrupted];
    unwound.wrong_register = trace.wrong_register;
    unwound.wrong_value = trace.wrong_value;
}

static void on_interrupt(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info;
#ifdef STEP_TOGGLE
    static bool stepping;
    if (sig == SIGTRAP && STEP_TOGGLED(info)) {
        stepping = !stepping;
        STEP_SET((ucontext_t *)context, stepping);
        return;
    }
#endif
    if (judging)
        judge(context);
}

static void interrupt_on(int sig)
{
    struct sigaction action = {.sa_sigaction = on_interrupt, .sa_flags = SA_RESTART | SA_SIGINFO};

    journey_prepare();
    CHECK(base.depth > 3 && base.depth < TRACE_MAX);
    sigaction(sig, &action, NULL);
}

static void check_unwound(void)
{
    static const char *const names[REGISTERS] = REGISTER_NAMES;

    CHECK_EQ(unwound.wrong, 0);
    if (!unwound.wrong)
        return;
    fprintf(stderr, "first on the %s stack, in %c: \"%s\"\n", unwound.side,
            letter(unwound.function), unwound.word);
    if (unwound.wrong_register >= 0)
        fprintf(stderr, "%s of the caller is %#llx there\n", names[unwound.wrong_register],
                (unsigned long long)unwound.wrong_value);
}

TEST(hazard_4_each_instruction_of_the_switch_unwinds)
{
#if defined(__SANITIZE_THREAD__)
    SKIP(LATE_SIGNALS);
#elif !defined(STEP_TOGGLE)
    SKIP("no trap flag on this CPU; arch/unwind-steps steps with a debugger");
#else
    trace_take(&base, NULL);
    interrupt_on(SIGTRAP);
    judging = true;
    STEP_TOGGLE();
    int failed = journey();
    STEP_TOGGLE();
    CHECK_EQ(failed, 0);
    CHECK_EQ(journey_visits, 2);
    CHECK(unwound.in_switch >= 4 * 10);
    CHECK(unwound.in_entry >= 3);
    CHECK(unwound.in_visit >= 2 * 8);
    check_unwound();
#endif
}

TEST(hazard_4_signals_at_10_khz_unwind)
{
    struct itimerspec often = {{0, 100 * 1000}, {0, 100 * 1000}};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    timer_t timer;

#ifdef __SANITIZE_THREAD__
    SKIP(LATE_SIGNALS);
#endif
    trace_take(&base, NULL);
    interrupt_on(SIGUSR1);
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    CHECK(timer_settime(timer, 0, &often, NULL) == 0);
    judging = true;
    while (unwound.taken < SIGNALS)
        journey();
    judging = false;
    timer_delete(timer);
    check_unwound();
}

#else

TEST(hazard_4_each_instruction_of_the_switch_unwinds)
{
    SKIP("what libc's swapcontext() tells the unwinder is libc's, or no assembly for this CPU");
}

#endif
