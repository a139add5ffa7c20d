/* socket.h: what the simulated sockets' files share.
 *
 *     new -> listening
 *     new -> (hoping ->) connecting -> connected -> broken
 *
 * Hoping: a Unix socket whose listener's queue is full. Broken: reset, timed out; `error` is said
 * once, then reads end and writes are -EPIPE. A connection waits in its listener's backlog as a
 * connected socket without a number. A socket that keeps messages apart needs no flows: its
 * messages are in the receiver's own queue.
 */
#ifndef KERNEL_SIM_SOCKET_H
#define KERNEL_SIM_SOCKET_H

#include "kernel/sim/sim.h"

enum sim_socket_state {
    SIM_NEW,
    SIM_LISTENING,
    SIM_HOPING,
    SIM_CONNECTING,
    SIM_CONNECTED,
    SIM_BROKEN,
};

enum { SIM_OPTIONS_MAX = 16, SIM_BUFFER = 212992 };

struct sim_name {
    struct sockaddr_storage at;
    socklen_t len; /* 0: none */
    unsigned host;
};

struct sim_option {
    int level, name;
    socklen_t len;
    unsigned char value[16]; /* an int, mostly; the longest is a struct timeval */
};

struct sim_socket {
    struct sim_object o;
    int domain, type, protocol;
    uint8_t state;          /* enum sim_socket_state */
    bool no_read, no_write; /* shutdown */
    bool linger_resets;
    int error;
    struct sim_name here, there;
    struct sim_name aim;     /* of a connect */
    struct link on_names;    /* sim.names, while bound */
    struct sim_socket *peer; /* the other end, while it is open; both know each other (datagrams:
                                only one may) */
    struct sim_flow *in, *out;
    struct link backlog; /* listening: of on_backlog, oldest first */
    struct link on_backlog;
    unsigned waiting, waiting_max;
    struct link hopeful; /* of on_hopeful: who is told when this queue has room again */
    struct link on_hopeful;
    struct link messages;
    size_t messages_bytes, messages_count;
    int64_t last_arrival; /* of what this one sent to a network */
    struct sim_option options[SIM_OPTIONS_MAX];
    unsigned option_count;
};

static inline struct sim_socket *sim_socket_of(struct sim_object *o)
{
    return CONTAINER(o, struct sim_socket, o);
}

static inline bool sim_keeps_messages(const struct sim_socket *s)
{
    return s->type != SOCK_STREAM;
}

/* socket.c */
struct sim_socket *sim_socket_new(struct sim *w, int domain, int type, int protocol);
int sim_take_error(struct sim_socket *s); /* said once: -errno, or 0 */
int sim_option(const struct sim_socket *s, int level, int name, int fallback);
/* The two become the ends of one connection. */
void sim_join(struct sim *w, struct sim_socket *a, struct sim_socket *b);
void sim_break(struct sim *w, struct sim_socket *s, int error);
void sim_break_later(struct sim *w, struct sim_socket *s, int error, int64_t at);
/* At least one of its wait-for-room peers may go on. */
void sim_give_hope(struct sim *w, struct sim_socket *s);

/* name.c: 0, or -errno. */
int sim_name_read(struct sim *w, const struct sim_socket *s, const struct sockaddr *addr,
                  socklen_t len, struct sim_name *out);
/* Whom to speak to: any address is then one's own. */
int sim_name_aim(struct sim *w, const struct sim_socket *s, const struct sockaddr *addr,
                 socklen_t len, struct sim_name *out);
void sim_name_write(const struct sim_name *name, int domain, struct sockaddr *addr, socklen_t *len);
bool sim_is_path(const struct sim_name *name);
bool sim_name_same(const struct sim_name *a, const struct sim_name *b);
/* What sim_name_find() is to be asked for: a path is taken whatever the type, and 0 is any. */
int sim_name_type(const struct sim_name *name, int type);
struct sim_socket *sim_name_find(struct sim *w, const struct sim_name *name, int type);
int sim_name_bind(struct sim *w, struct sim_socket *s, const struct sim_name *name);
/* Of a socket that was bound to none, or to any address and now speaks to somebody (or NULL). */
int sim_name_choose(struct sim *w, struct sim_socket *s, const struct sim_name *to);

/* connect.c */
void sim_listener_closed(struct sim *w, struct sim_socket *s);

/* message.c */
extern const struct sim_class sim_message_class;
long sim_message_connect(struct sim *w, struct sim_socket *s, const struct sim_name *to);

#endif
