/* options.c: options of simulated sockets. What a program sets it finds again; a few have an
 * effect: SO_LINGER, SO_SNDBUF; a few are told: SO_ERROR, SO_TYPE and their like.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/time.h>

#include "kernel/sim/socket.h"

enum { SO_LAST = 83 }; /* that there are names for; the rest is refused */

static const struct sim_option *find_option(const struct sim_socket *s, int level, int name)
{
    for (unsigned i = 0; i < s->option_count; i++)
        if (s->options[i].level == level && s->options[i].name == name)
            return &s->options[i];
    return NULL;
}

int sim_option(const struct sim_socket *s, int level, int name, int fallback)
{
    const struct sim_option *o = find_option(s, level, name);

    if (o)
        memcpy(&fallback, o->value, sizeof fallback);
    return fallback;
}

static int keep_option(struct sim_socket *s, struct sim_option option)
{
    unsigned i = 0;

    while (i < s->option_count &&
           (s->options[i].level != option.level || s->options[i].name != option.name))
        i++;
    if (i == SIM_OPTIONS_MAX)
        return -ENOBUFS;
    s->option_count += i == s->option_count;
    s->options[i] = option;
    return 0;
}

/* What a socket says, and cannot be told. */
static bool is_told(int name)
{
    return name == SO_ERROR || name == SO_TYPE || name == SO_DOMAIN || name == SO_PROTOCOL ||
           name == SO_ACCEPTCONN;
}

int sim_setsockopt(struct kernel *k, int fd, int level, int name, const void *value, socklen_t len)
{
    struct sim_option option = {.level = level, .name = name};
    struct sim_object *o;
    int err = sim_find_socket(sim_of(k), fd, &o), number;

    if (err < 0)
        return err;
    if (len < sizeof number)
        return -EINVAL;
    if (level == SOL_SOCKET && (name <= 0 || name > SO_LAST || is_told(name)))
        return -ENOPROTOOPT;
    option.len = len < sizeof option.value ? len : sizeof option.value;
    memcpy(option.value, value, option.len);
    if (level == SOL_SOCKET && name == SO_LINGER && len >= sizeof(struct linger)) {
        const struct linger *linger = value;

        sim_socket_of(o)->linger_resets = linger->l_onoff && linger->l_linger == 0;
    }
    if (level == SOL_SOCKET && (name == SO_SNDBUF || name == SO_RCVBUF)) {
        memcpy(&number, value, sizeof number);
        number *= 2; /* as Linux does, for what it needs itself */
        memcpy(option.value, &number, sizeof number);
    }
    return keep_option(sim_socket_of(o), option);
}

static socklen_t usual_len(int level, int name)
{
    if (level == SOL_SOCKET && name == SO_LINGER)
        return sizeof(struct linger);
    if (level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO))
        return sizeof(struct timeval);
    return sizeof(int);
}

int sim_getsockopt(struct kernel *k, int fd, int level, int name, void *value, socklen_t *len)
{
    struct sim_object *o;
    struct sim_option told = {.len = usual_len(level, name)};
    const struct sim_option *kept;
    struct sim_socket *s;
    int err = sim_find_socket(sim_of(k), fd, &o), number;

    if (err < 0)
        return err;
    s = sim_socket_of(o);
    kept = find_option(s, level, name);
    number = sim_option(s, level, name, 0);
    if (level == SOL_SOCKET && name == SO_ERROR)
        number = -sim_take_error(s);
    else if (level == SOL_SOCKET && name == SO_TYPE)
        number = s->type;
    else if (level == SOL_SOCKET && name == SO_DOMAIN)
        number = s->domain;
    else if (level == SOL_SOCKET && name == SO_PROTOCOL)
        number = s->protocol;
    else if (level == SOL_SOCKET && name == SO_ACCEPTCONN)
        number = s->state == SIM_LISTENING;
    else if (level == SOL_SOCKET && (name == SO_SNDBUF || name == SO_RCVBUF))
        number = sim_option(s, level, name, SIM_BUFFER);
    else if (level != SOL_SOCKET && level != IPPROTO_TCP && level != IPPROTO_IP &&
             level != IPPROTO_IPV6)
        return -ENOPROTOOPT;
    memcpy(told.value, &number, sizeof number);
    if (kept)
        told = *kept;
    *len = *len < told.len ? *len : told.len;
    memcpy(value, told.value, *len);
    return 0;
}
