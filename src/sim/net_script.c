/*
 * sim/net_script.c - reading the script of a peer. Pure functions of text.
 */
#include "sim/net_script.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

enum { ADDRESS_MAX = 128, PORT_MAX = 65535 };

static void skip(const char **at)
{
    while (**at == ' ' || **at == '\n' || **at == '\t')
        (*at)++;
}

static bool ends_word(char c)
{
    return c == '\0' || c == ' ' || c == ';' || c == ':' || c == '\n' || c == '\t';
}

/* Takes the word if it is the next. */
static bool word(const char **at, const char *what)
{
    size_t length = strlen(what);

    skip(at);
    if (strncmp(*at, what, length) != 0 || !ends_word((*at)[length]))
        return false;
    *at += length;
    return true;
}

static bool number(const char **at, uint64_t *value)
{
    char *end;

    skip(at);
    if (**at < '0' || **at > '9')
        return false;
    errno = 0;
    *value = strtoull(*at, &end, 10);
    *at = end;
    return errno == 0;
}

static bool duration(const char **at, int64_t *ns)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};
    uint64_t value;

    if (!number(at, &value) || value > INT64_MAX)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (word(at, units[i].name))
            return !__builtin_mul_overflow((int64_t)value, units[i].ns, ns);
    return false;
}

/* -- the address ----------------------------------------------------------------------------- */

static bool read_local(struct weft__net_script *script, const char *name)
{
    struct sockaddr_un *local = (struct sockaddr_un *)(void *)&script->address;
    size_t length = strlen(name);

    if (length == 0 || length >= sizeof local->sun_path)
        return false;
    local->sun_family = AF_UNIX;
    memcpy(local->sun_path, name, length);
    if (name[0] == '@')
        local->sun_path[0] = '\0';
    script->length =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (name[0] != '@'));
    return true;
}

static bool read_internet(struct weft__net_script *script, char *host, uint64_t port)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&script->address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&script->address;
    size_t length = strlen(host);

    if (port == 0 || port > PORT_MAX)
        return false;
    if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
        host[length - 1] = '\0';
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        script->length = sizeof *v6;
        return inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1;
    }
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)port);
    script->length = sizeof *v4;
    return inet_pton(AF_INET, host, &v4->sin_addr) == 1;
}

/* Everything up to a blank, or the colon that ends the head. */
static bool read_address(struct weft__net_script *script, const char **at)
{
    char address[ADDRESS_MAX], *colon;
    const char *port;
    size_t length;
    uint64_t value;

    skip(at);
    length = strcspn(*at, " \n\t");
    if (length > 0 && (*at)[length - 1] == ':')
        length--;
    if (length == 0 || length >= sizeof address)
        return false;
    memcpy(address, *at, length);
    address[length] = '\0';
    *at += length;
    if (strncmp(address, "unix:", 5) == 0)
        return read_local(script, address + 5);
    colon = strrchr(address, ':');
    if (!colon)
        return false;
    *colon = '\0';
    port = colon + 1;
    return number(&port, &value) && *port == '\0' && read_internet(script, address, value);
}

static bool read_count(struct weft__net_script *script, const char **at)
{
    skip(at);
    if (**at != 'x')
        return false;
    (*at)++;
    return number(at, &script->count);
}

static bool read_head(struct weft__net_script *script, const char **at)
{
    script->listens = word(at, "listen");
    script->count = script->listens ? UINT64_MAX : 1;
    if (!read_address(script, at))
        return false;
    for (skip(at); **at != ':'; skip(at)) {
        bool good = word(at, "every")   ? duration(at, &script->every_ns)
                    : word(at, "after") ? duration(at, &script->after_ns)
                                        : read_count(script, at);
        if (!good)
            return false;
    }
    (*at)++;
    return script->count > 0;
}

/* -- the steps ------------------------------------------------------------------------------- */

static char unescaped(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case '0':
        return '\0';
    default:
        return c;
    }
}

static bool read_text(struct weft__net_script *script, struct weft__net_step *step, const char **at)
{
    step->text = script->text + script->text_size;
    for ((*at)++; **at && **at != '\''; (*at)++) {
        if (**at == '\\' && (*at)[1])
            script->text[script->text_size] = unescaped(*++*at);
        else
            script->text[script->text_size] = **at;
        script->text_size++;
        step->size++;
    }
    return *(*at)++ == '\'';
}

static bool read_send(struct weft__net_script *script, struct weft__net_step *step, const char **at)
{
    skip(at);
    return **at == '\'' ? read_text(script, step, at) : number(at, &step->size);
}

static bool read_size_or_end(struct weft__net_step *step, const char **at)
{
    if (!number(at, &step->size))
        step->size = UINT64_MAX;
    return true;
}

static bool read_step(struct weft__net_script *script, struct weft__net_step *step, const char **at)
{
    static const struct {
        const char *name;
        enum weft__net_step_kind kind;
    } names[] = {{"send", WEFT__NET_STEP_SEND},   {"drip", WEFT__NET_STEP_DRIP},
                 {"read", WEFT__NET_STEP_READ},   {"echo", WEFT__NET_STEP_ECHO},
                 {"wait", WEFT__NET_STEP_WAIT},   {"half", WEFT__NET_STEP_HALF},
                 {"reset", WEFT__NET_STEP_RESET}, {"vanish", WEFT__NET_STEP_VANISH},
                 {"hold", WEFT__NET_STEP_HOLD}};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (word(at, names[i].name))
            step->kind = names[i].kind;
    switch (step->kind) {
    case WEFT__NET_STEP_SEND:
        return read_send(script, step, at);
    case WEFT__NET_STEP_DRIP:
        return number(at, &step->size) && duration(at, &step->time_ns);
    case WEFT__NET_STEP_READ:
        return read_size_or_end(step, at);
    case WEFT__NET_STEP_WAIT:
        return duration(at, &step->time_ns);
    default:
        return step->kind != 0;
    }
}

int weft__net_script_parse(struct weft__net_script *script, const char *text)
{
    const char *at = text;

    *script = (struct weft__net_script){.refs = 1};
    if (strlen(text) >= WEFT__NET_SCRIPT_MAX || !read_head(script, &at))
        return -EINVAL;
    for (skip(&at); *at; skip(&at)) {
        if (script->step_count == WEFT__NET_STEPS_MAX ||
            !read_step(script, &script->steps[script->step_count++], &at))
            return -EINVAL;
        skip(&at);
        if (*at && *at++ != ';')
            return -EINVAL;
    }
    return 0;
}
