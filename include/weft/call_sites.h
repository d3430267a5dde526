/*
 * weft/call_sites.h - debug builds of a program: which call, in which line, is being made.
 *
 * Made from the other headers by `tools/tidy --fix sites`; not to be edited. <weft/weft.h> has it
 * last. Where WEFT_DEBUG is defined, each call that can be a mistake (weft/misuse.h) goes through a
 * function of its own, which notes the place, calls, and puts back the place noted before; the
 * arguments have been evaluated by then. A name without a parenthesis behind it, or in parentheses
 * itself, is the library's function as ever: its address can be taken.
 */
#ifndef WEFT_CALL_SITES_H
#define WEFT_CALL_SITES_H

#if defined(WEFT_DEBUG) && defined(__GNUC__)

#include <weft/await.h>
#include <weft/base.h>
#include <weft/callback.h>
#include <weft/context.h>
#include <weft/debug.h>
#include <weft/endpoint.h>
#include <weft/executor.h>
#include <weft/fd.h>
#include <weft/file.h>
#include <weft/file_object.h>
#include <weft/futex.h>
#include <weft/future.h>
#include <weft/generator.h>
#include <weft/handover.h>
#include <weft/inspect.h>
#include <weft/loop.h>
#include <weft/message.h>
#include <weft/misuse.h>
#include <weft/net.h>
#include <weft/poll.h>
#include <weft/post.h>
#include <weft/process.h>
#include <weft/queue.h>
#include <weft/runtime.h>
#include <weft/scope.h>
#include <weft/select.h>
#include <weft/select_io.h>
#include <weft/server.h>
#include <weft/signal.h>
#include <weft/splice.h>
#include <weft/stats.h>
#include <weft/stream.h>
#include <weft/sync.h>
#include <weft/task.h>
#include <weft/time.h>
#include <weft/transport.h>
#include <weft/version.h>
#include <weft/watch.h>

/* clang-format off */
/* As if written in place of the call: debuggers step over it. */
#define WEFT_AT_FUNCTION_ static inline __attribute__((always_inline, artificial, unused))

#define WEFT_AT_BODY_(type, name, arguments)                                                    \
    {                                                                                           \
        struct weft_call_site weft_site = {weft_source, #name, weft_line};                      \
        struct weft_call_site weft_before = weft_call_site_set_(weft_site);                     \
        type weft_result = name arguments;                                                      \
        weft_call_site_set_(weft_before);                                                       \
        return weft_result;                                                                     \
    }
#define WEFT_AT_(type, name, arguments, ...)                                                    \
    WEFT_AT_FUNCTION_ type name##_at_(const char *weft_source, int weft_line, __VA_ARGS__)      \
    WEFT_AT_BODY_(type, name, arguments)
#define WEFT_AT_0_(type, name)                                                                  \
    WEFT_AT_FUNCTION_ type name##_at_(const char *weft_source, int weft_line)                   \
    WEFT_AT_BODY_(type, name, ())

#define WEFT_HERE_ __FILE__, __LINE__

WEFT_BEGIN_DECLS

WEFT_AT_(weft_awaitable, weft_coro, (fn, arg, arg_size), weft_task_fn fn, const void *arg,
    size_t arg_size)
#define weft_coro(...) weft_coro_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_await_any, (awaitable, result), weft_awaitable awaitable,
    int64_t *result)
#define weft_await_any(...) weft_await_any_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_ensure_future, (awaitable), weft_awaitable *awaitable)
#define weft_ensure_future(...) weft_ensure_future_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_gather, (list, count, results, flags), const weft_awaitable *list,
    uint32_t count, int64_t *results, uint32_t flags)
#define weft_gather(...) weft_gather_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_race, (list, count, results), const weft_awaitable *list,
    uint32_t count, int64_t *results)
#define weft_race(...) weft_race_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_wait, (list, count, done, until, deadline),
    const weft_awaitable *list, uint32_t count, bool *done, enum weft_wait_until until,
    int64_t deadline)
#define weft_wait(...) weft_wait_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_as_completed, (each, list, count), weft_completed **each,
    const weft_awaitable *list, uint32_t count)
#define weft_as_completed(...) weft_as_completed_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_completed_next, (each, index, result, deadline), weft_completed *each,
    uint32_t *index, int64_t *result, int64_t deadline)
#define weft_completed_next(...) weft_completed_next_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_completed_close, (each), weft_completed *each)
#define weft_completed_close(...) weft_completed_close_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_wait_for, (awaitable, result, deadline), weft_awaitable awaitable,
    int64_t *result, int64_t deadline)
#define weft_wait_for(...) weft_wait_for_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_timeout, (scope, ns), weft_scope *scope, int64_t ns)
#define weft_timeout(...) weft_timeout_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_timeout_at, (scope, deadline), weft_scope *scope,
    int64_t deadline)
#define weft_timeout_at(...) weft_timeout_at_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_timeout_reschedule, (scope, deadline), weft_scope *scope, int64_t deadline)
#define weft_timeout_reschedule(...) weft_timeout_reschedule_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int64_t, weft_timeout_when, (scope), const weft_scope *scope)
#define weft_timeout_when(...) weft_timeout_when_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_timeout_expired, (scope), const weft_scope *scope)
#define weft_timeout_expired(...) weft_timeout_expired_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_all_tasks, (tasks, count_max), weft_task *tasks, uint32_t count_max)
#define weft_all_tasks(...) weft_all_tasks_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(const char *, weft_task_name, (task), weft_task task)
#define weft_task_name(...) weft_task_name_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_task_set_name, (task, name), weft_task task, const char *name)
#define weft_task_set_name(...) weft_task_set_name_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_call_soon, (fn, arg, opt), void (*fn)(void *arg), void *arg,
    const struct weft_call_opt *opt)
#define weft_call_soon(...) weft_call_soon_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_call_later, (ns, fn, arg, opt), int64_t ns, void (*fn)(void *arg),
    void *arg, const struct weft_call_opt *opt)
#define weft_call_later(...) weft_call_later_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_call_at, (deadline, fn, arg, opt), int64_t deadline,
    void (*fn)(void *arg), void *arg, const struct weft_call_opt *opt)
#define weft_call_at(...) weft_call_at_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_call_soon_threadsafe, (inbox, fn, arg, drop), weft_inbox *inbox,
    void (*fn)(void *arg), void *arg, void (*drop)(void *arg))
#define weft_call_soon_threadsafe(...) weft_call_soon_threadsafe_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_handle_cancel, (handle), weft_handle *handle)
#define weft_handle_cancel(...) weft_handle_cancel_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(bool, weft_handle_cancelled, (handle), const weft_handle *handle)
#define weft_handle_cancelled(...) weft_handle_cancelled_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int64_t, weft_handle_when, (handle), const weft_handle *handle)
#define weft_handle_when(...) weft_handle_when_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(void *, weft_context_get, (var), const weft_context_var *var)
#define weft_context_get(...) weft_context_get_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_context_set, (var, value, token), const weft_context_var *var,
    void *value, weft_context_token *token)
#define weft_context_set(...) weft_context_set_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_context_reset, (token), weft_context_token *token)
#define weft_context_reset(...) weft_context_reset_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_context_run, (fn, arg), int (*fn)(void *arg), void *arg)
#define weft_context_run(...) weft_context_run_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_set_debug, (opt), const struct weft_debug_opt *opt)
#define weft_set_debug(...) weft_set_debug_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_0_(bool, weft_get_debug)
#define weft_get_debug() weft_get_debug_at_(WEFT_HERE_)

WEFT_NODISCARD WEFT_AT_(int, weft_create_datagram_endpoint, (endpoint, local, remote, protocol, arg,
    opt), weft_endpoint **endpoint, const char *local, const char *remote,
    const struct weft_datagram_protocol *protocol, void *arg, const struct weft_socket_opt *opt)
#define weft_create_datagram_endpoint(...) \
    weft_create_datagram_endpoint_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_endpoint_sendto, (endpoint, data, size, address, length),
    weft_endpoint *endpoint, const void *data, size_t size, const struct sockaddr *address,
    socklen_t length)
#define weft_endpoint_sendto(...) weft_endpoint_sendto_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_endpoint_close, (endpoint), weft_endpoint *endpoint)
#define weft_endpoint_close(...) weft_endpoint_close_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_endpoint_fd, (endpoint), const weft_endpoint *endpoint)
#define weft_endpoint_fd(...) weft_endpoint_fd_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(void *, weft_endpoint_state, (endpoint), weft_endpoint *endpoint)
#define weft_endpoint_state(...) weft_endpoint_state_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(void *, weft_endpoint_arg, (endpoint), const weft_endpoint *endpoint)
#define weft_endpoint_arg(...) weft_endpoint_arg_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_executor_create, (executor, opt), weft_executor **executor,
    const struct weft_executor_opt *opt)
#define weft_executor_create(...) weft_executor_create_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_executor_close, (executor), weft_executor *executor)
#define weft_executor_close(...) weft_executor_close_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_run_in_executor, (executor, fn, arg), weft_executor *executor,
    int (*fn)(void *arg), void *arg)
#define weft_run_in_executor(...) weft_run_in_executor_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_to_thread, (fn, arg), int (*fn)(void *arg), void *arg)
#define weft_to_thread(...) weft_to_thread_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_read, (fd, buffer, size), int fd, void *buffer, size_t size)
#define weft_read(...) weft_read_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_readv, (fd, vectors, count), int fd, const struct iovec *vectors, int count)
#define weft_readv(...) weft_readv_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_write, (fd, buffer, size), int fd, const void *buffer, size_t size)
#define weft_write(...) weft_write_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_writev, (fd, vectors, count), int fd, const struct iovec *vectors,
    int count)
#define weft_writev(...) weft_writev_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_pread, (fd, buffer, size, offset), int fd, void *buffer, size_t size,
    off_t offset)
#define weft_pread(...) weft_pread_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_pwrite, (fd, buffer, size, offset), int fd, const void *buffer, size_t size,
    off_t offset)
#define weft_pwrite(...) weft_pwrite_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_preadv, (fd, vectors, count, offset), int fd, const struct iovec *vectors,
    int count, off_t offset)
#define weft_preadv(...) weft_preadv_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_pwritev, (fd, vectors, count, offset), int fd, const struct iovec *vectors,
    int count, off_t offset)
#define weft_pwritev(...) weft_pwritev_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_read_exactly, (fd, buffer, size, done), int fd, void *buffer, size_t size,
    size_t *done)
#define weft_read_exactly(...) weft_read_exactly_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_write_all, (fd, buffer, size, done), int fd, const void *buffer, size_t size,
    size_t *done)
#define weft_write_all(...) weft_write_all_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_pread_exactly, (fd, buffer, size, offset, done), int fd, void *buffer,
    size_t size, off_t offset, size_t *done)
#define weft_pread_exactly(...) weft_pread_exactly_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_pwrite_all, (fd, buffer, size, offset, done), int fd, const void *buffer,
    size_t size, off_t offset, size_t *done)
#define weft_pwrite_all(...) weft_pwrite_all_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_readv_exactly, (fd, vectors, count, done), int fd,
    const struct iovec *vectors, int count, size_t *done)
#define weft_readv_exactly(...) weft_readv_exactly_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_writev_all, (fd, vectors, count, done), int fd, const struct iovec *vectors,
    int count, size_t *done)
#define weft_writev_all(...) weft_writev_all_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_preadv_exactly, (fd, vectors, count, offset, done), int fd,
    const struct iovec *vectors, int count, off_t offset, size_t *done)
#define weft_preadv_exactly(...) weft_preadv_exactly_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_pwritev_all, (fd, vectors, count, offset, done), int fd,
    const struct iovec *vectors, int count, off_t offset, size_t *done)
#define weft_pwritev_all(...) weft_pwritev_all_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_pipe, (fds, flags), int fds[2], int flags)
#define weft_pipe(...) weft_pipe_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_open, (path, flags, mode), const char *path, int flags, mode_t mode)
#define weft_open(...) weft_open_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_openat, (dirfd, path, flags, mode), int dirfd, const char *path, int flags,
    mode_t mode)
#define weft_openat(...) weft_openat_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_openat2, (dirfd, path, how, size), int dirfd, const char *path,
    const struct open_how *how, size_t size)
#define weft_openat2(...) weft_openat2_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_fsync, (fd), int fd)
#define weft_fsync(...) weft_fsync_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_fdatasync, (fd), int fd)
#define weft_fdatasync(...) weft_fdatasync_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_ftruncate, (fd, size), int fd, off_t size)
#define weft_ftruncate(...) weft_ftruncate_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_fallocate, (fd, mode, offset, size), int fd, int mode, off_t offset, off_t size)
#define weft_fallocate(...) weft_fallocate_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_sync_file_range, (fd, offset, size, flags), int fd, off_t offset, off_t size,
    unsigned flags)
#define weft_sync_file_range(...) weft_sync_file_range_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_fadvise, (fd, offset, size, advice), int fd, off_t offset, off_t size,
    int advice)
#define weft_fadvise(...) weft_fadvise_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_madvise, (address, size, advice), void *address, size_t size, int advice)
#define weft_madvise(...) weft_madvise_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_statx, (dirfd, path, flags, mask, status), int dirfd, const char *path,
    int flags, unsigned mask, struct statx *status)
#define weft_statx(...) weft_statx_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_renameat, (dirfd, path, new_dirfd, new_path), int dirfd, const char *path,
    int new_dirfd, const char *new_path)
#define weft_renameat(...) weft_renameat_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_renameat2, (dirfd, path, new_dirfd, new_path, flags), int dirfd,
    const char *path, int new_dirfd, const char *new_path, unsigned flags)
#define weft_renameat2(...) weft_renameat2_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_unlinkat, (dirfd, path, flags), int dirfd, const char *path, int flags)
#define weft_unlinkat(...) weft_unlinkat_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_mkdirat, (dirfd, path, mode), int dirfd, const char *path, mode_t mode)
#define weft_mkdirat(...) weft_mkdirat_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_symlinkat, (target, dirfd, path), const char *target, int dirfd,
    const char *path)
#define weft_symlinkat(...) weft_symlinkat_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_linkat, (dirfd, path, new_dirfd, new_path, flags), int dirfd, const char *path,
    int new_dirfd, const char *new_path, int flags)
#define weft_linkat(...) weft_linkat_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_getxattr, (path, name, value, size), const char *path, const char *name,
    void *value, size_t size)
#define weft_getxattr(...) weft_getxattr_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_fgetxattr, (fd, name, value, size), int fd, const char *name, void *value,
    size_t size)
#define weft_fgetxattr(...) weft_fgetxattr_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_setxattr, (path, name, value, size, flags), const char *path, const char *name,
    const void *value, size_t size, int flags)
#define weft_setxattr(...) weft_setxattr_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_fsetxattr, (fd, name, value, size, flags), int fd, const char *name,
    const void *value, size_t size, int flags)
#define weft_fsetxattr(...) weft_fsetxattr_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_copy_file_range, (fd_in, off_in, fd_out, off_out, size, flags), int fd_in,
    off_t *off_in, int fd_out, off_t *off_out, size_t size, unsigned flags)
#define weft_copy_file_range(...) weft_copy_file_range_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_getdents64, (fd, buffer, size), int fd, void *buffer, size_t size)
#define weft_getdents64(...) weft_getdents64_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_file_open, (path, flags, mode, opt, file), const char *path,
    int flags, mode_t mode, const struct weft_file_opt *opt, weft_file **file)
#define weft_file_open(...) weft_file_open_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_file_from_fd, (fd, opt, file), int fd,
    const struct weft_file_opt *opt, weft_file **file)
#define weft_file_from_fd(...) weft_file_from_fd_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_file_fd, (file), const weft_file *file)
#define weft_file_fd(...) weft_file_fd_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_file_read, (file, buffer, size), weft_file *file, void *buffer, size_t size)
#define weft_file_read(...) weft_file_read_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_file_read_exactly, (file, buffer, size, done), weft_file *file, void *buffer,
    size_t size, size_t *done)
#define weft_file_read_exactly(...) weft_file_read_exactly_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_file_read_until, (file, delimiter, delimiter_size, buffer, size),
    weft_file *file, const void *delimiter, size_t delimiter_size, void *buffer, size_t size)
#define weft_file_read_until(...) weft_file_read_until_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_file_read_line, (file, line, size), weft_file *file, char *line,
    size_t size)
#define weft_file_read_line(...) weft_file_read_line_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_file_peek, (file, data, size), weft_file *file, const void **data, size_t *size)
#define weft_file_peek(...) weft_file_peek_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_file_consume, (file, size), weft_file *file, size_t size)
#define weft_file_consume(...) weft_file_consume_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_file_write, (file, buffer, size, done), weft_file *file, const void *buffer,
    size_t size, size_t *done)
#define weft_file_write(...) weft_file_write_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(off_t, weft_file_seek, (file, offset, whence), weft_file *file, off_t offset, int whence)
#define weft_file_seek(...) weft_file_seek_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(off_t, weft_file_tell, (file), const weft_file *file)
#define weft_file_tell(...) weft_file_tell_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_file_discard, (file), weft_file *file)
#define weft_file_discard(...) weft_file_discard_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_file_pread, (file, buffer, size, offset), weft_file *file, void *buffer,
    size_t size, off_t offset)
#define weft_file_pread(...) weft_file_pread_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_file_pwrite, (file, buffer, size, offset, done), weft_file *file,
    const void *buffer, size_t size, off_t offset, size_t *done)
#define weft_file_pwrite(...) weft_file_pwrite_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_file_memory_take, (size, memory), size_t size, void **memory)
#define weft_file_memory_take(...) weft_file_memory_take_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_file_memory_put, (memory), void *memory)
#define weft_file_memory_put(...) weft_file_memory_put_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_file_close, (file), weft_file *file)
#define weft_file_close(...) weft_file_close_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_futex_wait, (word, value, flags), const void *word, uint32_t value, int flags)
#define weft_futex_wait(...) weft_futex_wait_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_futex_wait_until, (word, value, flags, deadline), const void *word,
    uint32_t value, int flags, int64_t deadline)
#define weft_futex_wait_until(...) weft_futex_wait_until_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_futex_wake, (word, count, flags), const void *word, int count, int flags)
#define weft_futex_wake(...) weft_futex_wake_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_future_create, (future, opt), weft_future **future,
    const struct weft_future_opt *opt)
#define weft_future_create(...) weft_future_create_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_future_set_result, (future, value), weft_future *future, int64_t value)
#define weft_future_set_result(...) weft_future_set_result_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_future_set_error, (future, error), weft_future *future, int error)
#define weft_future_set_error(...) weft_future_set_error_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_future_cancel, (future), weft_future *future)
#define weft_future_cancel(...) weft_future_cancel_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_future_result, (future, result), const weft_future *future, int64_t *result)
#define weft_future_result(...) weft_future_result_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_future_await, (future, result), weft_future *future,
    int64_t *result)
#define weft_future_await(...) weft_future_await_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_future_await_until, (future, result, deadline),
    weft_future *future, int64_t *result, int64_t deadline)
#define weft_future_await_until(...) weft_future_await_until_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_future_wait, (future, result, deadline), weft_future *future,
    int64_t *result, int64_t deadline)
#define weft_future_wait(...) weft_future_wait_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_future_take, (future, value), weft_future *future, int64_t *value)
#define weft_future_take(...) weft_future_take_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_future_reset, (future), weft_future *future)
#define weft_future_reset(...) weft_future_reset_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_future_add_done, (future, fn, arg), weft_future *future,
    weft_future_fn *fn, void *arg)
#define weft_future_add_done(...) weft_future_add_done_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_future_remove_done, (future, fn, arg), weft_future *future, weft_future_fn *fn,
    void *arg)
#define weft_future_remove_done(...) weft_future_remove_done_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_generator_open, (generator, item_size, fn, arg, arg_size, opt),
    weft_generator **generator, size_t item_size, weft_generator_fn fn, const void *arg,
    size_t arg_size, const struct weft_generator_opt *opt)
#define weft_generator_open(...) weft_generator_open_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_generator_produce, (generator, item), weft_generator *generator,
    const void *item)
#define weft_generator_produce(...) weft_generator_produce_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_generator_next, (generator, item), weft_generator *generator,
    void *item)
#define weft_generator_next(...) weft_generator_next_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_generator_next_until, (generator, item, deadline),
    weft_generator *generator, void *item, int64_t deadline)
#define weft_generator_next_until(...) weft_generator_next_until_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_generator_close, (generator), weft_generator *generator)
#define weft_generator_close(...) weft_generator_close_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_listen_fds, (fds, count, opt), struct weft_handed *fds, uint32_t count,
    const struct weft_listen_fds_opt *opt)
#define weft_listen_fds(...) weft_listen_fds_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_hand_over, (channel, fds, count), int channel, const int *fds, uint32_t count)
#define weft_hand_over(...) weft_hand_over_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_hand_over_until, (channel, fds, count, deadline), int channel, const int *fds,
    uint32_t count, int64_t deadline)
#define weft_hand_over_until(...) weft_hand_over_until_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_take_over, (channel, fds, count), int channel, int *fds, uint32_t *count)
#define weft_take_over(...) weft_take_over_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_take_over_done, (channel), int channel)
#define weft_take_over_done(...) weft_take_over_done_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_print_tasks, (fd, flags), int fd, uint32_t flags)
#define weft_print_tasks(...) weft_print_tasks_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_print_all_tasks, (fd, flags), int fd, uint32_t flags)
#define weft_print_all_tasks(...) weft_print_all_tasks_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_all_tasks_each, (fn, context), int (*fn)(const struct weft_task_info *info,
    void *context), void *context)
#define weft_all_tasks_each(...) weft_all_tasks_each_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_task_stack, (task, addresses, count_max), weft_task task, const void **addresses,
    uint32_t count_max)
#define weft_task_stack(...) weft_task_stack_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_loop_new, (loop, opt), weft_loop **loop,
    const struct weft_run_opt *opt)
#define weft_loop_new(...) weft_loop_new_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_loop_run, (loop, fn, arg, arg_size), weft_loop *loop, weft_task_fn fn,
    const void *arg, size_t arg_size)
#define weft_loop_run(...) weft_loop_run_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_loop_run_forever, (loop), weft_loop *loop)
#define weft_loop_run_forever(...) weft_loop_run_forever_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_loop_stop, (loop), weft_loop *loop)
#define weft_loop_stop(...) weft_loop_stop_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int64_t, weft_loop_step, (loop, wait), weft_loop *loop, bool wait)
#define weft_loop_step(...) weft_loop_step_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_loop_fd, (loop), weft_loop *loop)
#define weft_loop_fd(...) weft_loop_fd_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_loop_close, (loop), weft_loop *loop)
#define weft_loop_close(...) weft_loop_close_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(bool, weft_loop_running, (loop), const weft_loop *loop)
#define weft_loop_running(...) weft_loop_running_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_0_(weft_loop *, weft_loop_current)
#define weft_loop_current() weft_loop_current_at_(WEFT_HERE_)

WEFT_NODISCARD WEFT_AT_(int, weft_loop_create_task, (loop, fn, arg, arg_size, opt), weft_loop *loop,
    weft_task_fn fn, const void *arg, size_t arg_size, const struct weft_spawn_opt *opt)
#define weft_loop_create_task(...) weft_loop_create_task_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_loop_call_soon, (loop, fn, arg, opt), weft_loop *loop,
    void (*fn)(void *arg), void *arg, const struct weft_call_opt *opt)
#define weft_loop_call_soon(...) weft_loop_call_soon_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_loop_call_later, (loop, ns, fn, arg, opt), weft_loop *loop,
    int64_t ns, void (*fn)(void *arg), void *arg, const struct weft_call_opt *opt)
#define weft_loop_call_later(...) weft_loop_call_later_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_loop_call_at, (loop, deadline, fn, arg, opt), weft_loop *loop,
    int64_t deadline, void (*fn)(void *arg), void *arg, const struct weft_call_opt *opt)
#define weft_loop_call_at(...) weft_loop_call_at_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(weft_inbox *, weft_loop_inbox, (loop), const weft_loop *loop)
#define weft_loop_inbox(...) weft_loop_inbox_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_datagram_socket, (local, remote, opt), const char *local, const char *remote,
    const struct weft_socket_opt *opt)
#define weft_datagram_socket(...) weft_datagram_socket_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_bind, (fd, address, length), int fd, const struct sockaddr *address,
    socklen_t length)
#define weft_bind(...) weft_bind_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_listen, (fd, backlog), int fd, int backlog)
#define weft_listen(...) weft_listen_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_getsockname, (fd, address, length), int fd, struct sockaddr *address,
    socklen_t *length)
#define weft_getsockname(...) weft_getsockname_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_getpeername, (fd, address, length), int fd, struct sockaddr *address,
    socklen_t *length)
#define weft_getpeername(...) weft_getpeername_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_sendto, (fd, buffer, size, flags, address, length), int fd,
    const void *buffer, size_t size, int flags, const struct sockaddr *address, socklen_t length)
#define weft_sendto(...) weft_sendto_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_sendmsg, (fd, message, flags), int fd, const struct msghdr *message,
    int flags)
#define weft_sendmsg(...) weft_sendmsg_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_recvfrom, (fd, buffer, size, flags, address, length), int fd, void *buffer,
    size_t size, int flags, struct sockaddr *address, socklen_t *length)
#define weft_recvfrom(...) weft_recvfrom_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_recvmsg, (fd, message, flags), int fd, struct msghdr *message, int flags)
#define weft_recvmsg(...) weft_recvmsg_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_send_segments, (fd, buffer, size, segment, address, length, done), int fd,
    const void *buffer, size_t size, uint16_t segment, const struct sockaddr *address,
    socklen_t length, size_t *done)
#define weft_send_segments(...) weft_send_segments_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_recv_segments, (fd, buffer, size, segment, flags, address, length), int fd,
    void *buffer, size_t size, uint32_t *segment, int flags, struct sockaddr *address,
    socklen_t *length)
#define weft_recv_segments(...) weft_recv_segments_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_send_fds, (fd, buffer, size, fds, count), int fd, const void *buffer,
    size_t size, const int *fds, uint32_t count)
#define weft_send_fds(...) weft_send_fds_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_recv_fds, (fd, buffer, size, fds, count), int fd, void *buffer, size_t size,
    int *fds, uint32_t *count)
#define weft_recv_fds(...) weft_recv_fds_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_listen_tcp, (address, opt), const char *address,
    const struct weft_listen_opt *opt)
#define weft_listen_tcp(...) weft_listen_tcp_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_local_port, (fd), int fd)
#define weft_local_port(...) weft_local_port_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_accept, (fd, address, length, flags), int fd, struct sockaddr *address,
    socklen_t *length, int flags)
#define weft_accept(...) weft_accept_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_accept_until, (fd, address, length, flags, deadline), int fd,
    struct sockaddr *address, socklen_t *length, int flags, int64_t deadline)
#define weft_accept_until(...) weft_accept_until_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_socket, (domain, type, protocol), int domain, int type, int protocol)
#define weft_socket(...) weft_socket_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_connect, (fd, address, length), int fd, const struct sockaddr *address,
    socklen_t length)
#define weft_connect(...) weft_connect_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_connect_until, (fd, address, length, deadline), int fd,
    const struct sockaddr *address, socklen_t length, int64_t deadline)
#define weft_connect_until(...) weft_connect_until_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_connect_tcp, (address, opt), const char *address,
    const struct weft_socket_opt *opt)
#define weft_connect_tcp(...) weft_connect_tcp_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_recv, (fd, buffer, size, flags), int fd, void *buffer, size_t size,
    int flags)
#define weft_recv(...) weft_recv_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_recv_until, (fd, buffer, size, flags, deadline), int fd, void *buffer,
    size_t size, int flags, int64_t deadline)
#define weft_recv_until(...) weft_recv_until_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_recv_exactly, (fd, buffer, size, done), int fd, void *buffer, size_t size,
    size_t *done)
#define weft_recv_exactly(...) weft_recv_exactly_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_send, (fd, buffer, size, flags), int fd, const void *buffer, size_t size,
    int flags)
#define weft_send(...) weft_send_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_send_until, (fd, buffer, size, flags, deadline), int fd, const void *buffer,
    size_t size, int flags, int64_t deadline)
#define weft_send_until(...) weft_send_until_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_send_all, (fd, buffer, size, done), int fd, const void *buffer, size_t size,
    size_t *done)
#define weft_send_all(...) weft_send_all_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_send_all_until, (fd, buffer, size, done, deadline), int fd,
    const void *buffer, size_t size, size_t *done, int64_t deadline)
#define weft_send_all_until(...) weft_send_all_until_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_send_give, (fd, memory, size, done, release, arg), int fd,
    const void *memory, size_t size, size_t *done, weft_release_fn release, void *arg)
#define weft_send_give(...) weft_send_give_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_send_give_until, (fd, memory, size, done, release, arg, deadline), int fd,
    const void *memory, size_t size, size_t *done, weft_release_fn release, void *arg,
    int64_t deadline)
#define weft_send_give_until(...) weft_send_give_until_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_shutdown, (fd, how), int fd, int how)
#define weft_shutdown(...) weft_shutdown_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_close, (fd), int fd)
#define weft_close(...) weft_close_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_setsockopt, (fd, level, option, value, length), int fd, int level, int option,
    const void *value, socklen_t length)
#define weft_setsockopt(...) weft_setsockopt_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_getsockopt, (fd, level, option, value, length), int fd, int level, int option,
    void *value, socklen_t *length)
#define weft_getsockopt(...) weft_getsockopt_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_socket_set, (fd, opt), int fd, const struct weft_socket_opt *opt)
#define weft_socket_set(...) weft_socket_set_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_socket_get, (fd, opt), int fd, struct weft_socket_opt *opt)
#define weft_socket_get(...) weft_socket_get_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_fd_move, (fd), int fd)
#define weft_fd_move(...) weft_fd_move_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_poll, (fd, events), int fd, int events)
#define weft_poll(...) weft_poll_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_poll_until, (fd, events, deadline), int fd, int events, int64_t deadline)
#define weft_poll_until(...) weft_poll_until_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_add_reader, (fd, fn, arg), int fd, weft_ready_fn *fn, void *arg)
#define weft_add_reader(...) weft_add_reader_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_add_writer, (fd, fn, arg), int fd, weft_ready_fn *fn, void *arg)
#define weft_add_writer(...) weft_add_writer_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_remove_reader, (fd), int fd)
#define weft_remove_reader(...) weft_remove_reader_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_remove_writer, (fd), int fd)
#define weft_remove_writer(...) weft_remove_writer_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_socket_nowait, (domain, type, protocol), int domain, int type, int protocol)
#define weft_socket_nowait(...) weft_socket_nowait_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_connect_nowait, (fd, address, length), int fd, const struct sockaddr *address,
    socklen_t length)
#define weft_connect_nowait(...) weft_connect_nowait_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_recvfrom_nowait, (fd, buffer, size, flags, address, length), int fd,
    void *buffer, size_t size, int flags, struct sockaddr *address, socklen_t *length)
#define weft_recvfrom_nowait(...) weft_recvfrom_nowait_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_sendto_nowait, (fd, buffer, size, flags, address, length), int fd,
    const void *buffer, size_t size, int flags, const struct sockaddr *address, socklen_t length)
#define weft_sendto_nowait(...) weft_sendto_nowait_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_close_nowait, (fd), int fd)
#define weft_close_nowait(...) weft_close_nowait_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_post, (inbox, fn, arg, drop), weft_inbox *inbox, void (*fn)(void *), void *arg,
    void (*drop)(void *))
#define weft_post(...) weft_post_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_post_try, (inbox, fn, arg, drop), weft_inbox *inbox, void (*fn)(void *),
    void *arg, void (*drop)(void *))
#define weft_post_try(...) weft_post_try_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_post_slot, (inbox, slot), weft_inbox *inbox, struct weft_post_slot *slot)
#define weft_post_slot(...) weft_post_slot_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_post_signal, (inbox, slot), weft_inbox *inbox, struct weft_post_slot *slot)
#define weft_post_signal(...) weft_post_signal_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_run_coroutine_threadsafe, (inbox, fn, arg, arg_size, future),
    weft_inbox *inbox, weft_task_fn fn, const void *arg, size_t arg_size, weft_future **future)
#define weft_run_coroutine_threadsafe(...) \
    weft_run_coroutine_threadsafe_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_cancel_post, (inbox, task), weft_inbox *inbox, weft_task task)
#define weft_cancel_post(...) weft_cancel_post_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_stop_post, (inbox), weft_inbox *inbox)
#define weft_stop_post(...) weft_stop_post_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_create_subprocess_exec, (arguments, opt, process),
    const char *const arguments[], const struct weft_process_opt *opt, weft_process **process)
#define weft_create_subprocess_exec(...) weft_create_subprocess_exec_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_create_subprocess_shell, (command, opt, process),
    const char *command, const struct weft_process_opt *opt, weft_process **process)
#define weft_create_subprocess_shell(...) weft_create_subprocess_shell_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_process_pid, (process), const weft_process *process)
#define weft_process_pid(...) weft_process_pid_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(weft_stream *, weft_process_stdin, (process), const weft_process *process)
#define weft_process_stdin(...) weft_process_stdin_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(weft_stream *, weft_process_stdout, (process), const weft_process *process)
#define weft_process_stdout(...) weft_process_stdout_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(weft_stream *, weft_process_stderr, (process), const weft_process *process)
#define weft_process_stderr(...) weft_process_stderr_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_process_close_stdin, (process), weft_process *process)
#define weft_process_close_stdin(...) weft_process_close_stdin_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_process_wait, (process, status), weft_process *process,
    struct weft_process_status *status)
#define weft_process_wait(...) weft_process_wait_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_process_poll, (process, status), const weft_process *process,
    struct weft_process_status *status)
#define weft_process_poll(...) weft_process_poll_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_process_send_signal, (process, number), weft_process *process, int number)
#define weft_process_send_signal(...) weft_process_send_signal_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_process_terminate, (process), weft_process *process)
#define weft_process_terminate(...) weft_process_terminate_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_process_kill, (process), weft_process *process)
#define weft_process_kill(...) weft_process_kill_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_process_signal_group, (process, number), weft_process *process, int number)
#define weft_process_signal_group(...) weft_process_signal_group_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_process_communicate, (process, input, input_size, output, status),
    weft_process *process, const void *input, size_t input_size, struct weft_process_output *output,
    struct weft_process_status *status)
#define weft_process_communicate(...) weft_process_communicate_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_process_close, (process), weft_process *process)
#define weft_process_close(...) weft_process_close_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_waitid, (type, id, info, options), int type, int id, void *info, int options)
#define weft_waitid(...) weft_waitid_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_queue_put, (queue, item), weft_queue *queue, const void *item)
#define weft_queue_put(...) weft_queue_put_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_queue_put_nowait, (queue, item), weft_queue *queue,
    const void *item)
#define weft_queue_put_nowait(...) weft_queue_put_nowait_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_queue_put_until, (queue, item, deadline), weft_queue *queue,
    const void *item, int64_t deadline)
#define weft_queue_put_until(...) weft_queue_put_until_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_queue_get, (queue, item), weft_queue *queue, void *item)
#define weft_queue_get(...) weft_queue_get_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_queue_get_nowait, (queue, item), weft_queue *queue, void *item)
#define weft_queue_get_nowait(...) weft_queue_get_nowait_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_queue_get_until, (queue, item, deadline), weft_queue *queue,
    void *item, int64_t deadline)
#define weft_queue_get_until(...) weft_queue_get_until_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_queue_get_idle, (queue, item), weft_queue *queue, void *item)
#define weft_queue_get_idle(...) weft_queue_get_idle_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_queue_count, (queue), weft_queue *queue)
#define weft_queue_count(...) weft_queue_count_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int64_t, weft_queue_task_done, (queue), weft_queue *queue)
#define weft_queue_task_done(...) weft_queue_task_done_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_queue_join, (queue), weft_queue *queue)
#define weft_queue_join(...) weft_queue_join_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_queue_join_until, (queue, deadline), weft_queue *queue,
    int64_t deadline)
#define weft_queue_join_until(...) weft_queue_join_until_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_queue_shutdown, (queue, immediate), weft_queue *queue, bool immediate)
#define weft_queue_shutdown(...) weft_queue_shutdown_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_queue_destroy, (queue), weft_queue *queue)
#define weft_queue_destroy(...) weft_queue_destroy_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_run, (fn, arg, arg_size, opt), weft_task_fn fn, const void *arg, size_t arg_size,
    const struct weft_run_opt *opt)
#define weft_run(...) weft_run_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_0_(int, weft_stop)
#define weft_stop() weft_stop_at_(WEFT_HERE_)

WEFT_AT_(int, weft_call, (reactor, fn, arg, arg_size), uint32_t reactor, weft_task_fn fn,
    const void *arg, size_t arg_size)
#define weft_call(...) weft_call_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_features, (text, text_size), char *text, size_t text_size)
#define weft_features(...) weft_features_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_scope_open, (scope, opt), weft_scope *scope,
    const struct weft_scope_opt *opt)
#define weft_scope_open(...) weft_scope_open_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_scope_close, (scope), weft_scope *scope)
#define weft_scope_close(...) weft_scope_close_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_scope_error, (scope), weft_scope *scope)
#define weft_scope_error(...) weft_scope_error_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(uint32_t, weft_scope_errors, (scope, errors, count_max), weft_scope *scope, int *errors,
    uint32_t count_max)
#define weft_scope_errors(...) weft_scope_errors_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(uint32_t, weft_scope_tasks, (scope), const weft_scope *scope)
#define weft_scope_tasks(...) weft_scope_tasks_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_scope_cancel, (scope), weft_scope *scope)
#define weft_scope_cancel(...) weft_scope_cancel_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_scope_reschedule, (scope, deadline), weft_scope *scope, int64_t deadline)
#define weft_scope_reschedule(...) weft_scope_reschedule_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_scope_drain, (scope, soft, hard), weft_scope *scope, int64_t soft, int64_t hard)
#define weft_scope_drain(...) weft_scope_drain_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_scope_defer, (scope, fn, arg), weft_scope *scope,
    void (*fn)(void *), void *arg)
#define weft_scope_defer(...) weft_scope_defer_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(weft_scope *, weft_scope_enter_, (scope, opt), weft_scope *scope,
    const struct weft_scope_opt *opt)
#define weft_scope_enter_(...) weft_scope_enter__at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(weft_scope *, weft_shield_enter_, (scope, deadline), weft_scope *scope, int64_t deadline)
#define weft_shield_enter_(...) weft_shield_enter__at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_shield_open, (scope, deadline), weft_scope *scope,
    int64_t deadline)
#define weft_shield_open(...) weft_shield_open_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_select, (cases, count, flags), weft_case *cases, uint32_t count,
    uint32_t flags)
#define weft_select(...) weft_select_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_select_nowait, (cases, count, flags), weft_case *cases,
    uint32_t count, uint32_t flags)
#define weft_select_nowait(...) weft_select_nowait_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_case_recv_, (arg), void *arg)
#define weft_case_recv_(...) weft_case_recv__at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_case_send_, (arg), void *arg)
#define weft_case_send_(...) weft_case_send__at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_case_recvmsg_, (arg), void *arg)
#define weft_case_recvmsg_(...) weft_case_recvmsg__at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_case_sendmsg_, (arg), void *arg)
#define weft_case_sendmsg_(...) weft_case_sendmsg__at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_case_read_, (arg), void *arg)
#define weft_case_read_(...) weft_case_read__at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_case_write_, (arg), void *arg)
#define weft_case_write_(...) weft_case_write__at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_case_accept_, (arg), void *arg)
#define weft_case_accept_(...) weft_case_accept__at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_case_connect_, (arg), void *arg)
#define weft_case_connect_(...) weft_case_connect__at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_case_poll_, (arg), void *arg)
#define weft_case_poll_(...) weft_case_poll__at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_case_stream_read_, (arg), void *arg)
#define weft_case_stream_read_(...) weft_case_stream_read__at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_case_process_, (arg), void *arg)
#define weft_case_process_(...) weft_case_process__at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_case_signals_, (arg), void *arg)
#define weft_case_signals_(...) weft_case_signals__at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_case_watch_, (arg), void *arg)
#define weft_case_watch_(...) weft_case_watch__at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_case_file_read_, (arg), void *arg)
#define weft_case_file_read_(...) weft_case_file_read__at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_open_connection, (address, opt, stream), const char *address,
    const struct weft_connection_opt *opt, weft_stream **stream)
#define weft_open_connection(...) weft_open_connection_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_open_unix_connection, (path, opt, stream), const char *path,
    const struct weft_connection_opt *opt, weft_stream **stream)
#define weft_open_unix_connection(...) weft_open_unix_connection_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_start_server, (server, address, handler, arg, opt),
    weft_server **server, const char *address, weft_connection_fn handler, void *arg,
    const struct weft_server_opt *opt)
#define weft_start_server(...) weft_start_server_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_start_unix_server, (server, path, handler, arg, opt),
    weft_server **server, const char *path, weft_connection_fn handler, void *arg,
    const struct weft_server_opt *opt)
#define weft_start_unix_server(...) weft_start_unix_server_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_server_counts, (server, counts, counts_size), const weft_server *server,
    struct weft_server_counts *counts, size_t counts_size)
#define weft_server_counts(...) weft_server_counts_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_server_serving, (server), const weft_server *server)
#define weft_server_serving(...) weft_server_serving_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_server_port, (server), const weft_server *server)
#define weft_server_port(...) weft_server_port_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_server_drain, (server, soft, hard), weft_server *server, int64_t soft,
    int64_t hard)
#define weft_server_drain(...) weft_server_drain_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_server_listeners, (server, fds, count), const weft_server *server, int *fds,
    uint32_t count)
#define weft_server_listeners(...) weft_server_listeners_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_server_retire, (server, soft, hard), weft_server *server, int64_t soft,
    int64_t hard)
#define weft_server_retire(...) weft_server_retire_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_server_wait, (server), weft_server *server)
#define weft_server_wait(...) weft_server_wait_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_server_close, (server), weft_server *server)
#define weft_server_close(...) weft_server_close_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_signals_open, (numbers, count, signals), const int numbers[],
    size_t count, weft_signals **signals)
#define weft_signals_open(...) weft_signals_open_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_signals_wait, (signals, signal), weft_signals *signals,
    struct weft_signal *signal)
#define weft_signals_wait(...) weft_signals_wait_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_signals_close, (signals), weft_signals *signals)
#define weft_signals_close(...) weft_signals_close_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_signal_wait, (number, signal), int number, struct weft_signal *signal)
#define weft_signal_wait(...) weft_signal_wait_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_add_signal_handler, (number, fn, arg), int number,
    void (*fn)(const struct weft_signal *signal, void *arg), void *arg)
#define weft_add_signal_handler(...) weft_add_signal_handler_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_remove_signal_handler, (number), int number)
#define weft_remove_signal_handler(...) weft_remove_signal_handler_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_splice, (fd_in, off_in, fd_out, off_out, size, flags), int fd_in,
    off_t *off_in, int fd_out, off_t *off_out, size_t size, unsigned flags)
#define weft_splice(...) weft_splice_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_tee, (fd_in, fd_out, size, flags), int fd_in, int fd_out, size_t size,
    unsigned flags)
#define weft_tee(...) weft_tee_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_sendfile, (fd_out, fd_in, offset, size), int fd_out, int fd_in,
    off_t *offset, size_t size)
#define weft_sendfile(...) weft_sendfile_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_stats, (stats, size), struct weft_stats *stats, size_t size)
#define weft_stats(...) weft_stats_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_stats_read, (inbox, stats, size), weft_inbox *inbox, struct weft_stats *stats,
    size_t size)
#define weft_stats_read(...) weft_stats_read_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_tasks_each, (fn, context), int (*fn)(const struct weft_task_info *info,
    void *context), void *context)
#define weft_tasks_each(...) weft_tasks_each_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_trace, (count), uint32_t count)
#define weft_trace(...) weft_trace_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_trace_read, (events, count_max), struct weft_trace_event *events,
    uint32_t count_max)
#define weft_trace_read(...) weft_trace_read_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_stream_open, (fd, opt, stream), int fd,
    const struct weft_stream_opt *opt, weft_stream **stream)
#define weft_stream_open(...) weft_stream_open_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_stream_fd, (stream), const weft_stream *stream)
#define weft_stream_fd(...) weft_stream_fd_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_stream_get_extra_info, (stream, info, info_size), const weft_stream *stream,
    struct weft_stream_info *info, size_t info_size)
#define weft_stream_get_extra_info(...) weft_stream_get_extra_info_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_stream_read, (stream, buffer, size, flags), weft_stream *stream,
    void *buffer, size_t size, int flags)
#define weft_stream_read(...) weft_stream_read_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_stream_read_until_time, (stream, buffer, size, flags, deadline),
    weft_stream *stream, void *buffer, size_t size, int flags, int64_t deadline)
#define weft_stream_read_until_time(...) weft_stream_read_until_time_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_stream_read_exactly, (stream, buffer, size, done), weft_stream *stream,
    void *buffer, size_t size, size_t *done)
#define weft_stream_read_exactly(...) weft_stream_read_exactly_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_stream_read_until, (stream, delimiter, delimiter_size, buffer, size, flags),
    weft_stream *stream, const void *delimiter, size_t delimiter_size, void *buffer, size_t size,
    int flags)
#define weft_stream_read_until(...) weft_stream_read_until_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_stream_read_line, (stream, line, size, flags), weft_stream *stream,
    char *line, size_t size, int flags)
#define weft_stream_read_line(...) weft_stream_read_line_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_stream_at_eof, (stream), const weft_stream *stream)
#define weft_stream_at_eof(...) weft_stream_at_eof_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_stream_peek, (stream, data, size, flags), weft_stream *stream, const void **data,
    size_t *size, int flags)
#define weft_stream_peek(...) weft_stream_peek_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_stream_consume, (stream, size), weft_stream *stream, size_t size)
#define weft_stream_consume(...) weft_stream_consume_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_stream_write, (stream, buffer, size, done), weft_stream *stream,
    const void *buffer, size_t size, size_t *done)
#define weft_stream_write(...) weft_stream_write_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_stream_writev, (stream, vectors, count, done), weft_stream *stream,
    const struct iovec *vectors, int count, size_t *done)
#define weft_stream_writev(...) weft_stream_writev_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_stream_write_give, (stream, memory, size, done, release, arg),
    weft_stream *stream, const void *memory, size_t size, size_t *done, weft_release_fn release,
    void *arg)
#define weft_stream_write_give(...) weft_stream_write_give_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_stream_write_nowait, (stream, buffer, size), weft_stream *stream,
    const void *buffer, size_t size)
#define weft_stream_write_nowait(...) weft_stream_write_nowait_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_stream_write_pending, (stream), const weft_stream *stream)
#define weft_stream_write_pending(...) weft_stream_write_pending_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_stream_set_write_limits, (stream, high, low), weft_stream *stream, uint32_t high,
    uint32_t low)
#define weft_stream_set_write_limits(...) weft_stream_set_write_limits_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_stream_give, (to, from, size), weft_stream *to, weft_stream *from,
    size_t size)
#define weft_stream_give(...) weft_stream_give_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_stream_splice, (to, from, size, flags), weft_stream *to, weft_stream *from,
    size_t size, int flags)
#define weft_stream_splice(...) weft_stream_splice_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_stream_drain, (stream), weft_stream *stream)
#define weft_stream_drain(...) weft_stream_drain_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_stream_shutdown, (stream), weft_stream *stream)
#define weft_stream_shutdown(...) weft_stream_shutdown_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_stream_detach, (stream), weft_stream *stream)
#define weft_stream_detach(...) weft_stream_detach_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_stream_attach, (stream), weft_stream *stream)
#define weft_stream_attach(...) weft_stream_attach_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_stream_close, (stream), weft_stream *stream)
#define weft_stream_close(...) weft_stream_close_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_stream_abort, (stream), weft_stream *stream)
#define weft_stream_abort(...) weft_stream_abort_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_lock_acquire, (lock), weft_lock *lock)
#define weft_lock_acquire(...) weft_lock_acquire_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_lock_acquire_nowait, (lock), weft_lock *lock)
#define weft_lock_acquire_nowait(...) weft_lock_acquire_nowait_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_lock_acquire_until, (lock, deadline), weft_lock *lock,
    int64_t deadline)
#define weft_lock_acquire_until(...) weft_lock_acquire_until_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_lock_release, (lock), weft_lock *lock)
#define weft_lock_release(...) weft_lock_release_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(weft_lock *, weft_locked_enter_, (lock), weft_lock *lock)
#define weft_locked_enter_(...) weft_locked_enter__at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_event_wait, (event), weft_event *event)
#define weft_event_wait(...) weft_event_wait_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_event_wait_until, (event, deadline), weft_event *event,
    int64_t deadline)
#define weft_event_wait_until(...) weft_event_wait_until_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_event_set, (event), weft_event *event)
#define weft_event_set(...) weft_event_set_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_event_clear, (event), weft_event *event)
#define weft_event_clear(...) weft_event_clear_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_semaphore_acquire, (semaphore), weft_semaphore *semaphore)
#define weft_semaphore_acquire(...) weft_semaphore_acquire_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_semaphore_acquire_nowait, (semaphore), weft_semaphore *semaphore)
#define weft_semaphore_acquire_nowait(...) \
    weft_semaphore_acquire_nowait_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_semaphore_acquire_until, (semaphore, deadline),
    weft_semaphore *semaphore, int64_t deadline)
#define weft_semaphore_acquire_until(...) weft_semaphore_acquire_until_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_semaphore_release, (semaphore), weft_semaphore *semaphore)
#define weft_semaphore_release(...) weft_semaphore_release_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_condition_wait, (condition, lock), weft_condition *condition,
    weft_lock *lock)
#define weft_condition_wait(...) weft_condition_wait_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_condition_wait_until, (condition, lock, deadline),
    weft_condition *condition, weft_lock *lock, int64_t deadline)
#define weft_condition_wait_until(...) weft_condition_wait_until_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_condition_wait_for, (condition, lock, predicate, arg),
    weft_condition *condition, weft_lock *lock, bool (*predicate)(void *arg), void *arg)
#define weft_condition_wait_for(...) weft_condition_wait_for_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_condition_wait_for_until, (condition, lock, predicate, arg,
    deadline), weft_condition *condition, weft_lock *lock, bool (*predicate)(void *arg), void *arg,
    int64_t deadline)
#define weft_condition_wait_for_until(...) \
    weft_condition_wait_for_until_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_condition_notify, (condition, count), weft_condition *condition, uint32_t count)
#define weft_condition_notify(...) weft_condition_notify_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_condition_notify_all, (condition), weft_condition *condition)
#define weft_condition_notify_all(...) weft_condition_notify_all_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_barrier_wait, (barrier), weft_barrier *barrier)
#define weft_barrier_wait(...) weft_barrier_wait_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_barrier_wait_until, (barrier, deadline), weft_barrier *barrier,
    int64_t deadline)
#define weft_barrier_wait_until(...) weft_barrier_wait_until_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_barrier_abort, (barrier), weft_barrier *barrier)
#define weft_barrier_abort(...) weft_barrier_abort_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_barrier_reset, (barrier), weft_barrier *barrier)
#define weft_barrier_reset(...) weft_barrier_reset_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_barrier_waiting, (barrier), weft_barrier *barrier)
#define weft_barrier_waiting(...) weft_barrier_waiting_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_rwlock_read, (lock), weft_rwlock *lock)
#define weft_rwlock_read(...) weft_rwlock_read_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_rwlock_read_nowait, (lock), weft_rwlock *lock)
#define weft_rwlock_read_nowait(...) weft_rwlock_read_nowait_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_rwlock_read_until, (lock, deadline), weft_rwlock *lock,
    int64_t deadline)
#define weft_rwlock_read_until(...) weft_rwlock_read_until_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_rwlock_write, (lock), weft_rwlock *lock)
#define weft_rwlock_write(...) weft_rwlock_write_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_rwlock_write_nowait, (lock), weft_rwlock *lock)
#define weft_rwlock_write_nowait(...) weft_rwlock_write_nowait_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_rwlock_write_until, (lock, deadline), weft_rwlock *lock,
    int64_t deadline)
#define weft_rwlock_write_until(...) weft_rwlock_write_until_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_rwlock_read_release, (lock), weft_rwlock *lock)
#define weft_rwlock_read_release(...) weft_rwlock_read_release_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_rwlock_write_release, (lock), weft_rwlock *lock)
#define weft_rwlock_write_release(...) weft_rwlock_write_release_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_spawn, (scope, fn, arg, arg_size, opt), weft_scope *scope,
    weft_task_fn fn, const void *arg, size_t arg_size, const struct weft_spawn_opt *opt)
#define weft_spawn(...) weft_spawn_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_spawn_nowait, (scope, fn, arg, arg_size, opt), weft_scope *scope,
    weft_task_fn fn, const void *arg, size_t arg_size, const struct weft_spawn_opt *opt)
#define weft_spawn_nowait(...) weft_spawn_nowait_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_create_task, (fn, arg, arg_size, opt), weft_task_fn fn,
    const void *arg, size_t arg_size, const struct weft_spawn_opt *opt)
#define weft_create_task(...) weft_create_task_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_join, (task, result), weft_task task, int *result)
#define weft_join(...) weft_join_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_await, (task, result), weft_task task, int *result)
#define weft_await(...) weft_await_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_join_until, (task, result, deadline), weft_task task, int *result,
    int64_t deadline)
#define weft_join_until(...) weft_join_until_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_await_until, (task, result, deadline), weft_task task,
    int *result, int64_t deadline)
#define weft_await_until(...) weft_await_until_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_cancel, (task), weft_task task)
#define weft_cancel(...) weft_cancel_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_0_(int, weft_uncancel)
#define weft_uncancel() weft_uncancel_at_(WEFT_HERE_)

WEFT_AT_0_(int, weft_yield)
#define weft_yield() weft_yield_at_(WEFT_HERE_)

WEFT_AT_(int, weft_call_on_big_stack, (fn, arg), int (*fn)(void *), void *arg)
#define weft_call_on_big_stack(...) weft_call_on_big_stack_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_sleep, (ns), int64_t ns)
#define weft_sleep(...) weft_sleep_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_sleep_until, (deadline), int64_t deadline)
#define weft_sleep_until(...) weft_sleep_until_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_transport_open, (fd, protocol, arg, opt, transport), int fd,
    const struct weft_protocol *protocol, void *arg, const struct weft_stream_opt *opt,
    weft_transport **transport)
#define weft_transport_open(...) weft_transport_open_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_create_connection, (address, protocol, arg, opt, transport),
    const char *address, const struct weft_protocol *protocol, void *arg,
    const struct weft_connection_opt *opt, weft_transport **transport)
#define weft_create_connection(...) weft_create_connection_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_create_unix_connection, (path, protocol, arg, opt, transport),
    const char *path, const struct weft_protocol *protocol, void *arg,
    const struct weft_connection_opt *opt, weft_transport **transport)
#define weft_create_unix_connection(...) weft_create_unix_connection_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_create_server, (server, address, protocol, arg, opt),
    weft_server **server, const char *address, const struct weft_protocol *protocol, void *arg,
    const struct weft_server_opt *opt)
#define weft_create_server(...) weft_create_server_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_create_unix_server, (server, path, protocol, arg, opt),
    weft_server **server, const char *path, const struct weft_protocol *protocol, void *arg,
    const struct weft_server_opt *opt)
#define weft_create_unix_server(...) weft_create_unix_server_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_transport_write, (transport, data, size), weft_transport *transport,
    const void *data, size_t size)
#define weft_transport_write(...) weft_transport_write_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_transport_write_eof, (transport), weft_transport *transport)
#define weft_transport_write_eof(...) weft_transport_write_eof_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_transport_set_write_limits, (transport, high, low), weft_transport *transport,
    uint32_t high, uint32_t low)
#define weft_transport_set_write_limits(...) \
    weft_transport_set_write_limits_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(ssize_t, weft_transport_write_pending, (transport), const weft_transport *transport)
#define weft_transport_write_pending(...) weft_transport_write_pending_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_transport_pause_reading, (transport), weft_transport *transport)
#define weft_transport_pause_reading(...) weft_transport_pause_reading_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_transport_resume_reading, (transport), weft_transport *transport)
#define weft_transport_resume_reading(...) \
    weft_transport_resume_reading_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_transport_close, (transport), weft_transport *transport)
#define weft_transport_close(...) weft_transport_close_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_transport_abort, (transport), weft_transport *transport)
#define weft_transport_abort(...) weft_transport_abort_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_transport_is_closing, (transport), const weft_transport *transport)
#define weft_transport_is_closing(...) weft_transport_is_closing_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_transport_get_extra_info, (transport, info, info_size),
    const weft_transport *transport, struct weft_stream_info *info, size_t info_size)
#define weft_transport_get_extra_info(...) \
    weft_transport_get_extra_info_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(void *, weft_transport_state, (transport), weft_transport *transport)
#define weft_transport_state(...) weft_transport_state_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(void *, weft_transport_arg, (transport), const weft_transport *transport)
#define weft_transport_arg(...) weft_transport_arg_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_transport_set_protocol, (transport, protocol), weft_transport *transport,
    const struct weft_protocol *protocol)
#define weft_transport_set_protocol(...) weft_transport_set_protocol_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(const struct weft_protocol *, weft_transport_protocol, (transport),
    const weft_transport *transport)
#define weft_transport_protocol(...) weft_transport_protocol_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_NODISCARD WEFT_AT_(int, weft_watch_open, (watch), weft_watch **watch)
#define weft_watch_open(...) weft_watch_open_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_watch_add, (watch, path, mask), weft_watch *watch, const char *path,
    uint32_t mask)
#define weft_watch_add(...) weft_watch_add_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_watch_remove, (watch, number), weft_watch *watch, int number)
#define weft_watch_remove(...) weft_watch_remove_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_watch_next, (watch, event, flags), weft_watch *watch,
    struct weft_watch_event *event, int flags)
#define weft_watch_next(...) weft_watch_next_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_AT_(int, weft_watch_close, (watch), weft_watch *watch)
#define weft_watch_close(...) weft_watch_close_at_(WEFT_HERE_, __VA_ARGS__)

WEFT_END_DECLS
/* clang-format on */
#endif

#endif
