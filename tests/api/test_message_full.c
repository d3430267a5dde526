/*
 * Unix sockets that keep messages apart, and a receiver that has no room: a send that has to wait
 * is whole when it comes, and can be ended while it waits. Catches a message that arrives empty,
 * which is what the kernel makes of a request that waits; one that comes twice; and a sender that
 * nobody can end. A vector is written by a request that does wait, and begins anew as it should.
 */
#include "support/name.h"
#include "support/net.h"

enum { MANY = 60, SIZE = 4000 };

enum way { BY_SEND, BY_SENDTO, BY_SEND_ALL, BY_WRITEV, BY_WRITEV_ALL, TO_AN_ADDRESS, WAYS };

struct sender {
    int fd;
    enum way way;
    const char *name; /* of the receiver */
    int sent;
    ssize_t result;
};

static ssize_t send_one(const struct sender *sender, char *bytes)
{
    const struct iovec halves[2] = {{bytes, SIZE / 2}, {bytes + SIZE / 2, SIZE / 2}};
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t length = strlen(sender->name) - 5; /* without "unix:" */

    switch (sender->way) {
    case BY_SEND:
        return weft_send(sender->fd, bytes, SIZE, 0);
    case BY_SENDTO:
        return weft_sendto(sender->fd, bytes, SIZE, 0, NULL, 0);
    case BY_SEND_ALL:
        return weft_send_all(sender->fd, bytes, SIZE, NULL);
    case BY_WRITEV:
        return weft_writev(sender->fd, halves, 2);
    case BY_WRITEV_ALL:
        return weft_writev_all(sender->fd, halves, 2, NULL);
    default:
        memcpy(to.sun_path, sender->name + 5, length);
        to.sun_path[0] = '\0';
        return weft_sendto(sender->fd, bytes, SIZE, 0, (struct sockaddr *)&to,
                           (socklen_t)(sizeof(sa_family_t) + length));
    }
}

static int sends(void *arg)
{
    struct sender *sender = arg;
    unsigned char bytes[SIZE];

    sender->result = SIZE;
    for (sender->sent = 0; sender->sent < MANY && sender->result == SIZE; sender->sent++) {
        net_fill(bytes, SIZE, (uint64_t)sender->sent, 0);
        sender->result = send_one(sender, (char *)bytes);
    }
    return 0;
}

static int open_sender(enum way way, const char *name)
{
    int fd = way == TO_AN_ADDRESS
                 ? weft_datagram_socket(own_name("unix:@weft-full-sender"), NULL, NULL)
                 : weft_datagram_socket(NULL, name, NULL);

    ok(fd);
    return fd;
}

/* As many as fit are on their way; then they are read. */
static int main_whole(void *arg)
{
    const char *name = own_name("unix:@weft-full-receiver");
    unsigned char bytes[SIZE + 1];

    (void)arg;
    for (enum way way = 0; way < WAYS; way++) {
        int receiver = weft_datagram_socket(name, NULL, NULL);
        struct sender sender = {.way = way, .name = name};
        ok(receiver);
        sender.fd = open_sender(way, name);
        WEFT_SCOPE(s) {
            ok(weft_spawn(&s, sends, &sender, 0, NULL));
            ok(weft_sleep(5000000));
            for (int i = 0; i < MANY; i++) {
                ck_assert_int_eq(weft_recv(receiver, bytes, sizeof bytes, 0), SIZE);
                net_check(bytes, SIZE, (uint64_t)i, 0);
            }
        }
        ck_assert_int_eq(sender.result, SIZE);
        ck_assert_int_eq(weft_recv(receiver, bytes, sizeof bytes, MSG_DONTWAIT), -EAGAIN);
        ok(weft_close(sender.fd));
        ok(weft_close(receiver));
    }
    return 0;
}
TEST(what_waits_comes_whole)
{
    net_run(main_whole);
}

/* Cancelled while it waits, closed while it waits, and the receiver gone. */
static int main_ended(void *arg)
{
    const char *name = own_name("unix:@weft-full-receiver");
    struct weft_spawn_opt opt = {.size = sizeof opt};
    weft_task task;

    (void)arg;
    opt.task = &task;
    for (enum way way = 0; way < WAYS; way++)
        for (int end = 0; end < 3; end++) {
            int receiver = weft_datagram_socket(name, NULL, NULL), before = -1;
            struct sender sender = {.way = way, .name = name};
            ok(receiver);
            sender.fd = open_sender(way, name);
            WEFT_SCOPE(s) {
                ok(weft_spawn(&s, sends, &sender, 0, &opt));
                while (sender.sent != before) { /* it waits, or has sent all there was */
                    before = sender.sent;
                    ok(weft_sleep(20000000));
                }
                if (end == 0)
                    (void)weft_cancel(task);
                else
                    ok(weft_close(end == 1 ? sender.fd : receiver));
                ok(weft_join(task, NULL));
            }
            if (sender.result != SIZE)
                ck_assert_int_eq(sender.result, end < 2 ? -ECANCELED : -ECONNREFUSED);
            if (end != 1)
                ok(weft_close(sender.fd));
            if (end != 2)
                ok(weft_close(receiver));
        }
    return 0;
}
TEST(who_waits_can_be_ended)
{
    net_run(main_ended);
}

TEST_MAIN("message_full", 60, what_waits_comes_whole, who_waits_can_be_ended)
