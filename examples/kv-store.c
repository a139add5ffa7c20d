/* kv-store.c: the keys and their values, in memory, and a log on the disk.
 *
 * A line of the log is a set: a sum, the key, the value. The sum goes over the line before as well,
 * so that what a crash has torn, and what lies behind it, is told from what was written. A set is
 * answered when its line is on the disk. After a failure nothing more is written: the log may have
 * a hole, and only reading it anew tells where it ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kv.h"

struct entry {
    char key[KV_KEY], value[KV_VALUE];
};

struct turn {
    struct turn *next;
    rv_scope bell;
};

struct store {
    int log;
    off_t end;    /* of the log */
    uint64_t sum; /* of its last line */
    int error;    /* that ended it */
    bool hasty;
    struct turn *turns; /* the first one has it, the others wait */
    struct entry *entries;
    size_t count;
};

/* ---- in memory ---- */

static struct entry *find(const struct store *s, const char *key)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->entries[i].key, key) == 0)
            return &s->entries[i];
    return NULL;
}

static int put(struct store *s, const char *key, const char *value)
{
    struct entry *e = find(s, key);

    if (e == NULL) {
        struct entry *more = realloc(s->entries, (s->count + 1) * sizeof *more);

        if (more == NULL)
            return -ENOMEM;
        s->entries = more;
        e = &more[s->count++];
        snprintf(e->key, sizeof e->key, "%s", key);
    }
    snprintf(e->value, sizeof e->value, "%s", value);
    return 0;
}

const char *store_get(const struct store *s, const char *key)
{
    const struct entry *e = find(s, key);

    return e ? e->value : NULL;
}

/* ---- taking turns ---- */

static void end_turn(struct store *s, struct turn *me)
{
    struct turn **at = &s->turns;

    while (*at != me)
        at = &(*at)->next;
    *at = me->next;
    if (at == &s->turns && s->turns)
        rv_cancel(&s->turns->bell);
}

static int take_turn(struct store *s, struct turn *me)
{
    struct turn **end = &s->turns;
    int err;

    while (*end)
        end = &(*end)->next;
    *end = me;
    me->next = NULL;
    if (s->turns == me)
        return 0;
    rv_scope_open(&me->bell, RV_NEVER);
    err = rv_scope_close(&me->bell, rv_sleep(RV_NEVER)); /* 0: the bell was rung */
    if (err < 0)
        end_turn(s, me);
    return err;
}

/* ---- the log ---- */

static uint64_t sum_of(uint64_t sum, const char *key, const char *value)
{
    for (const char *c = key; *c; c++)
        sum = (sum ^ (unsigned char)*c) * 0x100000001b3u;
    for (const char *c = value; *c; c++)
        sum = (sum ^ (unsigned char)*c ^ 0x100) * 0x100000001b3u;
    return sum;
}

static int write_at(int fd, const char *buf, size_t len, off_t at)
{
    while (len > 0) {
        ssize_t n = rv_pwrite(fd, buf, len, at);

        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        buf += n;
        len -= (size_t)n;
        at += n;
    }
    return 0;
}

static int append(struct store *s, const char *key, const char *value)
{
    char line[KV_LINE];
    off_t at = s->end; /* nobody else gets this place: what waits is further down */
    int len, err;

    s->sum = sum_of(s->sum, key, value);
    len = snprintf(line, sizeof line, "%016llx %s %s\n", (unsigned long long)s->sum, key, value);
    s->end += len;
    err = write_at(s->log, line, (size_t)len, at);
    if (err == 0)
        err = rv_fdatasync(s->log);
    if (err == 0)
        err = put(s, key, value);
    if (err < 0)
        s->error = err;
    return err;
}

/* One set after the other. The hasty store does without: a worker's tasks take turns anyway, and
 * each line has a place of its own. But tasks take turns wherever one waits, and append() waits
 * twice: what is last in the log need not be last in memory, and a line that is on the disk may
 * have one before it that is not. */
int store_set(struct store *s, const char *key, const char *value)
{
    struct turn turn;
    int err = s->hasty ? 0 : take_turn(s, &turn);

    if (err < 0)
        return err;
    err = s->error ? s->error : append(s, key, value);
    if (!s->hasty)
        end_turn(s, &turn);
    return err;
}

/* The lines up to the first that is not what was written. */
static int replay(struct store *s)
{
    struct lines in = {.fd = s->log};
    char line[KV_LINE], key[KV_KEY], value[KV_VALUE];
    unsigned long long sum;
    int len;

    while ((len = read_line(&in, line)) > 0) {
        if (sscanf(line, "%16llx %31s %63s", &sum, key, value) != 3 ||
            sum != sum_of(s->sum, key, value))
            return 0;
        if (put(s, key, value) < 0)
            return -ENOMEM;
        s->sum = sum;
        s->end += len;
    }
    return len == -EMSGSIZE ? 0 : len;
}

int store_open(struct store **out, const char *log, bool hasty)
{
    struct store *s = calloc(1, sizeof *s);
    int err;

    if (s == NULL)
        return -ENOMEM;
    s->hasty = hasty;
    s->log = err = rv_openat(AT_FDCWD, log, O_RDWR | O_CREAT, 0600);
    if (err >= 0)
        err = replay(s);
    if (err >= 0) /* what was read is answered from now on: it must be there the next time, too */
        err = rv_fsync(s->log);
    if (err < 0)
        store_close(s);
    else
        *out = s;
    return err;
}

void store_close(struct store *s)
{
    if (s->log >= 0)
        rv_close(s->log);
    free(s->entries);
    free(s);
}
