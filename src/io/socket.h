/*
 * io/socket.h - what socket.c does for its neighbours. Direct calls, none suspends.
 */
#ifndef WEFT_IO_SOCKET_H
#define WEFT_IO_SOCKET_H

struct weft__io;
struct weft_socket_opt;

/* A new socket, its record claimed. The descriptor or a negative errno. */
int weft__socket_open(struct weft__io *io, int domain, int type, int protocol);
int weft__socket_set(int fd, const struct weft_socket_opt *opt);
int weft__socket_set_int(int fd, int level, int option, int value);
/* Closing it will reset the connection. */
int weft__socket_reset_on_close(int fd);

#endif
