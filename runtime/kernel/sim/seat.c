/* seat.c: a simulated world's step, its time, and which of its workers goes on.
 *
 * Virtual time moves by a little at each look at the clock and each step, so that a loop that only
 * looks comes to an end; and to the next event, when a step may wait. When there is none, and no
 * time to wait for, nothing can ever happen: that is the room's verdict, and the worker's loop
 * ends the run in words. Where tasks turn and turn and nothing comes of it, each step takes longer
 * and longer, or time_max would be hours of real time away. So a simulated program cannot hang.
 *
 * Several workers share one world and one thread. Each has a seat, its kernel; one runs, the others
 * are put aside wherever they were:
 *     in sim_turn()   where a worker has sent a message or put work somewhere, where threads
 *                     could go on in either order: in worlds with RV_SIM_ORDER, half of the times
 *     held            the same, in worlds with RV_SIM_LATE now and then, and for a while
 *     before a step   the same, and in a calm world each in turn, or one would starve the others
 *     parked          in a step that may wait: until something arrives for it, its bell is rung, or
 *                     its time has come; then it is one of those that can go on
 * Time passes only when all are parked or held, wherever the one is that was last. Whatever happens
 * there to another one's operations arrives at that one's seat (ops.c): a callback runs on its own
 * worker and nowhere else, as if each had a ring.
 */
#include "kernel/sim/sim.h"

enum { STEP_NS = 1000, TURNS_EACH = 10000, TURNS_DOUBLED = 14, HELD_MOST_NS = 1000000 };
enum { HELD_ONCE_IN = 32 }; /* turns that it could be */

/* ---- who can go on ---- */

static bool called(const struct sim_seat *s)
{
    return s->heard || s->k.rung || !list_empty(&s->arrived) || s->until <= s->w->now;
}

static bool can_go_on(const struct sim_seat *s)
{
    if (s->held)
        return s->until <= s->w->now;
    return s->k.go_on && (!s->parked || called(s));
}

static struct sim_seat *after(struct sim *w, struct sim_seat *s)
{
    struct link *l = s->link.next == &w->seats ? w->seats.next : s->link.next;

    return CONTAINER(l, struct sim_seat, link);
}

/* Another one that can go on: any, or where the world keeps to an order the next; NULL: none. */
static struct sim_seat *pick(struct sim_seat *me)
{
    struct sim *w = me->w;
    unsigned count = 0, which;

    for (struct sim_seat *s = after(w, me); s != me; s = after(w, s))
        count += can_go_on(s);
    if (count == 0)
        return NULL;
    which = sim_has(w, RV_SIM_ORDER) ? (unsigned)sim_below(w, count) : 0;
    for (struct sim_seat *s = after(w, me);; s = after(w, s))
        if (can_go_on(s) && which-- == 0)
            return s;
}

static void leave_for(struct sim_seat *me, struct sim_seat *other)
{
    sim_tell(me->w, "worker", other->number, me->number);
    me->k.go_on(&me->k, &other->k);
    me->w->running = me;
}

/* ---- time ---- */

static void happen(struct sim *w)
{
    struct sim_event *e;

    while ((e = sim_due(w))) {
        e->happen(w, e);
        if (w->delivered && sim_chance(w, RV_SIM_ORDER))
            return; /* the rest is seen a step later */
    }
}

/* The loop tells it, with all who wait; the run fails by it. */
static void give_verdict(struct sim_seat *me, const char *why)
{
    me->k.verdict = why;
    me->w->config->doomed = true;
}

/* The first time all tasks are cancelled, and have as long again to end. */
static bool over_time(struct sim_seat *me)
{
    struct sim *w = me->w;

    if (w->now - w->began <= w->options.time_max)
        return false;
    if (w->over)
        die("sim: the run goes on and on, although all its tasks were cancelled");
    w->over = true;
    w->options.time_max = clock_sum(w->now - w->began, w->options.time_max);
    give_verdict(me, "sim: the run has lasted too long (rv_sim_options.time_max)");
    return true;
}

/* Everybody is parked or held. False: nothing will happen, or too late. */
static bool pass_time(struct sim_seat *me)
{
    struct sim *w = me->w;
    int64_t next = sim_next(w);

    for (struct link *l = w->seats.next; l != &w->seats; l = l->next) {
        const struct sim_seat *s = CONTAINER(l, struct sim_seat, link);

        if ((s->parked || s->held) && s->until < next)
            next = s->until;
    }
    if (next == CLOCK_NEVER) {
        give_verdict(me, "deadlock: all tasks asleep, nothing pending");
        return false;
    }
    w->passed = true;
    w->now = next > w->now ? next : w->now;
    if (over_time(me))
        return false;
    happen(w);
    return true;
}

/* ---- turns: who comes first ---- */

/* A thread loses its CPU, and time passes. */
static void hold(struct sim_seat *me, int64_t until)
{
    struct sim *w = me->w;
    bool more = true;

    sim_tell(w, "held", me->number, until - w->now);
    me->held = true;
    me->until = until;
    while (more && w->now < until) {
        struct sim_seat *other = pick(me);

        w->running = NULL; /* me is in no step, and hears of nothing now */
        if (other)
            leave_for(me, other);
        else
            more = pass_time(me);
    }
    me->held = false;
}

static void let_another(struct sim_seat *me)
{
    struct sim_seat *other = pick(me);

    if (other)
        leave_for(me, other);
}

/* Another one goes on, if need be when it is no longer held. */
static void wait_for_another(struct sim_seat *me)
{
    struct sim_seat *other;
    bool more = true;

    me->w->running = NULL;
    while ((other = pick(me)) == NULL && more)
        more = pass_time(me);
    if (other)
        leave_for(me, other);
}

void sim_turn(struct kernel *k, enum kernel_turn how)
{
    struct sim_seat *me = sim_seat_of(k);
    struct sim *w = me->w;

    if (k->go_on == NULL || me->stepping)
        return;
    if (how == TURN_MUST)
        wait_for_another(me);
    else if (how == TURN_SHALL)
        let_another(me);
    else if (sim_has(w, RV_SIM_LATE) && sim_below(w, HELD_ONCE_IN) == 0)
        hold(me, w->now + (int64_t)sim_below(w, HELD_MOST_NS));
    else if (sim_has(w, RV_SIM_ORDER) && sim_below(w, 2))
        let_another(me);
}

/* ---- the step ---- */

/* Until there is something to go on for. False: there was a verdict instead. */
static bool park(struct sim_seat *me, int64_t until)
{
    struct sim *w = me->w;
    bool more = true;

    me->parked = true;
    me->until = until;
    while (more && !called(me)) {
        struct sim_seat *other = w->seat_count > 1 ? pick(me) : NULL;

        if (other)
            leave_for(me, other);
        else
            more = pass_time(me);
    }
    me->parked = false;
    return more;
}

/* A step's own time: doubled with each TURNS_EACH of them in a row in which somebody was ready, and
 * nothing came from the world. Workers that only send each other messages park in between, so that
 * among several it counts whether all did. */
static int64_t step_ns(struct sim *w, int64_t until)
{
    bool waits = w->seat_count > 1 ? w->passed : until > w->now;
    unsigned doubled;

    w->turns = w->delivered == 0 && !waits ? w->turns + 1 : 0;
    doubled = w->turns / TURNS_EACH;
    return (int64_t)STEP_NS << (doubled < TURNS_DOUBLED ? doubled : TURNS_DOUBLED);
}

static void step(struct sim_seat *me, int64_t until)
{
    struct sim *w = me->w;

    w->stats.steps++;
    w->now += step_ns(w, until);
    w->running = me;
    w->delivered = 0;
    w->passed = me->heard = me->k.rung = false;
    sim_hand_over(me);
    happen(w);
    if (!me->heard && list_empty(&me->arrived) && w->now < until && !kernel_called(&me->k, true) &&
        !park(me, until))
        return;
    sim_deliver(me);
    (void)over_time(me);
}

void sim_step(struct kernel *k, int64_t until)
{
    struct sim_seat *me = sim_seat_of(k);

    if (k->turn && !sim_has(me->w, RV_SIM_ORDER))
        let_another(me);
    else if (k->turn)
        sim_turn(k, TURN_MAY);
    me->stepping = true;
    step(me, until);
    me->stepping = false;
}
