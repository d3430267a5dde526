/* names/by_pool.c - getaddrinfo(3), called by another thread, where there is no c-ares. */
#include <errno.h>
#include <netdb.h>
#include <string.h>

#include "names/resolver.h"

const char *weft_resolver_kind(void)
{
    return "getaddrinfo";
}

int weft__backend_open(weft_resolver *resolver)
{
    return resolver->opt.servers ? -ENOTSUP : 0;
}

void weft__backend_close(weft_resolver *resolver)
{
    (void)resolver;
}

static int meaning(int status)
{
    switch (status) {
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
        return -ENOENT;
    case EAI_AGAIN:
        return -EAGAIN;
    case EAI_MEMORY:
        return -ENOMEM;
    default:
        return -EBADMSG;
    }
}

static int look_up(void *arg) /* on the other thread */
{
    struct weft__answer *answer = arg;
    struct addrinfo hints = {.ai_family = answer->family, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int status = getaddrinfo(answer->host, NULL, &hints, &found);

    answer->error = status ? meaning(status) : 0;
    for (struct addrinfo *one = found; one && answer->count < WEFT__NAME_ADDRESSES;
         one = one->ai_next) {
        struct weft_name_address *to = &answer->list[answer->count++];

        memcpy(&to->address, one->ai_addr, one->ai_addrlen);
        to->length = one->ai_addrlen;
    }
    if (found)
        freeaddrinfo(found);
    return 0;
}

int weft__backend_ask(struct weft__question *question)
{
    int error = weft_to_thread(look_up, &question->answer);

    if (error < 0)
        question->answer.error = error;
    weft__answered(question);
    return error;
}
