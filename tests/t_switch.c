// LINK-ONLY: arch
// LINK: -lm
/* t_switch.c: what arch/switch.h promises, with nothing but the port linked.
 *
 * Backtraces are in t_switch_unwind.c, as they need a debugger's tricks.
 */
#include "tap.h"

#include <fenv.h>
#include <setjmp.h>
#include <sys/mman.h>

#include "arch/guard.h"
#include "arch/registers.h"

enum { STACK_BYTES = 64 * 1024, RING = 1000, CROWD = 16, MODES = 4 };

struct coroutine {
    struct context context;
    char *stack;
    int number;
    long seen;
};

static struct coroutine outside; /* the test itself */

/* `shift` moves the top of the stack away from where it would be aligned. */
static void prepare(struct coroutine *c, size_t shift, void (*entry)(void *))
{
    c->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (c->stack == MAP_FAILED) {
        perror("mmap");
        exit(2);
    }
    context_prepare(&c->context, c->stack, c->stack + STACK_BYTES - shift, entry, c);
}

static int enter(struct coroutine *c, int value)
{
    c->context.value = value;
    return context_switch(&outside.context, &c->context);
}

static int leave(struct coroutine *c, int value)
{
    outside.context.value = value;
    return context_switch(&c->context, &outside.context);
}

/* ---- values ---- */

static void add_up(void *arg)
{
    struct coroutine *c = arg;

    for (int got = leave(c, c->number);; got = leave(c, c->seen))
        c->seen += got;
}

TEST(the_argument_reaches_the_entry_and_values_travel_both_ways)
{
    struct coroutine c = {.number = 42};
    int sum = 0;

    prepare(&c, 0, add_up);
    CHECK_EQ(enter(&c, -1), 42);
    for (int i = -5; i < 100; i++)
        CHECK_EQ(enter(&c, i * 65537), (sum += i * 65537));
}

static struct coroutine ring[RING];

static void pass_on(void *arg)
{
    struct coroutine *c = arg, *next = c + 1 < ring + RING ? c + 1 : &outside;

    for (;;) {
        next->context.value = ++c->seen * RING + c->number;
        int got = context_switch(&c->context, &next->context);
        CHECK_EQ(got, c->number == 0 ? -c->seen : (c->seen + 1) * RING + c->number - 1);
    }
}

TEST(a_thousand_contexts_pass_values_round_a_ring)
{
    for (int i = 0; i < RING; i++) {
        ring[i].number = i;
        prepare(&ring[i], (size_t)i % 64 * 64, pass_on);
    }
    for (int round = 0; round < 100; round++)
        CHECK_EQ(enter(&ring[0], -round), (round + 1) * RING + RING - 1);
}

/* ---- registers ---- */

#ifdef REGISTERS

static struct coroutine crowd[CROWD];
static long register_switches;

static uint64_t random_next(void)
{
    static uint64_t state = 0x9e3779b97f4a7c15u;

    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* Switches to anyone of the crowd with random registers, and back to the test in the end. */
static void shuffle(void *arg)
{
    struct coroutine *c = arg, *next;
    uint64_t in[REGISTERS], out[REGISTERS];

    for (;;) {
        for (int i = 0; i < REGISTERS; i++)
            in[i] = random_next();
        do
            next = &crowd[random_next() % CROWD];
        while (next == c);
        if (--register_switches <= 0)
            next = &outside;
        switch_with_registers(&c->context, &next->context, in, out);
        for (int i = 0; i < REGISTERS; i++)
            if (in[i] != out[i])
                c->seen |= 1L << i;
    }
}

TEST(hazard_7_callee_saved_registers_survive_two_million_switches)
{
    static const char *const names[REGISTERS] = REGISTER_NAMES;

    register_switches = 2 * 1000 * 1000;
    for (int i = 0; i < CROWD; i++)
        prepare(&crowd[i], 0, shuffle);
    enter(&crowd[0], 0);
    CHECK_EQ(register_switches, 0);
    for (int i = 0; i < CROWD; i++)
        for (int r = 0; r < REGISTERS; r++)
            if (crowd[i].seen >> r & 1) {
                tap_failures++;
                fprintf(stderr, "context %d found another %s than it left\n", i, names[r]);
            }
}

#else

TEST(hazard_7_callee_saved_registers_survive_two_million_switches)
{
    SKIP("tests/arch has no assembly for this CPU");
}

#endif

static void note_alignment(void *arg)
{
    struct coroutine *c = arg;
    _Alignas(16) volatile char block[16];
    uintptr_t at = (uintptr_t)block;

    block[0] = 0;
    __asm__("" : "+r"(at)); /* or the compiler answers by what it was told */
#ifdef USE_ALIGNED
    USE_ALIGNED((volatile char(*)[16])block);
#endif
    for (;;)
        leave(c, (long)(at % 16));
}

TEST(hazard_8_the_stack_is_aligned_at_entry_wherever_its_top_is)
{
    for (size_t shift = 0; shift < 64; shift++) {
        struct coroutine c = {.number = 0};
        prepare(&c, shift, note_alignment);
        CHECK_EQ(enter(&c, 0), 0); /* not unmapped: AddressSanitizer would remember its frames */
    }
}

/* ---- the floating-point environment ---- */

static const int modes[MODES] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};

/* Tells the mode by what it does to sums: those of double and of long double are not done by
 * the same unit everywhere. -1 if the two differ. */
static int rounding_seen(void)
{
    volatile double one = 1, tiny = 1e-30;
    volatile long double long_one = 1, long_tiny = 1e-60L;
    int up = one + tiny > 1, down = -one + tiny > -1, near_one = one - tiny == 1;
    int long_up = long_one + long_tiny > 1, long_down = -long_one + long_tiny > -1;

    if (up != long_up || down != long_down)
        return -1;
    return up ? FE_UPWARD : !down ? (near_one ? FE_TONEAREST : FE_DOWNWARD) : FE_TOWARDZERO;
}

TEST(hazard_6_fenv_load_brings_back_what_fenv_save_saw)
{
    struct fenv saved[MODES];

    for (int i = 0; i < MODES; i++) {
        fesetround(modes[i]);
        CHECK_EQ(rounding_seen(), modes[i]);
        fenv_save(&saved[i]);
    }
    for (int i = 0; i < MODES * MODES; i++) {
        fenv_load(&saved[i % MODES]);
        CHECK_EQ(fegetround(), modes[i % MODES]);
        CHECK_EQ(rounding_seen(), modes[i % MODES]);
        fenv_load(&saved[i / MODES]);
        CHECK_EQ(rounding_seen(), modes[i / MODES]);
    }
}

static void turn_rounding(void *arg)
{
    struct coroutine *c = arg;

    for (int i = 1;; i++) {
        CHECK_EQ(rounding_seen(), modes[(i - 1) % MODES]);
        fesetround(modes[i % MODES]);
        leave(c, 0);
    }
}

TEST(hazard_6_a_plain_switch_leaves_the_rounding_mode_alone)
{
#ifndef FRAME_BYTES
    SKIP("swapcontext() carries the floating-point environment along");
#endif
    struct coroutine c = {.number = 0};

    prepare(&c, 0, turn_rounding);
    for (int i = 1; i < 100; i++) {
        enter(&c, 0);
        CHECK_EQ(rounding_seen(), modes[i % MODES]);
    }
}

static void keep_rounding(void *arg)
{
    struct coroutine *c = arg;
    struct fenv mine;

    fesetround(modes[c->number % MODES]);
    for (;;) {
        fenv_save(&mine);
        leave(c, 0);
        fenv_load(&mine);
        CHECK_EQ(rounding_seen(), modes[c->number % MODES]);
    }
}

TEST(hazard_6_each_task_keeps_its_rounding_mode_if_it_saves_it)
{
    struct coroutine c[CROWD] = {{.number = 0}};
    struct fenv mine;

    fesetround(FE_DOWNWARD);
    for (int i = 0; i < CROWD; i++) {
        c[i].number = i;
        prepare(&c[i], 0, keep_rounding);
    }
    for (int i = 0; i < 100 * CROWD; i++) {
        fenv_save(&mine);
        enter(&c[i * 7 % CROWD], 0);
        fenv_load(&mine);
        CHECK_EQ(rounding_seen(), FE_DOWNWARD);
    }
}

/* ---- what the program around it asks for ---- */

TEST(hazard_9_each_function_is_a_landing_pad)
{
#if !defined(LANDING_PAD) || !defined(FRAME_BYTES)
    SKIP("no landing pads on this port");
#else
    CHECK(memcmp((void *)context_switch, LANDING_PAD, 4) == 0);
    CHECK(memcmp((char *)context_entry + ENTRY_AT, LANDING_PAD, 4) == 0);
    CHECK(memcmp((void *)context_visit, LANDING_PAD, 4) == 0);
    CHECK(memcmp((void *)fenv_save, LANDING_PAD, 4) == 0);
    CHECK(memcmp((void *)fenv_load, LANDING_PAD, 4) == 0);
#endif
}

#if defined(GUARD_PROTECTION) && defined(FRAME_BYTES)

static void count_visit(void *arg)
{
    ++*(int *)arg;
}

TEST(hazard_9_indirect_branches_land_where_they_may)
{
    struct coroutine c = {.number = 42};
    struct fenv env;
    int visits = 0;

    if (!guard() || !guard_works())
        SKIP("this CPU does not enforce landing pads");
    long (*go)(void *, void *, void *) = (long (*)(void *, void *, void *))guarded;
    int (*visit)(void *, void (*)(void *), void *) =
        (int (*)(void *, void (*)(void *), void *))copy_of((void *)context_visit);

    prepare(&c, 0, add_up);
    uintptr_t *resume = (uintptr_t *)((char *)c.context.sp + FRAME_RESUME);
    *resume = (uintptr_t)copy_of((void *)*resume);
    CHECK_EQ(visit(&c.context, count_visit, &visits), 0);
    CHECK_EQ(go(&outside.context, &c.context, copy_of((void *)context_switch)), 42);
    CHECK_EQ(visit(&c.context, count_visit, &visits), 0);
    c.context.value = 1;
    CHECK_EQ(go(&outside.context, &c.context, copy_of((void *)context_switch)), 1);
    CHECK_EQ(visits, 2);
    go(&env, NULL, copy_of((void *)fenv_save));
    go(&env, NULL, copy_of((void *)fenv_load));
}

#else

TEST(hazard_9_indirect_branches_land_where_they_may)
{
    SKIP("landing pads are not enforced by page here");
}

#endif

static void jump_back(void *arg)
{
    struct coroutine *c = arg;
    jmp_buf here;
    volatile int jumps = 0;

    if (setjmp(here) < 10) {
        jumps++;
        leave(c, jumps);
        longjmp(here, jumps);
    }
    for (;;)
        leave(c, -1);
}

TEST(hazard_11_a_fortified_longjmp_inside_a_task_is_let_through)
{
#if !defined(__USE_FORTIFY_LEVEL) || __USE_FORTIFY_LEVEL == 0
    SKIP("built without _FORTIFY_SOURCE");
#endif
    struct coroutine low = {.number = 0}, high = {.number = 0};

    prepare(&low, STACK_BYTES / 2, jump_back);
    prepare(&high, 0, jump_back);
    for (int i = 1; i <= 10; i++) {
        CHECK_EQ(enter(&low, 0), i);
        CHECK_EQ(enter(&high, 0), i);
    }
    CHECK_EQ(enter(&low, 0), -1);
    CHECK_EQ(enter(&high, 0), -1);
}

TEST(hazard_12_no_mapping_is_writable_and_executable)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512], rights[8];
    int lines = 0;

    CHECK(maps != NULL);
    while (maps && fgets(line, sizeof line, maps)) {
        lines++;
        CHECK(sscanf(line, "%*s %7s", rights) == 1);
        if (rights[1] == 'w' && rights[2] == 'x') {
            tap_failures++;
            fprintf(stderr, "%s", line);
        }
    }
    CHECK(lines > 3);
}
