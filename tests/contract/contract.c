/*
 * contract.c - the table as a whole, the answers recorded, and running one check here.
 *
 * Any thread. What always holds: a check has run when its answer is one of those recorded for this
 * kernel and nothing was in its way, and in no other case.
 */
#include "contract.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

extern const struct contract_check contract_files[], contract_pipes[], contract_open[],
    contract_submission[], contract_completion[], contract_overflow[], contract_cancelling[],
    contract_accepting[], contract_receiving[], contract_sending[], contract_connecting[],
    contract_buffering[], contract_bells[], contract_polling[], contract_threads[],
    contract_hosting[], contract_descriptors[], contract_ready[], contract_splicing[],
    contract_zero_copy[], contract_watching[], contract_blocks[], contract_memory[];

const struct contract_check *const contract_topics[] = {
    contract_open,       contract_submission, contract_completion,  contract_overflow,
    contract_cancelling, contract_accepting,  contract_receiving,   contract_sending,
    contract_connecting, contract_buffering,  contract_bells,       contract_polling,
    contract_threads,    contract_hosting,    contract_descriptors, contract_files,
    contract_pipes,      contract_ready,      contract_splicing,    contract_zero_copy,
    contract_watching,   contract_blocks,     contract_memory};
const size_t contract_topic_count = sizeof contract_topics / sizeof contract_topics[0];

const struct contract_feature contract_features[] = {
    {"no_sqarray", WEFT__FEATURE_NO_SQARRAY, CONTRACT_KERNEL(6, 6)},
    {"registered_fd", WEFT__FEATURE_REGISTERED_FD, CONTRACT_KERNEL(5, 18)},
    {"taskrun_flag", WEFT__FEATURE_TASKRUN_FLAG, CONTRACT_KERNEL(5, 19)},
    {"recv_multishot", WEFT__FEATURE_RECV_MULTISHOT, CONTRACT_KERNEL(6, 0)},
    {"accept_multishot", WEFT__FEATURE_ACCEPT_MULTISHOT, CONTRACT_KERNEL(5, 19)},
    {"buffer_ring", WEFT__FEATURE_BUFFER_RING, CONTRACT_KERNEL(5, 19)},
    {"msg_ring", WEFT__FEATURE_MSG_RING, CONTRACT_KERNEL(6, 3)},
    {"min_timeout", WEFT__FEATURE_MIN_TIMEOUT, CONTRACT_KERNEL(6, 12)},
    {"no_iowait", WEFT__FEATURE_NO_IOWAIT, CONTRACT_KERNEL(6, 15)},
    {"abs_timer", WEFT__FEATURE_ABS_TIMER, CONTRACT_KERNEL(6, 12)},
    {"fixed_files", WEFT__FEATURE_FIXED_FILES, CONTRACT_KERNEL(6, 15)},
    {"ftruncate", WEFT__FEATURE_FTRUNCATE, CONTRACT_KERNEL(6, 9)},
    {"waitid", WEFT__FEATURE_WAITID, CONTRACT_KERNEL(6, 7)},
    {"futex", WEFT__FEATURE_FUTEX, CONTRACT_KERNEL(6, 7)},
    {"send_zc", WEFT__FEATURE_SEND_ZC, CONTRACT_KERNEL(6, 3)},
    {"fixed_buffers", WEFT__FEATURE_FIXED_BUFFERS, CONTRACT_KERNEL(5, 19)},
};
const size_t contract_feature_count = sizeof contract_features / sizeof contract_features[0];

size_t contract_count(void)
{
    size_t count = 0;

    while (contract_at(count))
        count++;
    return count;
}

const struct contract_check *contract_at(size_t index)
{
    for (size_t topic = 0; topic < contract_topic_count; topic++)
        for (const struct contract_check *check = contract_topics[topic]; check->name; check++)
            if (index-- == 0)
                return check;
    return NULL;
}

/* -- answers ---------------------------------------------------------------------------------- */

static bool stands_for(const struct contract_answer *answer, const struct contract_kernel *kernel)
{
    enum contract_whose whose = kernel->simulated ? CONTRACT_SIMULATED : CONTRACT_REAL;

    if (answer->whose != CONTRACT_ANY && answer->whose != whose)
        return false;
    if (kernel->version < answer->since || (answer->before && kernel->version >= answer->before))
        return false;
    return (kernel->features & answer->with) == answer->with &&
           (kernel->features & answer->without) == 0;
}

bool contract_expected(const struct contract_check *check, const struct contract_kernel *kernel,
                       const char *text)
{
    for (int i = 0; i < CONTRACT_ANSWERS && check->answers[i].text; i++)
        if (stands_for(&check->answers[i], kernel) && strcmp(check->answers[i].text, text) == 0)
            return true;
    return false;
}

void contract_expectation(const struct contract_check *check, const struct contract_kernel *kernel,
                          char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (int i = 0; i < CONTRACT_ANSWERS && check->answers[i].text; i++)
        if (stands_for(&check->answers[i], kernel) && used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%s", used ? " or " : "",
                                     check->answers[i].text);
}

/* -- saying ----------------------------------------------------------------------------------- */

void contract_say(struct contract *c, const char *format, ...)
{
    size_t used = strlen(c->answer);
    va_list arguments;

    if (used > 0 && used < sizeof c->answer - 2) {
        memcpy(c->answer + used, ", ", 3);
        used += 2;
    }
    va_start(arguments, format);
    vsnprintf(c->answer + used, sizeof c->answer - used, format, arguments);
    va_end(arguments);
}

#define NAME(error)                                                                                \
    {                                                                                              \
        error, #error                                                                              \
    }
static const struct {
    int number;
    const char *name;
} names[] = {
    NAME(EACCES),      NAME(EADDRINUSE),   NAME(EADDRNOTAVAIL), NAME(EAFNOSUPPORT),
    NAME(EAGAIN),      NAME(EALREADY),     NAME(EBADF),         NAME(EBADFD),
    NAME(EBUSY),       NAME(ECANCELED),    NAME(ECONNABORTED),  NAME(ECONNREFUSED),
    NAME(ECONNRESET),  NAME(EDESTADDRREQ), NAME(EEXIST),        NAME(EFAULT),
    NAME(EINPROGRESS), NAME(EINTR),        NAME(EINVAL),        NAME(EISCONN),
    NAME(EMFILE),      NAME(EMSGSIZE),     NAME(ENFILE),        NAME(ENOBUFS),
    NAME(EISDIR),      NAME(ENOTDIR),      NAME(ENOTEMPTY),     NAME(ENOTSUP),
    NAME(ESPIPE),      NAME(ENOSPC),       NAME(EIO),           NAME(ENOENT),
    NAME(ENOMEM),      NAME(ENOPROTOOPT),  NAME(ENOSYS),        NAME(ENOTCONN),
    NAME(ENOTSOCK),    NAME(ENXIO),        NAME(EPERM),         NAME(EPIPE),
    NAME(EPROTOTYPE),  NAME(ERANGE),       NAME(ESHUTDOWN),     NAME(ETIME),
    NAME(ETIMEDOUT),
};

static const char *name_of(int64_t result)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (-result == names[i].number)
            return names[i].name;
    return NULL;
}

void contract_say_result(struct contract *c, const char *what, int64_t result)
{
    const char *name = name_of(result);

    if (name)
        contract_say(c, "%s -%s", what, name);
    else
        contract_say(c, "%s %lld", what, (long long)result);
}

void contract_trouble(struct contract *c, const char *format, ...)
{
    va_list arguments;

    if (c->trouble[0])
        return;
    va_start(arguments, format);
    vsnprintf(c->trouble, sizeof c->trouble, format, arguments);
    va_end(arguments);
}

void contract_need(struct contract *c, bool holds, const char *what)
{
    if (!holds)
        contract_trouble(c, "not so: %s", what);
}

/* -- running one ------------------------------------------------------------------------------ */

void contract_tidy_up(struct contract *c);

void contract_run(const struct contract_check *check, const struct contract_kernel *kernel,
                  struct contract_result *result)
{
    struct contract *c;

    *result = (struct contract_result){.outcome = CONTRACT_UNUSED};
    if ((kernel->features & check->uses) != check->uses)
        return;
    result->outcome = CONTRACT_BROKEN;
    c = calloc(1, sizeof *c);
    if (!c) {
        snprintf(result->trouble, sizeof result->trouble, "no memory");
        return;
    }
    c->kernel = kernel;
    c->own_tokens = UINT64_C(0x70000000) << 32;
    check->run(c);
    contract_tidy_up(c);
    memcpy(result->answer, c->answer, sizeof result->answer);
    memcpy(result->trouble, c->trouble, sizeof result->trouble);
    if (!c->trouble[0] && contract_expected(check, kernel, c->answer))
        result->outcome = CONTRACT_HELD;
    free(c);
}

/* The tables of held files and memory are made when the first is held: only then can they be
   refused. */
static void try_holding(struct weft__ring *ring)
{
    static char page[4096] __attribute__((aligned(4096)));
    int fd = weft__host_socket(AF_INET, SOCK_STREAM, 0);

    if (fd >= 0 && weft__ring_file_hold(ring, fd) == 0)
        weft__ring_file_let_go(ring, fd);
    if (fd >= 0)
        weft__host_close(fd);
    (void)weft__ring_memory_hold(ring, 0, page, sizeof page);
    weft__ring_memory_let_go(ring);
}

int contract_kernel_ask(struct contract_kernel *kernel, char *text, size_t size)
{
    struct weft__ring ring;
    struct weft__ring_opt opt = {.sq_entries = 8, .error_text = text, .error_text_size = size};
    int error = weft__ring_open(&ring, &opt);

    if (error < 0)
        return error;
    try_holding(&ring);
    kernel->features = ring.features;
    weft__ring_close(&ring);
    return 0;
}
