/* ops.c: operations in a simulated world, from their submission to the last word on them.
 *
 *     queued -> waiting (for its object to change) -> decided -> back
 *            -> running (a disk, which takes its time) -> decided -> back
 *
 * An operation takes effect at one moment, when it is decided, on its own buffer; the word of it
 * comes later. A cancel takes effect at a moment of its own, before or after that one: before it,
 * the operation is decided to be cancelled (what runs on a disk may go on all the same); after it,
 * the result stands. done() waits for both words, as kernel.h asks for, and either may come first.
 *
 * Up to that moment the operation's memory, the kop and its buffer, is the kernel's: both are
 * compared with what they were whenever the world comes to them, and a program that has used them
 * meanwhile, or a library that has let it, ends there.
 *
 * Each worker has operations of its own, and hears of them in its own step: where the world gets on
 * in another one's, the word of them arrives (seat.arrived), and lies there until then.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/sim/sim.h"

enum { PRINTED_MOST = 4096, DISK_NS = 100000, SYNC_NS = 2000000, CLOSE_NS = 1000, WORD_NS = 2000 };

static const char *const names[] = {
    [KOP_READ] = "read",       [KOP_WRITE] = "write", [KOP_ACCEPT] = "accept",
    [KOP_CONNECT] = "connect", [KOP_OPENAT] = "open", [KOP_FSYNC] = "sync",
    [KOP_CLOSE] = "close",     [KOP_WATCH] = "watch",
};

/* ---- its memory ---- */

static uint64_t print_of(const struct kop *op)
{
    const unsigned char *bytes = op->addr;
    uint64_t print = 0;

    if ((op->code != KOP_READ && op->code != KOP_WRITE) || bytes == NULL)
        return 0;
    for (uint32_t i = 0; i < op->len && i < PRINTED_MOST; i++)
        print = (print ^ bytes[i]) * 0x100000001b3u;
    return print;
}

static void check_memory(const struct sim_op *o)
{
    const struct kop *op = o->op, *copy = &o->copy;

    if (op->code != copy->code || op->fd != copy->fd || op->addr != copy->addr ||
        op->len != copy->len || op->offset != copy->offset || op->flags != copy->flags ||
        op->done != copy->done || op->state != KOP_GIVEN)
        die("sim: the memory of a%s %s on descriptor %d was used again before it was back",
            copy->code == KOP_OPENAT || copy->code == KOP_ACCEPT ? "n" : "", names[copy->code],
            copy->fd);
    if (print_of(copy) != o->print)
        die("sim: the buffer of a %s on descriptor %d was used before the %s was back",
            names[copy->code], copy->fd, names[copy->code]);
}

/* ---- the last word ---- */

/* When what is decided now is heard of: at once, where the world keeps to the order. */
static int64_t soon(struct sim *w)
{
    return sim_has(w, RV_SIM_ORDER) ? w->now + sim_span(w, WORD_NS) : w->now;
}

static void let_go(struct sim *w, struct sim_op *o)
{
    if (!o->holds_open)
        return;
    o->holds_open = false;
    sim_let_go(w, o->object);
}

static void forget(struct sim *w, struct sim_op *o)
{
    let_go(w, o);
    list_remove(&o->link);
    list_remove(&o->on_object);
    list_remove(&o->arrived);
    if (o->object)
        sim_drop(w, o->object);
    free(o);
}

/* Its worker runs, and hears of it now; or it arrives. */
static bool heard_now(struct sim *w, struct sim_op *o)
{
    w->delivered++;
    if (o->seat == w->running || w->ending) {
        o->seat->heard = true;
        return true;
    }
    if (list_empty(&o->arrived))
        list_push_back(&o->seat->arrived, &o->arrived);
    return false;
}

static void finish(struct sim *w, struct sim_op *o)
{
    struct kop *op = o->op;
    long result = o->result;

    if (op->code != KOP_WATCH)
        o->seat->k.under_way--;
    w->stats.completions++;
    sim_tell(w, "back", (int64_t)o->number, result);
    op->state = op->cancel = KOP_IDLE;
    op->result = result;
    forget(w, o);
    op->done(op);
}

static void back(struct sim *w, struct sim_event *e)
{
    struct sim_op *o = CONTAINER(e, struct sim_op, event);

    check_memory(o);
    o->state = SIM_BACK;
    if ((!o->cancelled || o->cancel_back) && heard_now(w, o))
        finish(w, o);
}

static void decide(struct sim *w, struct sim_op *o, long result)
{
    o->result = result;
    o->state = SIM_DECIDED;
    o->print = print_of(&o->copy);
    list_remove(&o->on_object);
    if (o->copy.code == KOP_CONNECT && o->tried && o->cancel_decided)
        sim_connect_cancelled(o->object);
    sim_tell(w, names[o->copy.code], (int64_t)o->number, result);
    o->event.happen = back;
    sim_at(w, &o->event, soon(w));
    let_go(w, o);
}

/* ---- taking effect ---- */

static long transfer(struct sim *w, struct sim_op *o)
{
    const struct kop *c = &o->copy;
    struct sim_object *f = o->object;

    if (c->addr == NULL && c->len)
        return -EFAULT;
    if (o->position >= 0) /* a ring looks when it begins, and puts it forth at the end */
        sim_file_seek(f, o->position);
    if (f->class->kind == FD_FILE)
        return c->code == KOP_READ ? sim_file_read(w, f, c->addr, c->len, (int64_t)c->offset)
                                   : sim_file_write(w, f, c->addr, c->len, (int64_t)c->offset);
    return c->code == KOP_READ ? f->class->take(w, f, c->addr, c->len, 0)
                               : f->class->put(w, f, c->addr, c->len, 0);
}

static long effect(struct sim *w, struct sim_op *o)
{
    const struct kop *c = &o->copy;

    if (!w->hosts[o->host].up || w->hosts[o->host].boots != o->boots)
        return c->code == KOP_CLOSE ? sim_close_number(w, c->fd) : -EIO;
    if (o->cancelled && o->cancel_decided && sim_below(w, 2))
        return c->code == KOP_CLOSE ? sim_close_number(w, c->fd) : -ECANCELED;
    if (c->code != KOP_CLOSE && !o->tried && sim_chance(w, RV_SIM_ERRORS))
        return sim_below(w, 4) && c->code != KOP_CONNECT ? -EINTR : -ENOMEM;
    switch ((enum kop_code)c->code) {
    case KOP_READ:
    case KOP_WRITE:
        return transfer(w, o);
    case KOP_ACCEPT:
        return sim_accept(w, o->object, c->addr, c->addr_len);
    case KOP_CONNECT:
        return sim_connect(w, o->object, c->addr, c->len, o->tried);
    case KOP_OPENAT:
        return sim_file_open(w, c->fd, c->addr, (int)c->flags, c->len);
    case KOP_FSYNC:
        return o->object->class->kind == FD_FILE ? sim_file_sync(w, o->object, c->flags != 0)
                                                 : -EINVAL;
    case KOP_CLOSE:
        return sim_close_number(w, c->fd);
    case KOP_WATCH:
        break;
    }
    return -EINVAL;
}

/* What an accept or open made is the work of the one who called, who is not running now. */
static void name_maker(struct sim *w, const struct sim_op *o, int fd)
{
    struct sim_object *made;

    if (o->maker[0] && sim_find_object(w, fd, &made) == 0)
        memcpy(made->maker, o->maker, sizeof made->maker);
}

/* Tries; what cannot be now waits for its object to change. */
static void attempt(struct sim *w, struct sim_op *o)
{
    long result;

    check_memory(o);
    w->acting = o->host + 1;
    result = effect(w, o);
    w->acting = 0;
    if (result >= 0)
        name_maker(w, o, (int)result);
    o->tried = true;
    if (result == -EINPROGRESS ||
        (result == -EAGAIN && o->copy.code != KOP_CONNECT && !o->object->nonblocking)) {
        if (!o->cancel_decided) {
            o->state = SIM_WAITING;
            list_push_back(&o->object->waiting, &o->on_object);
            return;
        }
        result = -ECANCELED;
    }
    decide(w, o, result);
}

static void ran(struct sim *w, struct sim_event *e)
{
    attempt(w, CONTAINER(e, struct sim_op, event));
}

static void run_for(struct sim *w, struct sim_op *o, int64_t usual)
{
    o->state = SIM_RUNNING;
    o->event.happen = ran;
    sim_at(w, &o->event, w->now + sim_span(w, usual));
}

static void run_on_disk(struct sim *w, struct sim_op *o)
{
    bool moves = o->copy.code == KOP_READ || o->copy.code == KOP_WRITE;

    if (moves && (int64_t)o->copy.offset == -1)
        o->position = sim_file_position(o->object);
    run_for(w, o, DISK_NS);
}

/* ---- watches ---- */

static void speak(struct sim *w, struct sim_op *o)
{
    int bits = sim_ready(w, o->object) & ((int)o->copy.flags | POLLERR | POLLHUP);

    if (bits == 0)
        return;
    sim_tell(w, "event", o->copy.fd, bits);
    if (sim_chance(w, RV_SIM_ERRORS)) { /* at times it ends by itself (hazard 25) */
        w->delivered++;
        o->seat->heard = true;
        decide(w, o, bits);
    } else if (heard_now(w, o)) {
        o->op->event(o->op, bits);
    } else {
        o->said |= bits;
    }
}

static void look(struct sim *w, struct sim_event *e)
{
    struct sim_object *object = CONTAINER(e, struct sim_object, look);
    struct link *l;

    object->looking = false;
    while ((l = list_pop_front(&object->waiting)))
        run_for(w, CONTAINER(l, struct sim_op, on_object), 0); /* now, in an order of its own */
    for (struct link *next = object->watches.next; (l = next) != &object->watches;) {
        struct sim_op *o = CONTAINER(l, struct sim_op, on_object);

        next = l->next;
        check_memory(o);
        speak(w, o);
    }
    sim_drop(w, object);
}

void sim_changed(struct sim *w, struct sim_object *o)
{
    if (o->looking || (list_empty(&o->waiting) && list_empty(&o->watches)))
        return;
    o->looking = true;
    o->look.happen = look;
    sim_hold(o);
    sim_at(w, &o->look, soon(w));
}

/* ---- handing over ---- */

static void start_watch(struct sim *w, struct sim_op *o)
{
    if (o->object->class->kind == FD_FILE ||
        (sim_chance(w, RV_SIM_ERRORS) && sim_below(w, 4) == 0)) {
        decide(w, o, o->object->class->kind == FD_FILE ? -EPERM : -ENOMEM);
        return;
    }
    o->state = SIM_WAITING;
    list_push_back(&o->object->watches, &o->on_object);
    sim_changed(w, o->object);
}

static void start(struct sim *w, struct sim_op *o)
{
    int err = 0;

    o->op->state = KOP_GIVEN;
    list_remove(&o->link);
    list_push_back(&w->ops, &o->link);
    o->print = print_of(&o->copy);
    sim_tell(w, "given", (int64_t)o->number, o->copy.code * 1000000 + o->copy.fd);
    if (o->copy.code != KOP_OPENAT)
        err = sim_find_object(w, o->copy.fd, &o->object);
    if (err == -EIO && o->copy.code == KOP_CLOSE)
        err = 0;
    if (err < 0) {
        o->object = NULL;
        decide(w, o, err);
        return;
    }
    if (o->object)
        sim_hold(o->object);
    if (o->object && o->copy.code != KOP_CLOSE) {
        o->holds_open = true;
        o->object->openers++;
    }
    if (o->copy.code == KOP_WATCH)
        start_watch(w, o);
    else if (o->copy.code == KOP_CLOSE)
        run_for(w, o, sim_has(w, RV_SIM_ORDER) ? CLOSE_NS : 0);
    else if ((o->copy.code == KOP_ACCEPT || o->copy.code == KOP_CONNECT) && !o->object->is_socket)
        decide(w, o, -ENOTSOCK);
    else if (o->copy.code == KOP_FSYNC)
        run_for(w, o, SYNC_NS);
    else if (o->copy.code == KOP_OPENAT || o->object->class->kind == FD_FILE)
        run_on_disk(w, o);
    else
        attempt(w, o);
}

void sim_hand_over(struct sim_seat *s)
{
    while (!list_empty(&s->queue))
        start(s->w, CONTAINER(s->queue.next, struct sim_op, link));
}

/* ---- arriving ---- */

static void hear(struct sim *w, struct sim_op *o)
{
    int bits = o->said;

    check_memory(o);
    o->seat->heard = true;
    o->said = 0;
    if (bits)
        o->op->event(o->op, bits);
    if (o->state == SIM_BACK && (!o->cancelled || o->cancel_back))
        finish(w, o); /* else a cancel was asked for meanwhile, and the answer to that comes */
}

void sim_deliver(struct sim_seat *s)
{
    struct link *l;

    while ((l = list_pop_front(&s->arrived))) {
        hear(s->w, CONTAINER(l, struct sim_op, arrived));
        if (!s->w->ending && sim_chance(s->w, RV_SIM_ORDER))
            return;
    }
}

void sim_submit(struct kernel *k, struct kop *op)
{
    struct sim_seat *s = sim_seat_of(k);
    struct sim *w = s->w;
    struct sim_op *o = sim_alloc(sizeof *o);

    ASSERT(op->state == KOP_IDLE && op->cancel == KOP_IDLE);
    if (op->code != KOP_WATCH)
        k->under_way++;
    op->state = KOP_QUEUED;
    o->seat = s;
    o->op = op;
    o->copy = *op;
    o->position = -1;
    o->state = SIM_QUEUED;
    o->number = ++w->stats.operations;
    o->host = sim_here(w);
    o->boots = w->hosts[o->host].boots;
    if (report_who && (op->code == KOP_OPENAT || op->code == KOP_ACCEPT))
        report_who(o->maker, sizeof o->maker);
    list_init(&o->on_object);
    list_init(&o->arrived);
    list_push_back(&s->queue, &o->link);
}

/* ---- cancels ---- */

static void cancel_is_back(struct sim *w, struct sim_event *e)
{
    struct sim_op *o = CONTAINER(e, struct sim_op, cancel);

    o->cancel_back = true;
    w->cancels_back++;
    sim_tell(w, "cancel back", (int64_t)o->number, o->state);
    if (o->state != SIM_BACK)
        check_memory(o);
    else if (heard_now(w, o))
        finish(w, o);
}

static void cancel_lands(struct sim *w, struct sim_event *e)
{
    struct sim_op *o = CONTAINER(e, struct sim_op, cancel);

    o->cancel_decided = true;
    sim_tell(w, "cancel", (int64_t)o->number, o->state);
    if (o->state == SIM_WAITING) {
        check_memory(o);
        decide(w, o,
               o->copy.code != KOP_WATCH && sim_has(w, RV_SIM_ERRORS) && sim_below(w, 2)
                   ? -EINTR
                   : -ECANCELED);
    }
    o->cancel.happen = cancel_is_back;
    sim_at(w, &o->cancel, soon(w));
}

static struct sim_op *find(struct link *head, const struct kop *op)
{
    for (struct link *l = head->prev; l != head; l = l->prev) {
        struct sim_op *o = CONTAINER(l, struct sim_op, link);

        if (o->op == op)
            return o;
    }
    return NULL;
}

void sim_cancel(struct kernel *k, struct kop *op)
{
    struct sim_seat *s = sim_seat_of(k);
    struct sim *w = s->w;
    struct sim_op *o = find(&s->queue, op);

    if (o) { /* the world has never heard of it */
        o->result = -ECANCELED;
        w->delivered++;
        s->heard = true;
        finish(w, o);
        return;
    }
    o = find(&w->ops, op);
    ASSERT(o != NULL);
    if (o->cancelled)
        return;
    o->cancelled = true;
    op->cancel = KOP_GIVEN;
    w->stats.cancels++;
    o->cancel.happen = cancel_lands;
    /* the end of a watch is handed over in time for the close behind it: fd.c */
    sim_at(w, &o->cancel, op->code == KOP_WATCH ? w->now : soon(w));
}

/* Watches outlive the runtime's interest in them: the room ends them as a ring does that is closed,
 * without a word. */
void sim_end_watches(struct sim *w)
{
    for (struct link *l = w->ops.next, *next; l != &w->ops; l = next) {
        struct sim_op *o = CONTAINER(l, struct sim_op, link);

        next = l->next;
        if (o->copy.code == KOP_WATCH && o->state == SIM_WAITING && !o->cancelled) {
            w->stats.completions++;
            forget(w, o);
        }
    }
}
