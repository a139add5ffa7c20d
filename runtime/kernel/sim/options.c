/* options.c: options of simulated sockets. What a program sets it finds again; a few have an
 * effect: SO_LINGER, SO_SNDBUF; a few are told: SO_ERROR, SO_TYPE and their like.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "kernel/sim/socket.h"

enum { SO_LAST = 83 }; /* that there are names for; the rest is refused */

int sim_option(const struct sim_socket *s, int level, int name, int fallback)
{
    for (unsigned i = 0; i < s->option_count; i++)
        if (s->options[i].level == level && s->options[i].name == name)
            return s->options[i].value;
    return fallback;
}

static int keep_option(struct sim_socket *s, int level, int name, int value)
{
    unsigned i = 0;

    while (i < s->option_count && (s->options[i].level != level || s->options[i].name != name))
        i++;
    if (i == SIM_OPTIONS_MAX)
        return -ENOBUFS;
    s->option_count += i == s->option_count;
    s->options[i] = (struct sim_option){level, name, value};
    return 0;
}

int sim_setsockopt(struct kernel *k, int fd, int level, int name, const void *value, socklen_t len)
{
    struct sim_object *o;
    int err = sim_find_socket(sim_of(k), fd, &o), number = 0;

    if (err < 0)
        return err;
    if (level == SOL_SOCKET && name == SO_LINGER && len >= sizeof(struct linger)) {
        const struct linger *linger = value;

        sim_socket_of(o)->linger_resets = linger->l_onoff && linger->l_linger == 0;
        return 0;
    }
    if (len < sizeof number)
        return -EINVAL;
    if (level == SOL_SOCKET && (name <= 0 || name > SO_LAST))
        return -ENOPROTOOPT;
    memcpy(&number, value, sizeof number);
    if (level == SOL_SOCKET && (name == SO_SNDBUF || name == SO_RCVBUF))
        number *= 2; /* as Linux does, for what it needs itself */
    return keep_option(sim_socket_of(o), level, name, number);
}

int sim_getsockopt(struct kernel *k, int fd, int level, int name, void *value, socklen_t *len)
{
    struct sim_object *o;
    struct sim_socket *s;
    int err = sim_find_socket(sim_of(k), fd, &o), number;

    if (err < 0)
        return err;
    s = sim_socket_of(o);
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
    *len = *len < sizeof number ? *len : sizeof number;
    memcpy(value, &number, *len);
    return 0;
}
