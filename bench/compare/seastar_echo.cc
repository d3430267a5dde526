/* seastar-echo: the echo server on Seastar. `seastar-echo ADDRESS:PORT|unix:PATH`.
 *
 * A coroutine for each connection, on one shard. By default Seastar has a core to itself and polls
 * it without end; beside other servers it must sleep, which is its --overprovisioned. Of its ways
 * of waiting linux-aio measured best here: ahead of its epoll, and by far of its io_uring.
 */
#include <csignal>
#include <seastar/core/app-template.hh>
#include <seastar/core/coroutine.hh>
#include <seastar/core/iostream.hh>
#include <seastar/core/reactor.hh>
#include <seastar/core/semaphore.hh>
#include <seastar/core/signal.hh>
#include <seastar/net/api.hh>
#include <seastar/net/unix_address.hh>
#include <unistd.h>

#include "tally.h"

namespace ss = seastar;

static engine_counters counters;

static ss::future<> echo(ss::connected_socket &socket)
{
    socket.set_nodelay(true);
    auto in = socket.input();
    auto out = socket.output(PEER_BUFFER_BYTES);
    std::exception_ptr failed;
    try {
        for (;;) {
            auto bytes = co_await in.read();
            if (bytes.empty())
                break;
            auto length = bytes.size();
            counters.messages++;
            co_await out.write(std::move(bytes));
            co_await out.flush();
            counters.bytes += length;
        }
    } catch (...) {
        failed = std::current_exception();
    }
    co_await out.close();
    co_await in.close();
    if (failed)
        std::rethrow_exception(failed);
}

static ss::future<> conversation(ss::connected_socket socket)
{
    counters.connections++;
    try {
        co_await echo(socket);
    } catch (...) {
        counters.errors++;
    }
}

static ss::future<> serve(ss::server_socket &listener)
{
    try {
        for (;;)
            (void)conversation((co_await listener.accept()).connection);
    } catch (...) {
        /* told to stop */
    }
}

static ss::socket_address where_of(const struct address &address, const char *text)
{
    if (address.is_unix) {
        unlink(text + 5);
        return ss::socket_address(ss::unix_domain_addr(text + 5));
    }
    return ss::socket_address(*(const sockaddr_in *)&address.storage);
}

static ss::future<int> run(const struct address *address, const char *text)
{
    ss::listen_options options;
    options.reuse_address = true;
    options.listen_backlog = PEER_BACKLOG;
    ss::semaphore stopped(0);
    ss::handle_signal(SIGUSR1, [] { tally_print("seastar-echo", &counters); });
    ss::handle_signal(
        SIGTERM, [&] { stopped.signal(); }, true);
    auto listener = ss::listen(where_of(*address, text), options);
    auto serving = serve(listener);
    tally_ready(text);
    co_await stopped.wait();
    listener.abort_accept();
    co_await std::move(serving);
    tally_print("seastar-echo", &counters);
    co_return 0;
}

int main(int argc, char **argv)
{
    static struct address address;
    if (argc != 2 || address_parse(&address, argv[1]) < 0) {
        fprintf(stderr, "usage: seastar-echo ADDRESS:PORT|unix:PATH\n");
        return 2;
    }
    raise_descriptor_limit();
    ss::app_template::config config;
    config.auto_handle_sigint_sigterm = false;
    ss::app_template app(std::move(config));
    const char *given[] = {"seastar-echo",
                           "--smp=1",
                           "--memory=512M",
                           "--overprovisioned",
                           "--reactor-backend=linux-aio",
                           "--default-log-level=error",
                           nullptr};
    return app.run(6, (char **)given, [&] { return run(&address, argv[1]); });
}
