/*
 * weft/watch.h - what happens to files and directories, as inotify(7) has it.
 *
 *     weft_watch *watch;
 *     struct weft_watch_event event;
 *     int error = weft_watch_open(&watch);                       // and then, errors left out:
 *     int conf = weft_watch_add(watch, "/etc/app", WEFT_WATCH_MOVED_TO | WEFT_WATCH_CLOSED_WRITE);
 *     while (weft_watch_next(watch, &event, WEFT_IDLE) == 0)
 *         if (event.what & WEFT_WATCH_OVERFLOW || strcmp(event.name, "app.conf") == 0)
 *             reload();
 *     weft_watch_close(watch);
 *
 * Of a directory that is watched one is told what happens to the names in it and to the files
 * behind them, of a file what happens to that file; not of what lies deeper. Told is what was done,
 * in the order in which it was done; the same thing twice in a row, and not taken yet, is told
 * once, and what one call did may be told twice. What is written to a file whose name is gone is
 * not told, though that it was cut may be; when its last user closes it, that is (DELETED_SELF).
 *
 * A watch belongs to the reactor it was opened on: -EXDEV elsewhere. Every call may answer -EPERM
 * outside of a reactor. One never closed is closed when the run ends. If its descriptor was closed
 * by close(2), and weft saw that or has the number again, every call answers -EBADF,
 * weft_watch_close too, which then closes nothing and frees the watch.
 */
#ifndef WEFT_WATCH_H
#define WEFT_WATCH_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

typedef struct weft_watch weft_watch;

enum weft_watch_what {
    /* what may be asked for; told with the name where a directory is watched */
    WEFT_WATCH_MODIFIED = 0x2,     /* written to, cut or grown */
    WEFT_WATCH_ATTRIBUTES = 0x4,   /* mode, owner, times, number of links, extended attributes */
    WEFT_WATCH_CLOSED_WRITE = 0x8, /* closed, by who could write to it */
    WEFT_WATCH_MOVED_FROM = 0x40,  /* the two halves of a rename have the same cookie; */
    WEFT_WATCH_MOVED_TO = 0x80,    /* only one is told if the other is in no watched directory */
    WEFT_WATCH_CREATED = 0x100,
    WEFT_WATCH_DELETED = 0x200,
    WEFT_WATCH_DELETED_SELF = 0x400, /* what is watched is gone; IGNORED follows */
    WEFT_WATCH_MOVED_SELF = 0x800,
    WEFT_WATCH_ALL = 0xfce,
    /* how to add */
    WEFT_WATCH_ONLY_DIRECTORY = 0x01000000, /* else -ENOTDIR */
    WEFT_WATCH_NO_FOLLOW = 0x02000000,      /* a symbolic link itself */
    /* told without being asked for */
    WEFT_WATCH_UNMOUNTED = 0x2000,
    WEFT_WATCH_OVERFLOW = 0x4000, /* some of what happened will not be told: look for yourself */
    WEFT_WATCH_IGNORED = 0x8000,  /* the last of this number: removed, or what it watched is */
    WEFT_WATCH_DIRECTORY = 0x40000000, /* beside another: it happened to a directory */
};

struct weft_watch_event {
    int number;      /* that weft_watch_add gave; -1: OVERFLOW */
    uint32_t what;   /* enum weft_watch_what */
    uint32_t cookie; /* of a rename; else 0 */
    char name[256];  /* in the directory that is watched; "": what is watched itself */
};

/*
 * Returns 0 and *watch, which watches nothing yet; -EINVAL NULL; -EMFILE, -ENFILE, -ENOMEM. Does
 * not suspend.
 */
WEFT_API WEFT_NODISCARD int weft_watch_open(weft_watch **watch);

/*
 * Watches a file or directory from now on: what it is, not its name. mask: enum weft_watch_what,
 * or'ed, of the first two kinds. The path is looked up by a thread of weft's, as there is no
 * request for it (weft/file.h), and the caller waits for that in any case.
 *
 * Returns its number, > 0, which no other has until the watch is closed; -EEXIST it is watched
 * already, by this or another name; -EINVAL nothing is asked for, or what there is not, or NULL;
 * -ENOENT, -ENOTDIR, -ELOOP, -ENAMETOOLONG, -EACCES of the path; -ENOSPC more than the user may
 * watch (fs.inotify.max_user_watches); -ENOMEM; -ECANCELED nothing was done, also when another task
 * closes the watch.
 */
WEFT_API int weft_watch_add(weft_watch *watch, const char *path, uint32_t mask) WEFT_SUSPENDS;

/*
 * Watches it no more. What happened before is told still, then IGNORED. 0; -EINVAL no such number,
 * or it is gone already. Does not suspend.
 */
WEFT_API int weft_watch_remove(weft_watch *watch, int number);

/*
 * The next thing that happened, into *event (NULL: it is dropped). Any number of tasks may wait,
 * each is told another one, who came first the first. flags: 0, or WEFT_IDLE for a wait that a
 * drain ends, if all who wait say so.
 *
 * The kernel keeps what nobody takes, up to fs.inotify.max_queued_events (16,384) of them; what is
 * lost beyond is told, in its place, by OVERFLOW.
 *
 * Returns 0; -ECANCELED, and then nothing was taken, also when another task closes the watch;
 * -ESHUTDOWN; -EINVAL; -EBADF; -EIO the machine lost its power (weft/sim.h).
 */
WEFT_API int weft_watch_next(weft_watch *watch, struct weft_watch_event *event,
                             int flags) WEFT_SUSPENDS;

/* Ends the waiting of all others, and what was not taken is dropped. NULL does nothing. 0;
   -EALREADY another task closes it; -EBADF, and only the watch is gone. */
WEFT_API int weft_watch_close(weft_watch *watch) WEFT_SUSPENDS;

WEFT_END_DECLS

#endif
