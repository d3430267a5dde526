/* request: which request a line of the log belongs to, without an argument that says so. */
#include "../tutorials/seconds.h"

static const weft_context_var request = WEFT_CONTEXT_VAR("request", "nobody");

static void note(const char *what)
{
    printf("[%s] %s\n", (const char *)weft_context_get(&request), what);
}

static int query(void *arg)
{
    (void)arg;
    int error = weft_sleep(seconds(0.1));
    note("has its rows");
    return error;
}

static int serve(void *arg)
{
    int error = weft_context_set(&request, arg, NULL);

    if (error < 0)
        return error;
    note("came");
    WEFT_SCOPE(s)
        error = weft_spawn(&s, query, NULL, 0, NULL); /* inherits it */
    note("is answered");
    return error;
}

static int work(void *arg)
{
    int error = 0;

    (void)arg;
    WEFT_SCOPE(server) {
        error = weft_spawn(&server, serve, "anna", 0, NULL);
        if (error == 0)
            error = weft_spawn(&server, serve, "bert", 0, NULL);
    }
    note("is left");
    return error;
}

int main(void)
{
    return run(work);
}
