/* t_base.c: lists, slabs, the clock's sums, and reports: what everything else stands on. */
#include "tap.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/report.h"
#include "base/slab.h"
#include "child.h"

/* ---- clock ---- */

TEST(hazard_42_a_sum_of_times_stops_at_the_ends_instead_of_wrapping)
{
    static const struct {
        int64_t instant, span, sum;
    } rows[] = {
        {0, 0, 0},
        {1, INT64_MAX, INT64_MAX},
        {INT64_MAX, 1, INT64_MAX},
        {INT64_MAX - 1, 1, INT64_MAX},
        {INT64_MAX - 2, 1, INT64_MAX - 1},
        {INT64_MAX, INT64_MAX, INT64_MAX},
        {INT64_MIN, -1, INT64_MIN},
        {INT64_MIN, INT64_MIN, INT64_MIN},
        {-1, INT64_MIN, INT64_MIN},
        {INT64_MIN, INT64_MAX, -1},
        {INT64_MAX, INT64_MIN, -1},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK_EQ(clock_sum(rows[i].instant, rows[i].span), rows[i].sum);
}

TEST(the_clock_never_goes_back)
{
    int64_t last = clock_now();

    for (int i = 0; i < 100000; i++) {
        int64_t now = clock_now();
        CHECK(now >= last);
        last = now;
    }
}

/* ---- list ---- */

struct item {
    struct link link;
    int number;
};

static int number_of(struct link *l)
{
    return CONTAINER(l, struct item, link)->number;
}

TEST(a_list_gives_back_in_the_order_of_its_ends)
{
    struct link head;
    struct item items[6];

    list_init(&head);
    CHECK(list_empty(&head));
    CHECK(list_pop_front(&head) == NULL);
    for (int i = 0; i < 6; i++) {
        items[i].number = i;
        if (i < 3)
            list_push_back(&head, &items[i].link);
        else
            list_push_front(&head, &items[i].link);
    }
    for (int i = 0; i < 6; i++)
        CHECK_EQ(number_of(list_pop_front(&head)), i < 3 ? 5 - i : i - 3);
    CHECK(list_empty(&head));
}

TEST(taking_a_link_out_twice_is_harmless)
{
    struct link head;
    struct item a, b;

    list_init(&head);
    list_push_back(&head, &a.link);
    list_push_back(&head, &b.link);
    list_remove(&a.link);
    CHECK(list_empty(&a.link));
    list_remove(&a.link);
    CHECK(list_pop_front(&head) == &b.link);
    CHECK(list_empty(&b.link) && list_empty(&head));
}

/* ---- slab ---- */

TEST(objects_of_a_slab_do_not_overlap_and_are_aligned)
{
    enum { COUNT = 5000, BYTES = 48 };
    static unsigned char *object[COUNT];
    struct slab s;

    slab_init(&s, BYTES);
    for (int i = 0; i < COUNT; i++) {
        object[i] = slab_take(&s);
        CHECK((uintptr_t)object[i] % 16 == 0);
        memset(object[i], i & 0xff, BYTES);
    }
    for (int i = 0; i < COUNT; i++)
        for (int at = 0; at < BYTES; at++)
            if (object[i][at] != (i & 0xff))
                CHECK(!"an object was written over");
    slab_fini(&s);
}

TEST(a_slab_lends_again_first_what_came_back_last_and_does_not_grow)
{
    struct slab s;
    void *a, *b, *chunks;

    slab_init(&s, 64);
    a = slab_take(&s);
    b = slab_take(&s);
    chunks = s.chunks;
    slab_give(&s, a);
    slab_give(&s, b);
    CHECK(slab_take(&s) == b);
    CHECK(slab_take(&s) == a);
    for (int i = 0; i < 100000; i++)
        slab_give(&s, slab_take(&s));
    CHECK(s.chunks == chunks);
    slab_fini(&s);
}

/* The address of the first object of a chunk on a cache line: records are one line each. */
TEST(objects_of_a_cache_line_start_on_one)
{
    struct slab s;

    slab_init(&s, 64);
    for (int i = 0; i < 3000; i++)
        CHECK((uintptr_t)slab_take(&s) % 64 == 0);
    slab_fini(&s);
}

/* ---- report ---- */

static int report_much(void *arg)
{
    report("%s", (const char *)arg);
    return 0;
}

TEST(a_report_is_one_line_however_long)
{
    static char much[5000];
    struct child o;

    memset(much, 'x', sizeof much - 1);
    o = child_result(report_much, much);
    CHECK(o.signal == 0 && o.code == 0);
    CHECK(strncmp(o.words, "reeve: xxx", 10) == 0);
    CHECK(strlen(o.words) <= 1024);
    CHECK(strchr(o.words, '\n') == o.words + strlen(o.words) - 1);
}

static int die_now(void *arg)
{
    (void)arg;
    die("words %d", 7);
}

static void nobody(char *text, size_t room)
{
    (void)text;
    (void)room;
}

static void somebody(char *text, size_t room)
{
    snprintf(text, room, "task 1");
}

TEST(dying_names_who_was_running_if_anybody_was)
{
    check_dies(die_now, NULL, "reeve: words 7\n", "die() without tasks");
    report_who = nobody;
    check_dies(die_now, NULL, "reeve: words 7\n", "die() where none runs");
    report_who = somebody;
    check_dies(die_now, NULL, "reeve: words 7 (task 1)\n", "die() in a task");
}

TEST(a_report_to_a_closed_stderr_is_dropped)
{
    close(2);
    report("nobody reads this");
}
