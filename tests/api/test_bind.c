/*
 * Addresses that are paths: a thread binds them, while the task waits. Would catch a bind whose
 * result is lost when it is cancelled meanwhile, a deadline or a close that does not wait for it, a
 * file that is left behind by a socket nobody gets, and an error that is told as another one.
 */
#include <sys/stat.h>

#include "support/net.h"

#include "sync.h"

static char text[64];               /* "unix:/path", of the case's own file */
static const char *path = text + 5; /* the path of it */
static struct sockaddr_un there;    /* it as an address */
static const socklen_t there_length = sizeof there;

static void name(const char *where)
{
    snprintf(text, sizeof text, "unix:%s-%d", where, (int)getpid());
    there = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(there.sun_path, sizeof there.sun_path, "%s", path);
}

/* Runs it as the main task, with a path that nothing is at; and there is nothing afterwards. */
static void run(weft_task_fn fn)
{
    name("/tmp/weft-bind");
    net_run(fn);
    is(unlink(path), -1);
}

static int bind_it(int fd)
{
    return weft_bind(fd, (struct sockaddr *)&there, there_length);
}

static int unix_socket(int type)
{
    int fd = weft_socket(AF_UNIX, type, 0);

    ok(fd);
    return fd;
}

/* Whether there is a file: who connects to one that nobody listens on is refused. */
static bool is_left(void)
{
    int error = weft_connect_tcp(text, NULL);

    ck_assert(error == -ENOENT || error == -ECONNREFUSED);
    return error == -ECONNREFUSED;
}

/* -- what it says ------------------------------------------------------------------------------ */

static int main_in_use(void *arg)
{
    int first = unix_socket(SOCK_STREAM), second = unix_socket(SOCK_STREAM), taken;

    (void)arg;
    is(bind_it(first), 0);
    is(bind_it(first), -EADDRINUSE); /* by itself: the file is looked at first */
    is(bind_it(second), -EADDRINUSE);
    is(weft_datagram_socket(text, NULL, NULL), -EADDRINUSE);
    is(weft_listen(first, 5), 0);
    taken = weft_connect_tcp(text, NULL);
    ok(taken);
    is(unlink(path), 0);
    is(bind_it(first), -EINVAL); /* it has an address */
    is(bind_it(second), 0);
    is(unlink(path), 0);
    is(weft_close(taken), 0);
    is(weft_close(first), 0);
    is(weft_close(second), 0);
    is(bind_it(second), -EBADF);
    return 0;
}
TEST(in_use)
{
    run(main_in_use);
}

static int main_too_long(void *arg)
{
    char longest[200] = "unix:/";
    struct sockaddr_storage address = {.ss_family = AF_UNIX};
    int fd = unix_socket(SOCK_STREAM);
    weft_server *server;

    (void)arg;
    memset(longest + 6, 'x', sizeof longest - 7);
    is(weft_listen_tcp(longest, NULL), -ENAMETOOLONG);
    is(weft_datagram_socket(longest, NULL, NULL), -ENAMETOOLONG);
    is(weft_start_unix_server(&server, longest + 5, (weft_connection_fn)(void *)main_too_long, NULL,
                              NULL),
       -ENAMETOOLONG);
    memcpy(&address, &there, sizeof there);
    is(weft_bind(fd, (struct sockaddr *)&address, sizeof address), -EINVAL);
    is(weft_bind(fd, NULL, 0), -EFAULT);
    return weft_close(fd);
}
TEST(too_long)
{
    run(main_too_long);
}

/* Every way to a path says it, and none goes on without the file. */
static void all_say(int error)
{
    int fd = unix_socket(SOCK_STREAM);
    weft_server *server;

    is(bind_it(fd), error);
    is(weft_listen_tcp(text, NULL), error);
    is(weft_datagram_socket(text, NULL, NULL), error);
    is(weft_start_unix_server(&server, path, (weft_connection_fn)(void *)main_too_long, NULL, NULL),
       error);
    is(weft_close(fd), 0);
}

static int main_no_folder(void *arg)
{
    (void)arg;
    name("/nowhere/at/all");
    all_say(-ENOENT);
    name("/dev/null/x");
    all_say(-ENOTDIR);
    return 0;
}
TEST(no_folder)
{
    net_run(main_no_folder);
}

static int main_forbidden(void *arg)
{
    (void)arg;
    all_say(-EACCES);
    return 0;
}
/* A folder of the case's own; the path is in it. */
static char folder[] = "/tmp/weft-bind-XXXXXX";

static void name_in_a_folder(void)
{
    char inside[sizeof folder + 2];

    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(inside, sizeof inside, "%s/x", folder);
    name(inside);
}

/* As nobody, who may do less than root; and root again. */
static void as_nobody(weft_task_fn fn)
{
    if (geteuid() == 0) {
        ok(setegid(65534));
        ok(seteuid(65534));
    }
    net_run(fn);
    ok(seteuid(getuid()));
}

TEST(forbidden)
{
    name_in_a_folder();
    is(chmod(folder, 0500), 0);
    if (geteuid() == 0)
        ok(chown(folder, 65534, 65534));
    as_nobody(main_forbidden);
    ok(rmdir(folder));
}

static int main_not_ours(void *arg)
{
    (void)arg;
    is(weft_listen_tcp(text, NULL), -EADDRINUSE);
    return 0;
}

/* A stale file that may not be removed is in the way, and stays. */
TEST(stale_and_not_ours)
{
    if (geteuid() != 0) /* nobody else can make a file of another's */
        return;
    name_in_a_folder();
    is(chmod(folder, 01777), 0);
    is(mknod(path, S_IFSOCK, 0), 0);
    is(chmod(path, 0777), 0);
    as_nobody(main_not_ours);
    is(unlink(path), 0);
    ok(rmdir(folder));
}

static bool somebody_ran;

static int runs(void *arg)
{
    (void)arg;
    somebody_ran = true;
    return 0;
}

/* An address that is no path is bound as ever: the task goes on. */
static int main_no_path(void *arg)
{
    struct sockaddr_in address = net_loopback(0);
    int tcp = weft_socket(AF_INET, SOCK_STREAM, 0), local = unix_socket(SOCK_STREAM);

    (void)arg;
    ok(tcp);
    WEFT_SCOPE(s) {
        is(weft_spawn(&s, runs, NULL, 0, NULL), 0);
        is(weft_bind(tcp, (struct sockaddr *)&address, sizeof address), 0);
        is(weft_bind(local, (struct sockaddr *)&(struct sockaddr_un){.sun_family = AF_UNIX},
                     sizeof(sa_family_t)),
           0); /* a name of the kernel's choice */
        ck_assert(!somebody_ran);
        is(bind_it(tcp), -EAFNOSUPPORT); /* a path is not for every socket */
    }
    is(weft_close(tcp), 0);
    return weft_close(local);
}
TEST(no_path)
{
    run(main_no_path);
}

/* -- by many ----------------------------------------------------------------------------------- */

enum { MANY = 12 }; /* more than there are threads */

static int binds_one(void *arg)
{
    struct sockaddr_un address = there;
    int fd = unix_socket(SOCK_DGRAM), own = weft_datagram_socket("127.0.0.1:0", NULL, NULL);

    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/weft-bind-%d-%d", (int)getpid(),
             *(int *)arg);
    is(weft_bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    is(unlink(address.sun_path), 0);
    is(weft_close(own), 0);
    return weft_close(fd);
}

static int main_many(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s)
        for (int i = 0; i < MANY; i++)
            is(weft_spawn(&s, binds_one, &i, sizeof i, NULL), 0);
    return 0;
}
TEST(by_many)
{
    run(main_many);
}

/* -- cancelled --------------------------------------------------------------------------------- */

static int main_before(void *arg)
{
    struct sockaddr_in address = net_loopback(0);
    int fd = unix_socket(SOCK_STREAM), tcp = weft_socket(AF_INET, SOCK_STREAM, 0);
    weft_server *server;

    (void)arg;
    is(weft_cancel(weft_current_task()), 1);
    is(bind_it(fd), -ECANCELED);
    is(weft_bind(tcp, (struct sockaddr *)&address, sizeof address), -ECANCELED);
    is(weft_listen_tcp(text, NULL), -ECANCELED);
    is(weft_datagram_socket(text, NULL, NULL), -ECANCELED);
    is(weft_start_unix_server(&server, path, (weft_connection_fn)(void *)runs, NULL, NULL),
       -ECANCELED);
    is(weft_uncancel(), 0);
    ck_assert(!is_left());
    is(weft_close(tcp), 0);
    return weft_close(fd);
}
TEST(cancelled_before)
{
    run(main_before);
}

static weft_scope the_scope; /* around the call */

/* How it is ended while the thread binds. */
static void by_cancel(weft_task task)
{
    is(weft_cancel(task), 1);
}
static void by_deadline(weft_task task)
{
    (void)task;
    is(weft_scope_reschedule(&the_scope, 1), 0);
}

static struct {
    int (*call)(void);
    int result, edge; /* of the call, and of the scope around it */
} now;

static int calls(void *arg)
{
    (void)arg;
    is(weft_scope_open(&the_scope, NULL), 0);
    now.result = now.call();
    is(weft_sleep(HOUR), -ECANCELED); /* it is met here */
    now.edge = weft_scope_close(&the_scope);
    return 0;
}

/* Ends it as soon as it has its thread. False: the thread had done it by then. */
static bool try_during(void (*end)(weft_task task))
{
    bool caught = false;

    WEFT_SCOPE(s) {
        weft_task task = sync_start(&s, calls, 0);
        while (!caught && strcmp(sync_waits_for(task), "sleep") != 0) {
            is(weft_yield(), 0);
            caught = strcmp(sync_waits_for(task), "bind") == 0;
        }
        end(task);
        is(sync_result(task), 0);
    }
    return caught;
}

static void undo(void)
{
    if (now.result > 0)
        is(weft_close(now.result), 0);
    (void)unlink(path);
}

/* The call, ended while it binds. */
static void during(int (*call)(void), void (*end)(weft_task task))
{
    now.call = call;
    while (!try_during(end))
        undo();
    is(now.edge, end == by_cancel ? -ECANCELED : -ETIMEDOUT);
}

static int binds(void)
{
    int fd = unix_socket(SOCK_STREAM), error = bind_it(fd);

    if (error == 0)
        return fd;
    is(weft_close(fd), 0);
    return error;
}
static int listens(void)
{
    return weft_listen_tcp(text, NULL);
}
static int receives(void)
{
    return weft_datagram_socket(text, NULL, NULL);
}
static int receives_and_connects(void)
{
    return weft_datagram_socket(text, text, NULL);
}

/* What the thread did is said, and the socket is the caller's. */
static void said(void (*end)(weft_task task))
{
    int fd;

    during(binds, end);
    ok(now.result);
    ck_assert(is_left());
    undo();
    during(listens, end);
    ok(now.result);
    fd = weft_connect_tcp(text, NULL);
    ok(fd);
    is(weft_close(fd), 0);
    undo();
    during(receives, end);
    ok(now.result);
    is(weft_connect_tcp(text, NULL), -EPROTOTYPE);
    undo();
}

/* A socket that nobody gets leaves no file. */
static void undone(void (*end)(weft_task task))
{
    during(receives_and_connects, end);
    is(now.result, -ECANCELED);
    ck_assert(!is_left());
}

static int main_during(void *arg)
{
    void (*const ends[])(weft_task) = {by_cancel, by_deadline};

    (void)arg;
    for (int i = 0; i < 2; i++) {
        said(ends[i]);
        undone(ends[i]);
    }
    return 0;
}
TEST(cancelled_meanwhile)
{
    run(main_during);
}

/* -- closed ------------------------------------------------------------------------------------ */

static int the_fd;

static int binds_the_fd(void *arg)
{
    (void)arg;
    now.result = bind_it(the_fd);
    return 0;
}

/* Closes it as soon as a thread binds it: after that, and so the number is still the socket's. */
static bool try_closing(void)
{
    bool caught = false;

    the_fd = unix_socket(SOCK_STREAM);
    WEFT_SCOPE(s) {
        weft_task task = sync_start(&s, binds_the_fd, 0);
        while (!caught && strcmp(sync_waits_for(task), "nothing") != 0) {
            is(weft_yield(), 0);
            caught = strcmp(sync_waits_for(task), "bind") == 0;
        }
        now.result = 1;
        is(weft_close(the_fd), 0);
        if (caught)
            is(now.result, 0);
        ck_assert(is_left());
        is(unlink(path), 0);
    }
    return caught;
}

static int main_closed(void *arg)
{
    (void)arg;
    while (!try_closing())
        ;
    return 0;
}
TEST(closed_meanwhile)
{
    run(main_closed);
}

/* -- not to be had ------------------------------------------------------------------------------
 */

static int main_alone(void *arg)
{
    (void)arg;
    is(weft_datagram_socket(text, "unix:/nowhere/at/all", NULL), -ENOENT);
    ck_assert(!is_left());
    return 0;
}
TEST(nobody_to_connect_to)
{
    run(main_alone);
}

static int called;

static void in_a_callback(void *arg)
{
    (void)arg;
    called = bind_it(the_fd);
}

/* It may wait, so it is refused where nothing may. */
static int main_no_waiting(void *arg)
{
    (void)arg;
    the_fd = unix_socket(SOCK_STREAM);
    is(weft_call_soon(in_a_callback, NULL, NULL), 0);
    while (called == 0)
        is(weft_sleep(1000), 0);
    is(called, -EPERM);
    WEFT_NO_SUSPEND
        is(bind_it(the_fd), -EPERM);
    ck_assert(!is_left());
    return weft_close(the_fd);
}
TEST(where_nothing_may_wait)
{
    run(main_no_waiting);
}

TEST_MAIN("bind", 60, in_use, too_long, no_folder, forbidden, stale_and_not_ours, no_path, by_many,
          cancelled_before, cancelled_meanwhile, closed_meanwhile, nobody_to_connect_to,
          where_nothing_may_wait)
