/*
 * watches.c - checks: what happens to files, told by inotify(7): records, their order, and ends.
 */
#include "contract.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

#include "ring/host_watch.h"

enum { REQUEST = 100, POLL, MANY = 20000 };

struct watched {
    struct weft__ring *ring;
    const char *folder; /* its path */
    int at, fd, number;
};

/* -- the folder ------------------------------------------------------------------------------- */

static int32_t answer(struct contract *c, const struct watched *w)
{
    return contract_wait(c, w->ring, REQUEST).result;
}

static int32_t make(struct contract *c, const struct watched *w, const char *name)
{
    CONTRACT_ASK(c, w->ring, REQUEST, mkdirat, w->at, name, 0700);
    return answer(c, w);
}

static int32_t unmake(struct contract *c, const struct watched *w, int at, const char *name)
{
    CONTRACT_ASK(c, w->ring, REQUEST, unlinkat, at, name, AT_REMOVEDIR);
    return answer(c, w);
}

static int32_t unlink_file(struct contract *c, const struct watched *w, const char *name)
{
    CONTRACT_ASK(c, w->ring, REQUEST, unlinkat, w->at, name, 0);
    return answer(c, w);
}

static int make_file(struct contract *c, const struct watched *w, const char *name)
{
    struct weft__open_how how = {.flags = O_RDWR | O_CREAT | O_CLOEXEC, .mode = 0600};

    CONTRACT_ASK(c, w->ring, REQUEST, openat2, w->at, name, &how);
    return contract_keep(c, answer(c, w));
}

/* A folder of its own, to be watched. */
static struct watched begin(struct contract *c)
{
    struct weft__open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC};
    struct watched w = {.ring = contract_ring(c, 0, 0), .folder = contract_path("watched")};

    CONTRACT_ASK(c, w.ring, REQUEST, mkdirat, AT_FDCWD, w.folder, 0700);
    contract_need(c, answer(c, &w) == 0, "a folder can be made in /tmp");
    CONTRACT_ASK(c, w.ring, REQUEST, openat2, AT_FDCWD, w.folder, &how);
    w.at = contract_keep(c, answer(c, &w));
    w.fd = contract_keep(c, weft__host_watch_open());
    return w;
}

static void end(struct contract *c, const struct watched *w)
{
    contract_need(c, unmake(c, w, AT_FDCWD, w->folder) == 0, "the folder is empty");
}

static void add(struct contract *c, struct watched *w, uint32_t mask)
{
    w->number = weft__host_watch_add(w->fd, w->folder, mask);
    contract_need(c, w->number > 0, "a folder can be watched");
}

/* -- records ---------------------------------------------------------------------------------- */

static const char *word_of(uint32_t what)
{
    switch (what & ~(uint32_t)IN_ISDIR) {
    case IN_CREATE:
        return "made";
    case IN_DELETE:
        return "removed";
    case IN_MOVED_FROM:
        return "from";
    case IN_MOVED_TO:
        return "to";
    case IN_MODIFY:
        return "changed";
    case IN_DELETE_SELF:
        return "gone itself";
    case IN_IGNORED:
        return "the last";
    case IN_Q_OVERFLOW:
        return "overflow";
    default:
        return "something else";
    }
}

static const struct weft__watch_record *next(const struct weft__watch_record *record)
{
    return (const struct weft__watch_record *)(record->name + record->room);
}

/* Says all that one read gives. */
static void say_read(struct contract *c, const struct watched *w, size_t size)
{
    _Alignas(8) char bytes[4096];
    ssize_t n = weft__host_watch_read(w->fd, bytes, size);
    const struct weft__watch_record *record = (const struct weft__watch_record *)bytes;

    if (n <= 0)
        contract_say_result(c, "read", n);
    while (n > 0 && (const char *)record < bytes + n) {
        contract_say(c, "%s%s%s%s", record->number == w->number ? "" : "another's ",
                     word_of(record->what), record->room ? " " : "",
                     record->room ? record->name : "");
        record = next(record);
    }
}

static void all(struct contract *c, const struct watched *w)
{
    say_read(c, w, 4096);
}

/* -- checks ----------------------------------------------------------------------------------- */

static void in_order(struct contract *c)
{
    struct watched w = begin(c);

    add(c, &w, IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO);
    make(c, &w, "a");
    CONTRACT_ASK(c, w.ring, REQUEST, renameat, w.at, "a", w.at, "b", 0);
    contract_say_result(c, "rename", answer(c, &w));
    unmake(c, &w, w.at, "b");
    all(c, &w);
    all(c, &w);
    end(c, &w);
}

static void a_poll_tells(struct contract *c)
{
    struct watched w = begin(c);

    add(c, &w, IN_CREATE);
    for (const char *name = "a\0b\0"; *name; name += 2) {
        CONTRACT_ASK(c, w.ring, POLL, poll, w.fd, POLLIN, false);
        contract_say(c, "%s", contract_silent(c, w.ring, POLL) ? "waits" : "does not wait");
        make(c, &w, name);
        contract_say(c, "%s", contract_wait(c, w.ring, POLL).result == POLLIN ? "told" : "not so");
        all(c, &w);
        unmake(c, &w, w.at, name);
    }
    end(c, &w);
}

static void whole_records(struct contract *c)
{
    struct watched w = begin(c);

    add(c, &w, IN_CREATE);
    make(c, &w, "a");
    make(c, &w, "b");
    say_read(c, &w, 8);
    say_read(c, &w, sizeof(struct weft__watch_record) + 24); /* names are filled up to 16 */
    all(c, &w);
    unmake(c, &w, w.at, "a");
    unmake(c, &w, w.at, "b");
    end(c, &w);
}

static void the_same_once(struct contract *c)
{
    struct watched w = begin(c);
    int fd = make_file(c, &w, "a");

    add(c, &w, IN_MODIFY);
    for (int i = 0; i < 3; i++)
        weft__host_ftruncate(fd, i);
    all(c, &w);
    weft__host_ftruncate(fd, 9);
    all(c, &w);
    unlink_file(c, &w, "a");
    end(c, &w);
}

static void removed(struct contract *c)
{
    struct watched w = begin(c);
    int before;

    add(c, &w, IN_CREATE);
    make(c, &w, "a");
    contract_say_result(c, "remove", weft__host_watch_remove(w.fd, w.number));
    contract_say_result(c, "again", weft__host_watch_remove(w.fd, w.number));
    unmake(c, &w, w.at, "a");
    make(c, &w, "a");
    all(c, &w);
    before = w.number;
    add(c, &w, IN_CREATE);
    contract_say(c, "%s", w.number > before ? "a new number" : "a number given before");
    unmake(c, &w, w.at, "a");
    end(c, &w);
}

static void what_is_watched_goes(struct contract *c)
{
    struct watched w = begin(c);

    add(c, &w, IN_CREATE | IN_DELETE_SELF);
    contract_drop(c, w.at);
    end(c, &w);
    all(c, &w);
    contract_say_result(c, "remove", weft__host_watch_remove(w.fd, w.number));
}

static void adding(struct contract *c)
{
    struct watched w = begin(c);
    char path[96];

    add(c, &w, IN_CREATE);
    contract_say_result(c, "twice", weft__host_watch_add(w.fd, w.folder, IN_DELETE));
    snprintf(path, sizeof path, "%s/a", w.folder);
    contract_say_result(c, "none", weft__host_watch_add(w.fd, path, IN_CREATE));
    make_file(c, &w, "a");
    contract_say_result(c, "a file", weft__host_watch_add(w.fd, path, IN_CREATE | IN_ONLYDIR));
    strcat(path, "/b");
    contract_say_result(c, "below it", weft__host_watch_add(w.fd, path, IN_CREATE));
    all(c, &w);
    unlink_file(c, &w, "a");
    end(c, &w);
}

static void a_name_that_is_gone(struct contract *c)
{
    struct watched w = begin(c);
    int fd = make_file(c, &w, "a");

    add(c, &w, IN_MODIFY | IN_DELETE);
    unlink_file(c, &w, "a");
    CONTRACT_ASK(c, w.ring, REQUEST, write, fd, "x", 1, 0);
    contract_say_result(c, "write", answer(c, &w));
    all(c, &w);
    weft__host_ftruncate(fd, 9);
    all(c, &w);
    end(c, &w);
}

/* How many were read before the one that says it, or all; *last: what the last one was. */
static unsigned read_up(const struct watched *w, uint32_t *last, bool *is_mine)
{
    _Alignas(8) char bytes[4096];
    unsigned count = 0;
    ssize_t n;

    while ((n = weft__host_watch_read(w->fd, bytes, sizeof bytes)) > 0)
        for (const char *at = bytes; at < bytes + n; count++) {
            const struct weft__watch_record *record = (const struct weft__watch_record *)at;
            *last = record->what;
            *is_mine = record->number == w->number;
            at = (const char *)next(record);
        }
    return count;
}

static void more_than_is_kept(struct contract *c)
{
    struct watched w = begin(c);
    int fds[2] = {make_file(c, &w, "a"), make_file(c, &w, "b")};
    uint32_t last = 0;
    bool is_mine = true;
    unsigned count;

    add(c, &w, IN_MODIFY);
    for (int i = 0; i < MANY && !c->trouble[0]; i++)
        weft__host_ftruncate(fds[i % 2], 0);
    count = read_up(&w, &last, &is_mine);
    if (count == MANY) /* this machine keeps more */
        contract_say(c, "all kept");
    else
        contract_say(c, "%s at the end, %s", word_of(last), is_mine ? "ours" : "of none");
    weft__host_ftruncate(fds[0], 0);
    all(c, &w);
    unlink_file(c, &w, "a");
    unlink_file(c, &w, "b");
    end(c, &w);
}

#define WATCH "src/io/file_watch.c"

const struct contract_check contract_watching[] = {
    {"watch/in-order",
     "What happened is told in its order, once, and then nothing.",
     WATCH ", tell",
     in_order,
     0,
     {ANSWER("rename 0, made a, from a, to b, removed b, read 0")}},
    {"watch/a-poll-tells",
     "A poll waits while there is nothing to read, and ends when there is.",
     WATCH ", next",
     a_poll_tells,
     0,
     {ANSWER("waits, told, made a, waits, told, made b")}},
    {"watch/whole-records",
     "A read gives whole records; what does not fit stays for the next.",
     WATCH ", read_more",
     whole_records,
     0,
     {ANSWER("read -EINVAL, made a, made b")}},
    {"watch/the-same-once",
     "What happens twice in a row is one record while nobody has read it.",
     "include/weft/watch.h",
     the_same_once,
     0,
     {ANSWER("changed a, changed a")}},
    {"watch/removed",
     "Removing tells what came before, then that it was the last; its number is not given again.",
     WATCH ", weft_watch_remove",
     removed,
     0,
     {ANSWER("remove 0, again -EINVAL, made a, the last, a new number")}},
    {"watch/what-is-watched-goes",
     "So it does when what is watched has gone, and then there is nothing to remove.",
     "include/weft/watch.h",
     what_is_watched_goes,
     0,
     {ANSWER("gone itself, the last, remove -EINVAL")}},
    {"watch/adding",
     "What is watched already is not changed, and a path says what is wrong with it.",
     "src/ring/host_watch.c",
     adding,
     0,
     {ANSWER("twice -EEXIST, none -ENOENT, a file -ENOTDIR, below it -ENOTDIR, made a")}},
    {"watch/a-name-that-is-gone",
     "What is written to a file is not told through a name that it has not any more.",
     "include/weft/watch.h",
     a_name_that_is_gone,
     0,
     {ANSWER("write 1, removed a, changed a", .whose = CONTRACT_REAL),
      ANSWER("write 1, removed a, read 0", .whose = CONTRACT_SIMULATED)}},
    {"watch/more-than-is-kept",
     "What is lost for want of room is told in its place, and it goes on from there.",
     "include/weft/watch.h",
     more_than_is_kept,
     0,
     {ANSWER("overflow at the end, of none, changed a"), ANSWER("all kept, changed a")}},
    {0},
};
