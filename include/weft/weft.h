/*
 * weft/weft.h - everything. See docs/tour.md for a first walk through it.
 */
#ifndef WEFT_WEFT_H
#define WEFT_WEFT_H

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

/* Last: what it defines are macros of the names above. */
#include <weft/call_sites.h>

#endif
