/* object.c: simulated descriptors, and what they lead to.
 *
 * A number leads to an object, the lowest free one as on Linux, from SIM_FD_FIRST on. 0, 1 and 2
 * are what they always were: what a program prints is not of the world. An object lives while its
 * number, an operation or an event holds it.
 *
 * An object of a host that has lost its power is dead: whatever is called on it says -EIO.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/sim/sim.h"

void sim_object_init(struct sim *w, struct sim_object *o, const struct sim_class *class)
{
    o->class = class;
    o->refs = 1;
    o->host = sim_here(w);
    o->boots = w->hosts[o->host].boots;
    o->inode = ++w->last_inode;
    list_init(&o->waiting);
    list_init(&o->watches);
    list_push_back(&w->objects, &o->all);
    if (report_who)
        report_who(o->maker, sizeof o->maker);
}

void sim_object_free(struct sim *w, struct sim_object *o)
{
    ASSERT(list_empty(&o->waiting) && list_empty(&o->watches) && !o->looking);
    list_remove(&o->all);
    o->class->free(w, o);
}

bool sim_alive(const struct sim *w, const struct sim_object *o)
{
    return w->hosts[o->host].up && w->hosts[o->host].boots == o->boots;
}

int sim_ready(struct sim *w, struct sim_object *o)
{
    if (!sim_alive(w, o))
        return POLLIN | POLLOUT | POLLRDHUP | POLLHUP | POLLERR;
    return o->class->ready(w, o);
}

/* ---- numbers ---- */

static void more_numbers(struct sim *w)
{
    size_t room = w->numbers_room ? w->numbers_room * 2 : 64;

    w->numbers = sim_had(realloc(w->numbers, room * sizeof(struct sim_object *)));
    memset(w->numbers + w->numbers_room, 0, (room - w->numbers_room) * sizeof(struct sim_object *));
    w->numbers_room = room;
}

int sim_number(struct sim *w, struct sim_object *o)
{
    size_t i = 0;

    if (w->open_count >= w->options.fds_max)
        return -EMFILE;
    while (i < w->numbers_room && w->numbers[i])
        i++;
    if (i == w->numbers_room)
        more_numbers(w);
    w->numbers[i] = o;
    w->open_count++;
    o->openers++;
    sim_tell(w, "number", (int64_t)i + SIM_FD_FIRST, (int64_t)o->inode);
    return (int)i + SIM_FD_FIRST;
}

static void name_real_one(struct sim *w, int fd)
{
    if (w->told_of_real_one || fd < 0 || fcntl(fd, F_GETFD) < 0)
        return;
    w->told_of_real_one = true;
    report("descriptor %d is of the real world, and this one is simulated: make it with "
           "rv_socket(), rv_socketpair(), rv_pipe() or rv_openat()",
           fd);
}

bool sim_has_number(const struct sim *w, int fd)
{
    return fd >= SIM_FD_FIRST && (size_t)fd - SIM_FD_FIRST < w->numbers_room &&
           w->numbers[fd - SIM_FD_FIRST];
}

int sim_find_object(struct sim *w, int fd, struct sim_object **out_o)
{
    size_t i = (size_t)fd - SIM_FD_FIRST;

    if (fd >= 0 && fd < SIM_STANDARD) {
        *out_o = w->standard[fd];
        return 0;
    }
    if (fd < SIM_FD_FIRST || i >= w->numbers_room || w->numbers[i] == NULL) {
        name_real_one(w, fd);
        return -EBADF;
    }
    *out_o = w->numbers[i];
    return sim_alive(w, *out_o) ? 0 : -EIO;
}

int sim_find_socket(struct sim *w, int fd, struct sim_object **out_o)
{
    int err = sim_find_object(w, fd, out_o);

    return err == 0 && !(*out_o)->is_socket ? -ENOTSOCK : err;
}

void sim_let_go(struct sim *w, struct sim_object *o)
{
    ASSERT(o->openers > 0);
    if (--o->openers > 0)
        return;
    o->is_closed = true;
    o->class->closed(w, o);
}

int sim_close_number(struct sim *w, int fd)
{
    struct sim_object *o;
    int err = sim_find_object(w, fd, &o);

    if (err == -EBADF)
        return err;
    if (fd < SIM_STANDARD)
        return 0; /* the next world wants to print, too */
    w->numbers[fd - SIM_FD_FIRST] = NULL;
    w->open_count--;
    sim_let_go(w, o);
    sim_drop(w, o);
    return 0;
}

void sim_find_open(struct sim *w, unsigned host)
{
    for (size_t i = 0; i < w->numbers_room && !w->options.leave_open; i++) {
        const struct sim_object *o = w->numbers[i];

        if (o && o->host == host && sim_alive(w, o))
            sim_find(w, "descriptor %zu is still open: a %s, made by %s", i + SIM_FD_FIRST,
                     o->class->name, o->maker[0] ? o->maker : "nobody");
    }
}

/* ---- 0, 1 and 2 ---- */

static short standard_ready(struct sim *w, struct sim_object *o)
{
    (void)w;
    (void)o;
    return POLLIN | POLLOUT;
}

static ssize_t standard_take(struct sim *w, struct sim_object *o, void *buf, size_t len, int flags)
{
    (void)w;
    (void)o;
    (void)buf;
    (void)len;
    (void)flags;
    return 0;
}

static ssize_t standard_put(struct sim *w, struct sim_object *o, const void *buf, size_t len,
                            int flags)
{
    ssize_t n = write(o == w->standard[2] ? 2 : 1, buf, len);

    (void)flags;
    return n < 0 ? -errno : n;
}

static void standard_closed(struct sim *w, struct sim_object *o)
{
    (void)w;
    (void)o;
}

static void standard_free(struct sim *w, struct sim_object *o)
{
    (void)w;
    free(o);
}

static const struct sim_class standard_class = {
    .name = "standard stream",
    .kind = FD_OTHER,
    .ready = standard_ready,
    .take = standard_take,
    .put = standard_put,
    .closed = standard_closed,
    .free = standard_free,
};

void sim_make_standard(struct sim *w)
{
    for (int i = 0; i < SIM_STANDARD; i++) {
        w->standard[i] = sim_alloc(sizeof *w->standard[i]);
        sim_object_init(w, w->standard[i], &standard_class);
    }
}
