/*
 * io/address.h - addresses as text: "127.0.0.1:7000", "[::1]:7000", ":7000", "unix:/path",
 * "unix:@abstract". Numeric only: nothing here asks a name server. Any thread.
 */
#ifndef WEFT_IO_ADDRESS_H
#define WEFT_IO_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

struct weft__address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    };
    socklen_t length;
    bool wildcard; /* no host was given: the address is [::] */
};

/* 0; -EINVAL not an address; -ENAMETOOLONG a Unix path that does not fit. *address is only written
   on success. */
int weft__address_parse(struct weft__address *address, const char *text);

/* The port of an IPv4 or IPv6 address; -EAFNOSUPPORT of any other. */
int weft__address_port(const struct weft__address *address);

#endif
