/*
 * lookup [-s SERVERS] [-t MILLISECONDS] [-c PORT] NAME...: the addresses of names, one after
 * another; with -c it connects to each.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/names.h>
#include <weft/weft.h>

static struct weft_resolver_opt options = {.size = sizeof options};
static int port;
static char **names;
static int failed;

static void print_address(const struct weft_name_address *one)
{
    char text[INET6_ADDRSTRLEN] = "?";

    if (one->address.ss_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)&one->address)->sin6_addr, text,
                  sizeof text);
    else
        inet_ntop(AF_INET, &((const struct sockaddr_in *)&one->address)->sin_addr, text,
                  sizeof text);
    printf(" %s", text);
}

static void look_up(weft_resolver *resolver, const char *name)
{
    struct weft_name_address list[32];
    int n = weft_resolve(resolver, name, AF_UNSPEC, list, 32);

    printf("%s:", name);
    for (int i = 0; i < n && i < 32; i++)
        print_address(&list[i]);
    puts(n < 0 ? strerror(-n) : "");
    failed |= n < 0;
}

static void connect_to(weft_resolver *resolver, const char *name)
{
    int fd = weft_connect_name(resolver, name, (uint16_t)port, NULL);

    printf("%s: %s\n", name, fd < 0 ? strerror(-fd) : "connected");
    if (fd >= 0)
        weft_close(fd);
    failed |= fd < 0;
}

static int work(void *arg)
{
    weft_resolver *resolver;
    int error = weft_resolver_open(&resolver, &options);

    (void)arg;
    for (char **name = names; error == 0 && *name; name++)
        if (port)
            connect_to(resolver, *name);
        else
            look_up(resolver, *name);
    return error < 0 ? error : weft_resolver_close(resolver);
}

static int usage(void)
{
    fprintf(stderr, "usage: lookup [-s SERVERS] [-t MILLISECONDS] [-c PORT] NAME...\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct weft_run_opt run = {.size = sizeof run, .reactors = 1};
    int option;

    while ((option = getopt(argc, argv, "s:t:c:")) != -1) {
        if (option == 's')
            options.servers = optarg;
        else if (option == 't')
            options.try_ns = atoll(optarg) * 1000000;
        else if (option == 'c')
            port = atoi(optarg);
        else
            return usage();
    }
    if (optind == argc)
        return usage();
    options.tries = 2;
    names = argv + optind;
    int result = weft_run(work, NULL, 0, &run);
    if (result < 0)
        fprintf(stderr, "lookup: %s\n", strerror(-result));
    return result < 0 ? 2 : failed;
}
