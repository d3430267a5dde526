/*
 * A connection with TLS, and the contexts it is made by, with the k-th allocation of OpenSSL's and
 * of the layer's failing, for every k. Catches an error that is lost, so that somebody waits for
 * ever, or that is told as success; what was asked for and not given back; and a connection that
 * suffers for what befell another.
 */
#include "short_of_memory.h"
#include "talk.h"

/* What is done with an allocation failing, or with none, and, when none does, before and after it:
   only there may anything be asserted. The last says what came of it: 0 or a negative errno. */
struct doing {
    void (*before)(void *arg);
    void (*fn)(void *arg);
    int (*after)(void *arg);
    int kept_max;    /* allocations that the layer has more, or fewer, than before */
    uint64_t each;   /* up to here each k is tried; behind it, or where there is time */
    uint64_t stride; /* one in so many, or in a 32nd of it */
};

/* OpenSSL's lists of what it has looked up: so much may be more than before. */
enum { KEPT_MAX = 8 };

/* Did it come to the k-th allocation? What is kept once is for the next time; always, is lost. */
static bool with_one_failing(const struct doing *doing, void *arg, uint64_t k)
{
    int64_t kept = KEPT_MAX + 1;
    bool refused = true;

    for (int i = 0; i < 4 && kept > KEPT_MAX && refused; i++) {
        int64_t kept_by_layer;
        int result;
        doing->before(arg);
        short_of_memory_at(k);
        doing->fn(arg);
        refused = short_of_memory_end();
        kept = memory_of_tls.kept_ssl;
        kept_by_layer = memory_of_tls.kept;
        result = doing->after(arg);
        if (llabs(kept_by_layer) > doing->kept_max || (!refused && result < 0))
            ck_abort_msg("allocation %d: %d, and the layer keeps %d", (int)k, result,
                         (int)kept_by_layer);
    }
    if (refused && kept > KEPT_MAX)
        ck_abort_msg("allocation %d: %d are not given back", (int)k, (int)kept);
    return refused;
}

static void with_each_failing(const struct doing *doing, void *arg)
{
    uint64_t k = 0, failed = 0;

    for (int i = 0; i < 3; i++) /* what OpenSSL makes once, it has then */
        ck_assert(!with_one_failing(doing, arg, 0));
    do {
        k += k < doing->each ? 1 : test_long() ? 1 + doing->stride / 32 : doing->stride;
    } while (with_one_failing(doing, arg, k) && ++failed);
    ck_assert_int_gt(failed, 50);
    ck_assert(!with_one_failing(doing, arg, 0));
}

/* -- connections ---------------------------------------------------------------------------- */

static void before_talk(void *arg)
{
    talk_begin(arg);
}

static void through_talk(void *arg)
{
    talk_through(arg);
}

static int after_talk(void *arg)
{
    return talk_end(arg);
}

static void with_each_failing_in_talk(bool resumes)
{
    const struct doing all = {before_talk,
                              through_talk,
                              after_talk,
                              resumes ? 1 : 0,
                              /* the session */ 600 /* layers, and the first message */,
                              31};
    struct talk talk;

    talk_open(&talk, resumes);
    with_each_failing(&all, &talk);
    talk_close(&talk);
}

TLS_TEST(connection)
{
    with_each_failing_in_talk(false);
    return 0;
}

TLS_TEST(resumed)
{
    with_each_failing_in_talk(true);
    return 0;
}

/* -- contexts ------------------------------------------------------------------------------- */

static void make_contexts(void *arg)
{
    weft_tls_context *server = NULL, *client = NULL, *other = NULL;
    int error = weft_tls_server_context(&server, CONTEXT(.certificate_file = server_pem,
                                                         .ca_file = ca, .alpn = "h2,http/1.1",
                                                         .clients = WEFT_TLS_CLIENTS_ASKED));

    if (error == 0)
        error = weft_tls_server_context(&other, CONTEXT(.certificate_file = second_pem));
    if (error == 0)
        error = weft_tls_context_add_name(server, "*.second.test", other);
    if (error == 0)
        error =
            weft_tls_client_context(&client, CONTEXT(.ca_file = ca, .certificate_file = client_pem,
                                                     .alpn = "h2"));
    weft_tls_context_put(other);
    weft_tls_context_put(client);
    weft_tls_context_put(server);
    *(int *)arg = error;
}

static void before_contexts(void *arg)
{
    *(int *)arg = 1;
}

static int after_contexts(void *arg)
{
    int error = *(int *)arg;

    ck_assert(error == 0 || error == -ENOMEM || error == -EPROTO);
    return error;
}

TLS_TEST(contexts)
{
    static const struct doing all = {before_contexts, make_contexts, after_contexts, 0, 0, 307};
    int error;

    with_each_failing(&all, &error);
    return 0;
}

TEST_MAIN("tls memory", 300, connection, resumed, contexts)
