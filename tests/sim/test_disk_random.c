/*
 * Random calls on random names, the same on the simulated disk and on the machine's own: each must
 * answer alike, and what is there afterwards must be the same. So the simulated disk is held to
 * what Linux does, and not to what we believe it does. Catches an errno chosen by guess, a link
 * counted wrongly, a rename that loses a file, bytes where a hole should be.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "simulate.h"

#define same(a, b) ck_model((a) == (b))

enum { STEPS = 400, OPEN = 6, SEEDS = 25 };

static const char *const names[] = {"a",      "b",   "d",   "d/a",    "d/b", "d/e", "d/e/a",
                                    "l",      "l/a", "./b", "d/../a", "d/",  "a/",  "d/e/..",
                                    "none/a", ".",   "",    "d/e/",   "b/x"};
enum { NAMES = sizeof names / sizeof names[0] };

static uint64_t state;
static int here, there;                     /* the folders: simulated, the machine's */
static int fds_here[OPEN], fds_there[OPEN]; /* -1: none; opened alike */
static uint32_t succeeded;
static bool has_xattrs; /* the machine's folder */

static uint64_t draw(uint64_t count)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % count;
}

static int64_t real(int64_t result)
{
    return result < 0 ? -errno : result;
}

/* The two answers, for the report of a difference. */
static void agree(const char *what, const char *name, int64_t simulated, int64_t linux_says)
{
    if (simulated != linux_says)
        fprintf(stderr, "%s %s: simulated %lld, Linux %lld\n", what, name, (long long)simulated,
                (long long)linux_says);
    ck_model(simulated == linux_says);
    succeeded += simulated >= 0;
}

static const char *any_name(void)
{
    return names[draw(NAMES)];
}

static void do_open(void)
{
    static const int more[] = {0,          O_CREAT,           O_CREAT | O_EXCL,
                               O_TRUNC,    O_CREAT | O_TRUNC, O_DIRECTORY,
                               O_NOFOLLOW, O_APPEND,          O_CREAT | O_APPEND};
    static const int ways[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDWR};
    int flags = more[draw(9)] | ways[draw(4)], at = (int)draw(OPEN);
    const char *name = any_name();
    int64_t a, b;

    if (fds_here[at] >= 0) {
        agree("close", "", weft_close(fds_here[at]), real(close(fds_there[at])));
        fds_here[at] = fds_there[at] = -1;
    }
    a = weft_openat(here, name, flags, 0644);
    b = real(openat(there, name, flags | O_CLOEXEC, 0644));
    agree("open", name, a < 0 ? a : 0, b < 0 ? b : 0);
    fds_here[at] = (int)(a < 0 ? -1 : a);
    fds_there[at] = (int)(b < 0 ? -1 : b);
}

/* Linux gives up a path with "..", and says -EAGAIN, when anybody on the machine moves something
   while it is followed: openat2(2). */
static int64_t really_open_within(const char *name, struct open_how *how)
{
    int64_t result;

    do
        result = real(syscall(SYS_openat2, there, name, how, sizeof *how));
    while (result == -EAGAIN);
    return result;
}

/* Below a directory, or with it for a root: what the paths lead to is ours, wherever they go. */
static void do_open_within(void)
{
    static const uint64_t ways[] = {RESOLVE_BENEATH, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
                                    RESOLVE_IN_ROOT, RESOLVE_IN_ROOT | RESOLVE_NO_XDEV,
                                    RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS};
    static const char *const more[] = {"..", "/", "/a", "../d/b", "d/../../a", "/d/e/../../.."};
    struct open_how how = {.flags = draw(4) ? O_RDONLY : O_RDONLY | O_NOFOLLOW | O_PATH,
                           .resolve = ways[draw(5)]};
    const char *name = draw(2) ? any_name() : more[draw(6)];
    int64_t a = weft_openat2(here, name, &how, sizeof how);
    int64_t b = really_open_within(name, &how);

    agree("openat2", name, a < 0 ? a : 0, b < 0 ? b : 0);
    if (a >= 0) {
        same(weft_close((int)a), 0);
        same(close((int)b), 0);
    }
}

static void do_write(int at)
{
    char bytes[6000];
    size_t size = draw(sizeof bytes);
    off_t offset = (off_t)draw(20000);
    bool positioned = draw(2);

    memset(bytes, 'A' + (int)draw(26), sizeof bytes);
    agree("write", "",
          positioned ? weft_pwrite(fds_here[at], bytes, size, offset)
                     : weft_write(fds_here[at], bytes, size),
          real(positioned ? pwrite(fds_there[at], bytes, size, offset)
                          : write(fds_there[at], bytes, size)));
}

static void do_read(int at)
{
    char one[6000], other[6000];
    size_t size = draw(sizeof one);
    off_t offset = (off_t)draw(20000);
    bool positioned = draw(2);
    int64_t a = positioned ? weft_pread(fds_here[at], one, size, offset)
                           : weft_read(fds_here[at], one, size);
    int64_t b = real(positioned ? pread(fds_there[at], other, size, offset)
                                : read(fds_there[at], other, size));

    agree("read", "", a, b);
    if (a > 0)
        ck_model(memcmp(one, other, (size_t)a) == 0);
}

static void do_cut(int at)
{
    off_t size = (off_t)draw(20000);

    agree("ftruncate", "", weft_ftruncate(fds_here[at], size),
          real(ftruncate(fds_there[at], size)));
}

static void do_sync(int at)
{
    agree("fsync", "", weft_fsync(fds_here[at]), real(fsync(fds_there[at])));
}

static void do_xattr(int at)
{
    static const char *const keys[] = {"user.a", "user.a", "user.b", "user.", "user", "x", ""};
    static const int flags[] = {0, 0, XATTR_CREATE, XATTR_REPLACE, XATTR_CREATE | XATTR_REPLACE, 4};
    const char *key = keys[draw(7)];
    char one[8] = "", other[8] = "";
    size_t size = draw(8);
    int flag = flags[draw(6)];

    if (!has_xattrs)
        return;
    if (draw(2)) {
        agree("fsetxattr", key, weft_fsetxattr(fds_here[at], key, "01234567", size, flag),
              real(fsetxattr(fds_there[at], key, "01234567", size, flag)));
        return;
    }
    agree("fgetxattr", key, weft_fgetxattr(fds_here[at], key, one, size),
          real(fgetxattr(fds_there[at], key, other, size)));
    ck_model(memcmp(one, other, sizeof one) == 0);
}

static void do_rename(void)
{
    static const unsigned flags[] = {0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};
    unsigned flag = flags[draw(5)];
    const char *from = any_name(), *to = any_name();
    char both[64];

    snprintf(both, sizeof both, "'%s' '%s' %u", from, to, flag);
    agree("rename", both, weft_renameat2(here, from, here, to, flag),
          real(renameat2(there, from, there, to, flag)));
}

static void do_link(void)
{
    const char *from = any_name(), *to = any_name();
    char both[64];

    snprintf(both, sizeof both, "'%s' '%s'", from, to);
    agree("link", both, weft_linkat(here, from, here, to, 0),
          real(linkat(there, from, there, to, 0)));
}

static void do_name(void)
{
    const char *name = any_name();

    switch (draw(5)) {
    case 0:
    case 1:
        agree("mkdir", name, weft_mkdirat(here, name, 0755), real(mkdirat(there, name, 0755)));
        break;
    case 2:
        agree("rmdir", name, weft_unlinkat(here, name, AT_REMOVEDIR),
              real(unlinkat(there, name, AT_REMOVEDIR)));
        break;
    default:
        agree("unlink", name, weft_unlinkat(here, name, 0), real(unlinkat(there, name, 0)));
    }
}

static void do_symlink(void)
{
    static const char *const targets[] = {"d", "a", "d/e"};
    const char *name = any_name(), *target = targets[draw(3)];

    agree("symlink", name, weft_symlinkat(target, here, name),
          real(symlinkat(target, there, name)));
}

static void do_stat(void)
{
    const char *name = any_name();
    int flags = draw(2) ? AT_SYMLINK_NOFOLLOW : 0;
    struct statx one = {.stx_size = 0}, other = {.stx_size = 0};
    unsigned mask = STATX_SIZE | STATX_TYPE | STATX_NLINK;

    agree("statx", name, weft_statx(here, name, flags, mask, &one),
          real(statx(there, name, flags, mask, &other)));
    agree("its kind", name, one.stx_mode & S_IFMT, other.stx_mode & S_IFMT);
    if (S_ISREG(one.stx_mode) || S_ISLNK(one.stx_mode)) { /* of folders each has its own idea */
        agree("its size", name, (int64_t)one.stx_size, (int64_t)other.stx_size);
        agree("its links", name, one.stx_nlink, other.stx_nlink);
    }
}

static void do_anything(void)
{
    int at = (int)draw(OPEN);

    switch (draw(10)) {
    case 0:
    case 1:
        do_open();
        break;
    case 2:
        do_name();
        break;
    case 3:
        do_rename();
        break;
    case 4:
        do_link();
        break;
    case 5:
        do_symlink();
        break;
    case 6:
        if (draw(2))
            do_stat();
        else
            do_open_within();
        break;
    default:
        if (fds_here[at] < 0)
            break;
        switch (draw(6)) {
        case 5:
            do_xattr(at);
            break;
        case 0:
        case 1:
            do_write(at);
            break;
        case 2:
            do_read(at);
            break;
        case 3:
            do_cut(at);
            break;
        default:
            do_sync(at);
        }
    }
}

static int both(void *arg)
{
    char folder[] = "/tmp/weft-disk-random.XXXXXX", command[64];

    (void)arg;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    there = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ok(there);
    has_xattrs = fsetxattr(there, "user.none", "", 0, 0) == 0;
    same(weft_mkdirat(AT_FDCWD, "/tmp/both", 0755), 0);
    here = weft_open("/tmp/both", O_RDONLY | O_DIRECTORY, 0);
    ok(here);
    for (int i = 0; i < OPEN; i++)
        fds_here[i] = fds_there[i] = -1;
    for (int i = 0; i < STEPS; i++)
        do_anything();
    for (int i = 0; i < OPEN; i++)
        if (fds_here[i] >= 0) {
            same(weft_close(fds_here[i]), 0);
            same(close(fds_there[i]), 0);
        }
    same(close(there), 0);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    same(system(command), 0);
    return weft_close(here);
}

TEST(the_disk_answers_as_linux_does)
{
    for (uint64_t seed = 1; seed <= (test_long() ? 40 : 1) * SEEDS; seed++) {
        struct world world = {.seed = seed, .plan = "calm disk.size=1000000000", .task = both};

        state = seed * UINT64_C(0x9e3779b97f4a7c15);
        same(world_run(&world), 0);
    }
    ck_assert_uint_gt(succeeded, 1000);
}

TEST_MAIN("disk, random", 120, the_disk_answers_as_linux_does)
