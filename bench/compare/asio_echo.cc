/* asio-echo: the echo server on standalone Asio. `asio-echo ADDRESS:PORT|unix:PATH`.
 *
 * Callbacks on an object for each connection, as Asio's examples for C++11 have it, with a buffer
 * of its own; C++20 coroutines measured up to a third dearer. The hint says that one thread runs
 * the context, which spares Asio its locks, and the executor's type is named, which spares indirect
 * calls. generic::stream_protocol covers TCP and Unix sockets with one text.
 */
#include <asio.hpp>
#include <csignal>
#include <memory>

#include "tally.h"

using executor = asio::io_context::executor_type;
using protocol = asio::generic::stream_protocol;
using socket_type = asio::basic_stream_socket<protocol, executor>;
using acceptor_type = asio::basic_socket_acceptor<protocol, executor>;

static engine_counters counters;

class connection : public std::enable_shared_from_this<connection>
{
  public:
    explicit connection(socket_type socket) : socket_(std::move(socket))
    {
    }

    void read()
    {
        socket_.async_read_some(asio::buffer(buffer_),
                                [self = shared_from_this()](std::error_code error,
                                                            std::size_t length) {
                                    if (error) {
                                        counters.errors += error != asio::error::eof;
                                        return;
                                    }
                                    counters.messages++;
                                    self->write(length);
                                });
    }

  private:
    void write(std::size_t length)
    {
        asio::async_write(socket_, asio::buffer(buffer_, length),
                          [self = shared_from_this()](std::error_code error, std::size_t sent) {
                              counters.bytes += sent;
                              if (error) {
                                  counters.errors++;
                                  return;
                              }
                              self->read();
                          });
    }

    socket_type socket_;
    char buffer_[PEER_BUFFER_BYTES]; /* not cleared: an idle connection touches none of it */
};

static void accept_from(acceptor_type &acceptor)
{
    acceptor.async_accept([&](std::error_code error, socket_type socket) {
        if (!error) {
            counters.connections++;
            std::make_shared<connection>(std::move(socket))->read();
        }
        accept_from(acceptor);
    });
}

static void watch(asio::io_context &context, asio::signal_set &signals)
{
    signals.async_wait([&](std::error_code error, int number) {
        if (error || number != SIGUSR1) {
            context.stop();
            return;
        }
        tally_print("asio-echo", &counters);
        watch(context, signals);
    });
}

int main(int argc, char **argv)
{
    struct address address;
    int fd = tally_listen(argc, argv, &address);

    asio::io_context context(ASIO_CONCURRENCY_HINT_UNSAFE);
    acceptor_type acceptor(context, protocol(address.storage.ss_family, 0), fd);
    asio::signal_set signals(context, SIGTERM, SIGINT, SIGUSR1);
    accept_from(acceptor);
    watch(context, signals);
    tally_ready(argv[1]);
    context.run();
    tally_print("asio-echo", &counters);
    return 0;
}
