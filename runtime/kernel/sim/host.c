/* host.c: the hosts of a simulated world: who reaches whom and how fast, and what is left when
 * one loses its power. The first is 127.0.0.1, and there from the beginning.
 *
 * Each boot is counted: descriptors and operations belong to the boot that they were made in, and
 * are dead when it is over. The disk stays.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "kernel/sim/socket.h"

enum { NEAR_NS = 10000, FAR_NS = 200000, RESENT_NS = 200000000 };
#define APART_MOST_NS 2000000000

unsigned sim_here(const struct sim *w)
{
    if (w->acting)
        return w->acting - 1;
    return w->config->host ? w->config->host(w->config->host_arg) : 0;
}

int sim_host_of(const struct sim *w, unsigned from, uint32_t address)
{
    if (address == htonl(INADDR_ANY) || (ntohl(address) >> 24) == 127)
        return (int)from;
    for (unsigned i = 0; i < w->host_count; i++)
        if (w->hosts[i].address == address)
            return (int)i;
    return -1;
}

/* ---- the network ---- */

bool sim_reachable(const struct sim *w, unsigned from, unsigned to)
{
    return w->hosts[to].up && w->hosts[from].up &&
           w->hosts[from].apart[to] < clock_sum(w->now, SIM_GIVE_UP_NS);
}

int64_t sim_travel(struct sim *w, unsigned from, unsigned to)
{
    int64_t *apart = &w->hosts[from].apart[to], at = w->now;

    if (from == to)
        return sim_has(w, RV_SIM_ORDER) ? at + sim_span(w, NEAR_NS) : at;
    if (sim_chance(w, RV_SIM_PARTITIONS) && *apart < w->now) {
        *apart = w->hosts[to].apart[from] = w->now + (int64_t)sim_below(w, APART_MOST_NS);
        sim_tell(w, "apart", from, to);
    }
    if (!sim_reachable(w, from, to))
        return CLOCK_NEVER;
    if (*apart > at)
        at = *apart;
    if (sim_chance(w, RV_SIM_LOSS)) /* what may not be lost is sent again */
        at += RESENT_NS;
    return at + sim_span(w, FAR_NS);
}

int sim_host_part(struct sim *w, uint32_t address, uint32_t other, int64_t span)
{
    bool any = false;

    for (unsigned a = 0; a < w->host_count; a++)
        for (unsigned b = 0; b < w->host_count; b++)
            if (a != b && (address == 0 || w->hosts[a].address == address) &&
                (other == 0 || w->hosts[b].address == other)) {
                w->hosts[a].apart[b] = w->hosts[b].apart[a] = clock_sum(w->now, span);
                sim_tell(w, "apart", a, b);
                any = true;
            }
    return any ? 0 : -EINVAL;
}

/* ---- power ---- */

int sim_host_boot(struct sim *w, uint32_t address)
{
    int at = w->host_count ? sim_host_of(w, 0, address) : -1; /* nobody: this is the first */
    struct sim_host *h;

    if (at < 0 && w->host_count == SIM_HOSTS_MAX)
        return -ENOMEM;
    if (at >= 0 && w->hosts[at].up)
        return -EEXIST;
    if (at < 0) {
        at = (int)w->host_count++;
        w->hosts[at].address = address;
        w->hosts[at].disk = sim_disk_new();
        w->hosts[at].next_port = (uint16_t)sim_below(w, 1000);
    }
    h = &w->hosts[at];
    h->up = true;
    h->boots++;
    sim_tell(w, "boot", at, h->boots);
    return at;
}

/* Who has sent something that did not get there sends it again, until a host that is up once more
 * says that it knows of nothing, or for as long as one tries. Who only listens hears nothing, ever:
 * that is what deadlines are for. */
static void leave_peer(struct sim *w, struct sim_socket *s)
{
    struct sim_socket *peer = s->peer;

    if (peer == NULL || peer->o.host == s->o.host || sim_keeps_messages(s))
        return;
    s->peer = peer->peer = NULL;
    if (!sim_flow_under_way(s->in))
        return;
    sim_break_later(w, peer, sim_below(w, 2) ? ECONNRESET : ETIMEDOUT,
                    w->now + (int64_t)sim_below(w, SIM_GIVE_UP_NS));
}

void sim_host_cut(struct sim *w, unsigned host)
{
    struct sim_host *h = &w->hosts[host];

    if (!h->up)
        return;
    sim_tell(w, "power cut", host, h->boots);
    h->up = false;
    for (struct link *l = w->objects.next; l != &w->objects; l = l->next) {
        struct sim_object *o = CONTAINER(l, struct sim_object, all);

        if (o->host != host || o->boots != h->boots)
            continue;
        if (o->is_socket)
            leave_peer(w, sim_socket_of(o));
        sim_changed(w, o);
    }
    sim_disk_cut(w, h->disk);
}

void sim_host_stop(struct sim *w, unsigned host)
{
    sim_tell(w, "stop", host, w->hosts[host].boots);
    sim_find_open(w, host); /* now: nobody is to ask it of a host that is down */
    w->hosts[host].up = false;
}
