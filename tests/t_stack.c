/* t_stack.c: what stack/stack.h promises, asked of the pool itself; no task runs here.
 *
 * Whether a page may be touched is asked of the kernel: a write() from it fails with EFAULT
 * where the program itself would be killed.
 */
#include "tap.h"

#include <sys/mman.h>

#include "stack/stack.h"

enum { HEAD_BYTES = 200, PAGE = 4096, LINE = 64, MANY = SCALED(700, 300) };

static struct stack_arena arena;

static void open_arena(enum stack_guard guard, bool wipe)
{
    int err = stack_arena_init(&arena, HEAD_BYTES, guard, wipe);

    if (err == -ENOTSUP && guard == STACK_GUARD_MADVISE)
        SKIP("no MADV_GUARD_INSTALL here: Linux 6.13");
    CHECK_EQ(err, 0);
}

static bool can_read(const char *at)
{
    static int pipes[2];
    char byte;

    if (pipes[1] == 0 && pipe(pipes) < 0)
        return false;
    if (write(pipes[1], at, 1) < 0)
        return false;
    return read(pipes[0], &byte, 1) == 1;
}

static bool resident(const char *at)
{
    unsigned char in = 0;

    mincore((void *)((uintptr_t)at / PAGE * PAGE), PAGE, &in);
    return in & 1;
}

static void take_all(struct stack_pool *p, struct stack **out, int count)
{
    for (int i = 0; i < count; i++) {
        out[i] = stack_take(p);
        if (out[i] == NULL) {
            CHECK(out[i] != NULL);
            exit(1);
        }
    }
}

static void give_all(struct stack **all, int count)
{
    for (int i = 0; i < count; i++)
        stack_give(all[i]);
}

/* ---- one slot ---- */

static void check_slot(struct stack_pool *p)
{
    struct stack *s = stack_take(p);
    char *guard = s->low - STACK_GUARD_BYTES;

    CHECK(s->pool == p);
    CHECK_EQ((uintptr_t)s % LINE, 0);
    CHECK_EQ((uintptr_t)s->low % PAGE, 0);
    CHECK(stack_bytes(s) >= p->usable_bytes);
    for (int page = 0; page < STACK_GUARD_BYTES / PAGE; page++)
        CHECK(!can_read(guard + (size_t)page * PAGE) && !can_read(s->low - 1));
    memset(s->low, 0x5a, stack_bytes(s));
    memset((char *)s + sizeof *s, 0x5a, HEAD_BYTES - sizeof *s);
    CHECK(can_read(s->low));
    stack_give(s);
}

static void check_slots_of_each_size(void)
{
    static const size_t sizes[] = {16 << 10, 64 << 10, 256 << 10, 1 << 20, 8 << 20};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        check_slot(stack_pool_for(&arena, sizes[i]));
    stack_arena_fini(&arena);
}

TEST(every_promised_byte_is_there_above_a_guard_of_no_mapping)
{
    open_arena(STACK_GUARD_MADVISE, false);
    CHECK_EQ(arena.guard, STACK_GUARD_MADVISE);
    check_slots_of_each_size();
}

TEST(every_promised_byte_is_there_above_a_guard_by_mprotect)
{
    open_arena(STACK_GUARD_MPROTECT, false);
    CHECK_EQ(arena.guard, STACK_GUARD_MPROTECT);
    check_slots_of_each_size();
}

TEST(auto_chooses_a_guard_that_works)
{
    open_arena(STACK_GUARD_AUTO, false);
    CHECK(arena.guard == STACK_GUARD_MADVISE || arena.guard == STACK_GUARD_MPROTECT);
    check_slots_of_each_size();
}

TEST(a_size_is_rounded_up_to_the_class_that_holds_it)
{
    open_arena(STACK_GUARD_AUTO, false);
    CHECK_EQ(stack_pool_for(&arena, 0)->usable_bytes, STACK_BYTES_MIN);
    CHECK_EQ(stack_pool_for(&arena, STACK_BYTES_MIN)->usable_bytes, STACK_BYTES_MIN);
    CHECK_EQ(stack_pool_for(&arena, STACK_BYTES_MIN + 1)->usable_bytes, 2 * STACK_BYTES_MIN);
    CHECK_EQ(stack_pool_for(&arena, 100000)->usable_bytes, 128 * 1024);
    CHECK(stack_pool_for(&arena, 100000) == stack_pool_for(&arena, 128 * 1024));
    CHECK_EQ(stack_pool_for(&arena, (size_t)2 << 30)->usable_bytes, (size_t)2 << 30);
    CHECK(stack_pool_for(&arena, ((size_t)2 << 30) + 1) == NULL);
    CHECK(stack_pool_for(&arena, SIZE_MAX) == NULL);
    stack_arena_fini(&arena);
}

TEST(the_largest_class_is_only_address_space_until_touched)
{
    struct stack *s;

    open_arena(STACK_GUARD_AUTO, false);
    s = stack_take(stack_pool_for(&arena, (size_t)2 << 30));
    if (s == NULL)
        SKIP("no 512 GiB of address space here");
    CHECK(stack_bytes(s) >= (size_t)2 << 30);
    CHECK(can_read(s->low));
    CHECK(!can_read(s->low - 1));
    stack_arena_fini(&arena);
}

/* ---- many slots ---- */

static int by_address(const void *a, const void *b)
{
    const struct stack *const *x = a, *const *y = b;

    return (*x > *y) - (*x < *y);
}

TEST(no_two_lent_stacks_share_a_byte)
{
    static struct stack *all[MANY];

    open_arena(STACK_GUARD_AUTO, false);
    take_all(stack_pool_for(&arena, 16 << 10), all, MANY);
    qsort(all, MANY, sizeof all[0], by_address);
    for (int i = 1; i < MANY; i++)
        CHECK((char *)all[i - 1] + HEAD_BYTES <= all[i]->low - STACK_GUARD_BYTES);
    stack_arena_fini(&arena);
}

TEST(tops_of_neighbours_fall_on_different_cache_lines)
{
    enum { COLOURS = 32 };
    struct stack *all[4 * COLOURS];
    int used[PAGE / LINE] = {0};

    open_arena(STACK_GUARD_AUTO, false);
    take_all(stack_pool_for(&arena, STACK_BYTES_DEFAULT), all, 4 * COLOURS);
    for (int i = 0; i < COLOURS; i++)
        CHECK_EQ(used[(uintptr_t)all[i] % PAGE / LINE]++, 0);
    for (int i = COLOURS; i < 4 * COLOURS; i++)
        used[(uintptr_t)all[i] % PAGE / LINE]++;
    for (int line = 0; line < PAGE / LINE; line++)
        CHECK(used[line] == 0 || used[line] == 4);
    stack_arena_fini(&arena);
}

TEST(the_head_and_the_first_frames_lie_on_one_page)
{
    enum { FIRST_FRAMES = 1024 };
    struct stack *all[64];

    open_arena(STACK_GUARD_AUTO, false);
    take_all(stack_pool_for(&arena, STACK_BYTES_DEFAULT), all, 64);
    for (int i = 0; i < 64; i++) {
        uintptr_t head = (uintptr_t)all[i];
        CHECK_EQ((head + HEAD_BYTES - 1) / PAGE, (head - FIRST_FRAMES) / PAGE);
    }
    stack_arena_fini(&arena);
}

TEST(the_stack_given_back_last_is_lent_first)
{
    struct stack *all[8], *again[8];
    struct stack_pool *p;

    open_arena(STACK_GUARD_AUTO, false);
    p = stack_pool_for(&arena, STACK_BYTES_DEFAULT);
    take_all(p, all, 8);
    give_all(all, 8);
    take_all(p, again, 8);
    for (int i = 0; i < 8; i++)
        CHECK(again[i] == all[7 - i]);
    CHECK_EQ(p->made, 8);
    stack_arena_fini(&arena);
}

TEST(each_visits_every_slot_once_whatever_its_size)
{
    static struct stack *all[MANY + 5];
    uint64_t at = 0;
    int seen = 0, found = 0;

    open_arena(STACK_GUARD_AUTO, false);
    take_all(stack_pool_for(&arena, 16 << 10), all, MANY);
    take_all(stack_pool_for(&arena, 1 << 20), all + MANY, 5);
    stack_give(all[3]); /* free ones too: who asks can tell */
    qsort(all, MANY + 5, sizeof all[0], by_address);
    for (struct stack *s; (s = stack_each(&arena, &at)); seen++)
        found += bsearch(&s, all, MANY + 5, sizeof all[0], by_address) != NULL;
    CHECK_EQ(seen, MANY + 5);
    CHECK_EQ(found, MANY + 5);
    CHECK(stack_each(&arena, &at) == NULL);
    stack_arena_fini(&arena);
}

static void check_found(struct stack *s)
{
    const char *guard = s->low - STACK_GUARD_BYTES;
    bool in_guard = false;

    CHECK(stack_find(&arena, guard, &in_guard) == s && in_guard);
    CHECK(stack_find(&arena, s->low - 1, &in_guard) == s && in_guard);
    CHECK(stack_find(&arena, s->low, &in_guard) == s && !in_guard);
    CHECK(stack_find(&arena, (char *)s + HEAD_BYTES - 1, &in_guard) == s && !in_guard);
}

TEST(an_address_is_traced_to_its_stack_or_the_guard_below_it)
{
    static struct stack *all[MANY + 5];
    struct stack *last;
    bool in_guard = false;

    open_arena(STACK_GUARD_AUTO, false);
    take_all(stack_pool_for(&arena, 16 << 10), all, MANY);
    take_all(stack_pool_for(&arena, 1 << 20), all + MANY, 5);
    for (int i = 0; i < MANY + 5; i++)
        check_found(all[i]);
    last = all[MANY + 4];
    CHECK(stack_find(&arena, &arena, &in_guard) == NULL);
    CHECK(stack_find(&arena, NULL, &in_guard) == NULL);
    CHECK(stack_find(&arena, (void *)UINTPTR_MAX, &in_guard) == NULL);
    CHECK(stack_find(&arena, last->low + last->pool->slot_bytes, &in_guard) == NULL);
    stack_arena_fini(&arena);
}

/* ---- giving memory back ---- */

static void fill(struct stack **all, int count)
{
    for (int i = 0; i < count; i++)
        memset(all[i]->low, 0x77, stack_bytes(all[i]));
}

static int resident_lows(char **lows, int count)
{
    int n = 0;

    for (int i = 0; i < count; i++)
        n += resident(lows[i]);
    return n;
}

static void use_and_give(struct stack_pool *p, struct stack **all, char **lows, int count)
{
    take_all(p, all, count);
    fill(all, count);
    for (int i = 0; i < count; i++)
        lows[i] = all[i]->low;
    give_all(all, count);
}

TEST(hazard_45_a_trim_takes_what_was_free_all_the_time_since_the_last)
{
    struct stack *all[20], *hot[5];
    char *lows[20];
    struct stack_pool *p;

    open_arena(STACK_GUARD_AUTO, false);
    p = stack_pool_for(&arena, STACK_BYTES_DEFAULT);
    use_and_give(p, all, lows, 20);
    CHECK(!stack_trim(&arena, 100));
    CHECK_EQ(resident_lows(lows, 20), 20); /* all were in use since the pool began */
    take_all(p, hot, 5);
    give_all(hot, 5);
    CHECK(!stack_trim(&arena, 100));
    CHECK_EQ(resident_lows(lows, 20), 5); /* the hot five keep theirs */
    CHECK(stack_warm(&arena));
    CHECK(!stack_trim(&arena, 100));
    CHECK_EQ(resident_lows(lows, 20), 0);
    CHECK(!stack_warm(&arena));
    use_and_give(p, all, lows, 20);
    CHECK_EQ(p->made, 20);
    stack_arena_fini(&arena);
}

TEST(hazard_45_a_trim_stops_at_its_limit_and_says_so)
{
    struct stack *all[20], *other[20];
    char *lows[20], *other_lows[20];
    int rounds = 1;

    open_arena(STACK_GUARD_AUTO, false);
    use_and_give(stack_pool_for(&arena, STACK_BYTES_DEFAULT), all, lows, 20);
    use_and_give(stack_pool_for(&arena, 16 << 10), other, other_lows, 20);
    CHECK(!stack_trim(&arena, 7));
    CHECK(stack_trim(&arena, 7));
    CHECK_EQ(resident_lows(lows, 20) + resident_lows(other_lows, 20), 33);
    while (stack_trim(&arena, 7))
        rounds++;
    CHECK_EQ(rounds, 5);
    CHECK_EQ(resident_lows(lows, 20) + resident_lows(other_lows, 20), 0);
    stack_arena_fini(&arena);
}

TEST(hazard_45_a_trim_in_parts_leaves_alone_what_was_used_since_the_last_whole_one)
{
    static struct stack *small[4], *large[8];
    struct stack_pool *p, *q;
    int trimmed = 0;

    open_arena(STACK_GUARD_AUTO, false);
    p = stack_pool_for(&arena, 16 << 10);
    q = stack_pool_for(&arena, 64 << 10);
    take_all(q, large, 8);
    give_all(large, 8);
    CHECK(!stack_trim(&arena, 100)); /* from here on, free for long */
    take_all(p, small, 4);
    give_all(small, 4);
    while (stack_trim(&arena, 3))
        trimmed++;
    CHECK_EQ(trimmed, 2);
    CHECK(stack_warm(&arena)); /* the small ones */
    CHECK_EQ(p->cold, 0);
    CHECK_EQ(q->cold, 8);
    stack_arena_fini(&arena);
}

TEST(hazard_45_no_stack_is_on_a_huge_page)
{
    struct stack *all[64];
    char line[256];
    bool mine = false, told = false;
    FILE *maps;

    if (under_qemu())
        SKIP("qemu does not pass madvise() on");
    open_arena(STACK_GUARD_AUTO, false);
    take_all(stack_pool_for(&arena, STACK_BYTES_DEFAULT), all, 64);
    maps = fopen("/proc/self/smaps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        uintptr_t from, to, at = (uintptr_t)all[40];
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            mine = from <= at && at < to;
        if (mine && strncmp(line, "VmFlags:", 8) == 0)
            told = strstr(line, " nh") != NULL;
    }
    CHECK(told);
    stack_arena_fini(&arena);
}

TEST(hazard_47_a_wiped_stack_holds_nothing_of_its_last_owner)
{
    struct stack_pool *p;
    struct stack *s, *again;
    size_t left = 0;

    open_arena(STACK_GUARD_AUTO, true);
    p = stack_pool_for(&arena, STACK_BYTES_DEFAULT);
    s = stack_take(p);
    fill(&s, 1);
    stack_give(s);
    again = stack_take(p);
    CHECK(again == s);
    for (char *at = s->low; at < (char *)s; at++)
        left += *at != 0;
    CHECK_EQ(left, 0);
    stack_arena_fini(&arena);
}

TEST(an_arena_leaves_no_mapping_behind)
{
    static struct stack *all[MANY];
    char *low;

    open_arena(STACK_GUARD_AUTO, false);
    take_all(stack_pool_for(&arena, 16 << 10), all, MANY);
    low = all[MANY - 1]->low;
    CHECK(can_read(low));
    stack_arena_fini(&arena);
    CHECK(!can_read(low));
}
