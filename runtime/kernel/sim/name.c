/* name.c: the names of simulated sockets: who is bound where.
 *
 * Internet: a host's address, or any of its own, and a port; 127.0.0.0/8 and ::1 are whoever
 * speaks, and who is bound there hears nobody from outside. Unix: a path, or an abstract name; a
 * path is free again when its socket closes, since there is no file.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "kernel/sim/socket.h"

enum { PORT_FIRST = 32768 };

static struct sockaddr_in *in4(struct sim_name *n)
{
    return (struct sockaddr_in *)(void *)&n->at;
}

static struct sockaddr_in6 *in6(struct sim_name *n)
{
    return (struct sockaddr_in6 *)(void *)&n->at;
}

static in_port_t *port_of(const struct sim_name *name)
{
    struct sim_name *n = (struct sim_name *)name;

    return n->at.ss_family == AF_INET ? &in4(n)->sin_port : &in6(n)->sin6_port;
}

static bool is_any(const struct sim_name *name)
{
    struct sim_name *n = (struct sim_name *)name;

    return n->at.ss_family == AF_INET ? in4(n)->sin_addr.s_addr == htonl(INADDR_ANY)
                                      : IN6_IS_ADDR_UNSPECIFIED(&in6(n)->sin6_addr);
}

static bool same_address(const struct sim_name *a, const struct sim_name *b)
{
    struct sim_name *n = (struct sim_name *)a, *m = (struct sim_name *)b;

    return a->at.ss_family == AF_INET ? in4(n)->sin_addr.s_addr == in4(m)->sin_addr.s_addr
                                      : IN6_ARE_ADDR_EQUAL(&in6(n)->sin6_addr, &in6(m)->sin6_addr);
}

static void set_address(struct sim_name *n, uint32_t address)
{
    if (n->at.ss_family == AF_INET)
        in4(n)->sin_addr.s_addr = address;
    else
        in6(n)->sin6_addr = in6addr_loopback; /* no host has another one */
}

static int host_of_name(struct sim *w, const struct sim_socket *s, struct sim_name *n)
{
    const struct in6_addr *a = &in6(n)->sin6_addr;

    if (n->at.ss_family == AF_INET)
        return sim_host_of(w, s->o.host, in4(n)->sin_addr.s_addr);
    return IN6_IS_ADDR_LOOPBACK(a) || IN6_IS_ADDR_UNSPECIFIED(a) ? (int)s->o.host : -1;
}

int sim_name_read(struct sim *w, const struct sim_socket *s, const struct sockaddr *addr,
                  socklen_t len, struct sim_name *out)
{
    socklen_t least = s->domain == AF_INET    ? sizeof(struct sockaddr_in)
                      : s->domain == AF_INET6 ? 24 /* without the scope */
                                              : sizeof(sa_family_t);
    int host;

    if (addr == NULL)
        return -EFAULT;
    if (len < least || len > sizeof out->at)
        return -EINVAL;
    memset(out, 0, sizeof *out);
    memcpy(&out->at, addr, len);
    out->len = len;
    out->host = s->o.host;
    if (out->at.ss_family != s->domain)
        return -EAFNOSUPPORT;
    if (s->domain == AF_UNIX) {
        const char *path = ((struct sockaddr_un *)(void *)&out->at)->sun_path;

        if (len > sizeof(struct sockaddr_un))
            return -EINVAL;
        if (len > least && path[0]) /* what is behind the path's end is not of the name */
            out->len = least + (socklen_t)strnlen(path, len - least) + 1;
        return 0;
    }
    host = host_of_name(w, s, out);
    if (host < 0)
        return -EADDRNOTAVAIL;
    out->host = (unsigned)host;
    return 0;
}

int sim_name_aim(struct sim *w, const struct sim_socket *s, const struct sockaddr *addr,
                 socklen_t len, struct sim_name *out)
{
    int err = sim_name_read(w, s, addr, len, out);

    if (err == 0 && s->domain != AF_UNIX && is_any(out))
        set_address(out, htonl(INADDR_LOOPBACK));
    return err;
}

void sim_name_write(const struct sim_name *name, int domain, struct sockaddr *addr, socklen_t *len)
{
    struct sim_name none = {.at.ss_family = (sa_family_t)domain, .len = sizeof(sa_family_t)};

    if (domain == AF_INET || domain == AF_INET6)
        none.len = domain == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    if (name->len == 0)
        name = &none;
    memcpy(addr, &name->at, *len < name->len ? *len : name->len);
    *len = name->len;
}

bool sim_is_path(const struct sim_name *name)
{
    return name->at.ss_family == AF_UNIX && name->len > sizeof(sa_family_t) &&
           ((const struct sockaddr_un *)(const void *)&name->at)->sun_path[0];
}

int sim_name_type(const struct sim_name *name, int type)
{
    return name->at.ss_family == AF_UNIX && sim_is_path(name) ? 0 : type;
}

bool sim_name_same(const struct sim_name *a, const struct sim_name *b)
{
    if (a->host != b->host || a->at.ss_family != b->at.ss_family)
        return false;
    if (a->at.ss_family == AF_UNIX)
        return a->len == b->len && memcmp(&a->at, &b->at, a->len) == 0;
    return *port_of(a) == *port_of(b);
}

/* Does it lead to who is bound there? And may two not be bound to them at once? */
static bool meet(const struct sim_name *a, const struct sim_name *b)
{
    return sim_name_same(a, b) &&
           (a->at.ss_family == AF_UNIX || is_any(a) || is_any(b) || same_address(a, b));
}

struct sim_socket *sim_name_find(struct sim *w, const struct sim_name *name, int type)
{
    for (struct link *l = w->names.next; l != &w->names; l = l->next) {
        struct sim_socket *s = CONTAINER(l, struct sim_socket, on_names);

        if ((type == 0 || s->type == type) && meet(&s->here, name) && sim_alive(w, &s->o))
            return s;
    }
    return NULL;
}

static int choose_port(struct sim *w, const struct sim_socket *s, struct sim_name *n)
{
    struct sim_host *host = &w->hosts[n->host];

    for (int tries = 0; tries < 28000; tries++) {
        *port_of(n) = htons((uint16_t)(PORT_FIRST + host->next_port++ % 28000));
        if (sim_name_find(w, n, s->type) == NULL)
            return 0;
    }
    return -EADDRINUSE;
}

static void choose_abstract(struct sim *w, struct sim_name *n)
{
    struct sockaddr_un *un = (struct sockaddr_un *)(void *)&n->at;

    do
        snprintf(un->sun_path + 1, 8, "%05x", ++w->last_abstract & 0xfffff);
    while (n->len = sizeof(sa_family_t) + 6, sim_name_find(w, n, 0));
}

int sim_name_bind(struct sim *w, struct sim_socket *s, const struct sim_name *name)
{
    struct sim_name n = *name;
    int err = 0;

    if (s->here.len)
        return -EINVAL;
    if (s->domain == AF_UNIX && n.len == sizeof(sa_family_t))
        choose_abstract(w, &n);
    else if (s->domain != AF_UNIX && *port_of(&n) == 0)
        err = choose_port(w, s, &n);
    else if (sim_name_find(w, &n, sim_name_type(&n, s->type)))
        err = -EADDRINUSE;
    if (err < 0)
        return err;
    s->here = n;
    list_push_back(&w->names, &s->on_names);
    return 0;
}

int sim_name_choose(struct sim *w, struct sim_socket *s, const struct sim_name *to)
{
    struct sim_name n = {.at.ss_family = (sa_family_t)s->domain, .host = s->o.host};
    int err = 0;

    if (s->domain == AF_UNIX)
        return 0;
    n.len = s->domain == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    if (s->here.len == 0)
        err = sim_name_bind(w, s, &n);
    if (err == 0 && to && is_any(&s->here))
        set_address(&s->here, to->host == s->o.host && s->domain == AF_INET
                                  ? in4((struct sim_name *)to)->sin_addr.s_addr
                                  : w->hosts[s->o.host].address);
    return err;
}
