/* kv-simulate.c: the server's test. On a host of its own it is started, used by some clients at
 * once, and loses its power, some times over, in a world in which calls fail, connections break and
 * everything takes as long as the seed says.
 *
 * All clients set one key, each time to another number. What holds whatever happens:
 *   - The value is never older than a set that was answered before.
 *   - What the server says when nobody sets anything, it says again after the next start.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kv.h"
#include "reeve_sim.h"

enum { LIVES = 4, CLIENTS = 3, SETS = 2, NUMBERS = 1 + LIVES * CLIENTS * SETS };
static const char address[] = "10.0.0.1";
static const uint16_t port = 7000;

struct set {
    rv_time began, answered; /* RV_NEVER: no answer came, and it may or may not have happened */
};

struct history {
    struct set sets[NUMBERS]; /* of this value; 0: none yet */
    int count;
    int settled; /* the value that was found when no set was under way */
    int since;   /* the first set after that */
    bool hasty;
};

/* ---- a client ---- */

static int talk(int fd, const char *request, char reply[KV_LINE])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct lines in = {.fd = fd};
    int err;

    inet_pton(AF_INET, address, &at.sin_addr);
    err = rv_connect(fd, (struct sockaddr *)&at, sizeof at);
    if (err == 0)
        err = rv_write_all(fd, request, strlen(request));
    if (err == 0)
        err = read_line(&in, reply);
    return err == 0 ? -ECONNRESET : err;
}

static int ask(const char *request, char reply[KV_LINE])
{
    rv_scope s;
    int fd, err;

    rv_scope_open(&s, rv_after(5 * RV_S));
    err = fd = rv_socket(AF_INET, SOCK_STREAM, 0);
    if (fd >= 0) {
        err = talk(fd, request, reply);
        rv_close(fd);
    }
    return rv_scope_close(&s, err);
}

static int client(void *arg)
{
    struct history *h = arg;
    char request[KV_LINE], reply[KV_LINE];

    for (int i = 0; i < SETS; i++) {
        int number = h->count++;
        int err = rv_sleep((rv_time)rv_sim_random(5) * RV_MS);

        if (err < 0)
            return err;
        h->sets[number] = (struct set){rv_now(), RV_NEVER};
        snprintf(request, sizeof request, "set key %d\n", number);
        if (ask(request, reply) > 0 && strcmp(reply, "ok") == 0)
            h->sets[number].answered = rv_now();
    }
    return 0;
}

/* ---- what must hold ---- */

static void check(struct history *h, int value)
{
    if (value != h->settled && (value < h->since || value >= h->count)) {
        rv_sim_fail("it was %d, and is %d without being set anew", h->settled, value);
        value = h->settled;
    }
    for (int i = h->since; i < h->count; i++)
        if (h->sets[i].answered != RV_NEVER && h->sets[i].began > h->sets[value].answered)
            rv_sim_fail("%d was set, later, and answered; but it is %d", i, value);
    h->settled = value;
    h->since = h->count;
    h->sets[value].answered = rv_now();
}

/* Asks until there is an answer. */
static int look(struct history *h)
{
    char reply[KV_LINE];
    int err;

    while (ask("get key\n", reply) <= 0) {
        err = rv_sleep(100 * RV_MS);
        if (err < 0)
            return err;
    }
    check(h, atoi(reply));
    return 0;
}

/* ---- a life of the server ---- */

static int keep_serving(void *arg)
{
    const struct history *h = arg;
    struct kv_options o = {.port = port, .log = "kv.log", .hasty = h->hasty};
    int err;

    do
        (void)serve(&o);
    while ((err = rv_sleep(100 * RV_MS)) == 0);
    return err;
}

static int run_clients(struct history *h)
{
    rv_group clients;

    rv_group_open(&clients, RV_NEVER);
    for (int i = 0; i < CLIENTS; i++)
        rv_go(&clients, client, h);
    return rv_group_close(&clients, 0);
}

static bool all_answered(const struct history *h)
{
    for (int i = h->since; i < h->count; i++)
        if (h->sets[i].answered == RV_NEVER)
            return false;
    return true;
}

static int cut_power(void *arg)
{
    int err = rv_sleep((rv_time)rv_sim_random(40) * RV_MS);

    rv_sim_power_cut(arg);
    return err;
}

static int live(struct history *h)
{
    bool in_the_middle = rv_sim_random(2);
    rv_sim_host machine;
    rv_group cutter;
    int err = rv_sim_host_open(&machine, address);

    if (err < 0)
        return err;
    rv_go(&machine.tasks, keep_serving, h);
    err = look(h);
    rv_group_open(&cutter, RV_NEVER);
    if (in_the_middle)
        rv_go(&cutter, cut_power, &machine);
    if (err == 0)
        err = run_clients(h);
    if (err == 0 && !in_the_middle && all_answered(h)) /* else one may be under way still */
        err = look(h);
    err = rv_group_close(&cutter, err);
    rv_sim_power_cut(&machine);
    return rv_sim_host_close(&machine, err);
}

static int scenario(void *arg)
{
    struct history h = {.count = 1, .since = 1, .hasty = *(bool *)arg};
    int err = 0;

    for (int i = 0; i < LIVES && err == 0; i++)
        err = live(&h);
    return err;
}

int simulate(uint64_t seeds, bool hasty)
{
    /* a disk that fails is not what this one is made for */
    rv_sim_options o = {.without = RV_SIM_DISK_ERRORS};

    return rv_sim_seeds(1, seeds, &o, scenario, &hasty);
}
