// proxy.c - a TCP proxy that is told to misbehave: what the chaos campaign puts before nats-server
// and PostgreSQL.
//
//     chaos_proxy LISTEN_PORT TARGET_PORT
//
// Orders come as lines on standard input, each is answered with "ok" on standard output:
//     open              forward everything (also ends each of the following)
//     delay MS          what is read goes on only so much later
//     hold in|out|both  nothing goes on to the server, to the client, or either way
//     refuse            new connections are closed at once
//     cut COUNT BYTES   COUNT connections (0: all) end after BYTES more, in the middle of whatever
//                       that is; 0 bytes: now
// It ends with its standard input. One thread; nothing is ever waited for but poll.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 512, BUFFER_BYTES = 1 << 16, TICK_MS = 1000 };
enum { CLIENT, SERVER, SIDES };

// What was read of one side and goes to the other.
struct half {
    char data[BUFFER_BYTES];
    size_t begin, end;
    int64_t due_ms; // not sent before
};

struct connection {
    int sockets[SIDES];
    struct half from[SIDES];
    int64_t bytes_left; // until it is cut; -1: it is not to be cut
};

static struct connection *connections[CONNECTIONS_MAX];
static size_t connection_count;
static int64_t delay_ms;
static bool held[SIDES]; // what was read of that side stays here
static bool refusing;

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int socket_new(void)
{
    int yes = 1, made = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (made < 0 || setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0 ||
        setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0)
        abort();
    return made;
}

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

// ---- connections --------------------------------------------------------------------------------

// With a reset on both sides, as a cable that is pulled and a firewall that forgets.
static void connection_cut(size_t place)
{
    struct linger now = {.l_onoff = 1};
    for (int side = 0; side < SIDES; side++) {
        setsockopt(connections[place]->sockets[side], SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close(connections[place]->sockets[side]);
    }
    free(connections[place]);
    connections[place] = connections[--connection_count];
}

static void connection_accept(int listener, int target_port)
{
    int yes = 1, client = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client < 0)
        return;
    if (refusing || connection_count == CONNECTIONS_MAX) {
        close(client);
        return;
    }
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    struct connection *made = malloc(sizeof *made);
    if (made == NULL)
        abort();
    made->from[CLIENT].begin = made->from[CLIENT].end = 0;
    made->from[SERVER].begin = made->from[SERVER].end = 0;
    made->bytes_left = -1;
    made->sockets[CLIENT] = client;
    made->sockets[SERVER] = socket_new();
    connections[connection_count++] = made;
    struct sockaddr_in to = loopback(target_port);
    if (connect(made->sockets[SERVER], (struct sockaddr *)&to, sizeof to) != 0 &&
        errno != EINPROGRESS)
        connection_cut(connection_count - 1);
}

// False: that side has ended.
static bool half_read(struct connection *connection, int side)
{
    struct half *half = &connection->from[side];
    if (half->begin < half->end)
        return true;
    size_t room = BUFFER_BYTES;
    if (connection->bytes_left >= 0 && connection->bytes_left < BUFFER_BYTES)
        room = (size_t)connection->bytes_left;
    if (room == 0)
        return false;
    ssize_t got = read(connection->sockets[side], half->data, room);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR || errno == ENOTCONN;
    if (connection->bytes_left >= 0)
        connection->bytes_left -= got;
    half->begin = 0;
    half->end = (size_t)got;
    half->due_ms = now_ms() + delay_ms;
    return got > 0;
}

static bool half_may_be_sent(const struct half *half, int side, int64_t now)
{
    return half->begin < half->end && !held[side] && half->due_ms <= now;
}

static bool half_send(struct connection *connection, int side)
{
    struct half *half = &connection->from[side];
    if (!half_may_be_sent(half, side, now_ms()))
        return true;
    ssize_t sent = send(connection->sockets[1 - side], half->data + half->begin,
                        half->end - half->begin, MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR || errno == ENOTCONN;
    half->begin += (size_t)sent;
    return true;
}

// False: the connection has ended.
static bool connection_step(struct connection *connection, const struct pollfd *seen)
{
    bool lives = true;
    for (int side = 0; side < SIDES && lives; side++) {
        if (seen[side].revents & (POLLIN | POLLHUP | POLLERR))
            lives = half_read(connection, side);
        lives = lives && half_send(connection, side);
    }
    return lives;
}

// ---- orders -------------------------------------------------------------------------------------

static void order_cut(size_t count, int64_t bytes)
{
    if (count == 0 || count > connection_count)
        count = connection_count;
    // From the end: the newest are at work, and what is cut leaves the others in their places.
    for (size_t place = connection_count, left = count; left-- > 0;) {
        place--;
        if (bytes == 0)
            connection_cut(place);
        else
            connections[place]->bytes_left = bytes;
    }
}

static void order(const char *line)
{
    long long first = 0, second = 0;
    char word[8] = "";
    if (strcmp(line, "open") == 0) {
        delay_ms = 0;
        refusing = held[CLIENT] = held[SERVER] = false;
    } else if (sscanf(line, "delay %lld", &first) == 1) {
        delay_ms = first;
    } else if (sscanf(line, "hold %7s", word) == 1) {
        held[CLIENT] = strcmp(word, "out") != 0;
        held[SERVER] = strcmp(word, "in") != 0;
    } else if (strcmp(line, "refuse") == 0) {
        refusing = true;
    } else if (sscanf(line, "cut %lld %lld", &first, &second) == 2) {
        order_cut((size_t)first, second);
    } else {
        printf("unknown: %s\n", line);
        return;
    }
    printf("ok\n");
}

// False: whoever gave orders has gone.
static bool orders_take(void)
{
    static char text[1024];
    static size_t used;
    ssize_t got = read(STDIN_FILENO, text + used, sizeof text - 1 - used);
    if (got <= 0)
        return false;
    used += (size_t)got;
    text[used] = '\0';
    for (char *end; (end = strchr(text, '\n')) != NULL;) {
        *end = '\0';
        order(text);
        used -= (size_t)(end + 1 - text);
        memmove(text, end + 1, used + 1);
    }
    fflush(stdout);
    return used < sizeof text - 1;
}

// ---- the loop -----------------------------------------------------------------------------------

// Asks to be woken for what each connection can do now; returns after how long at the latest.
static int watch(struct pollfd *polled)
{
    int64_t now = now_ms(), wait = TICK_MS;
    for (size_t i = 0; i < connection_count; i++) {
        struct connection *connection = connections[i];
        struct pollfd *at = &polled[SIDES * i];
        for (int side = 0; side < SIDES; side++)
            at[side] = (struct pollfd){.fd = connection->sockets[side]};
        for (int side = 0; side < SIDES; side++) {
            struct half *half = &connection->from[side];
            if (half->begin == half->end)
                at[side].events |= POLLIN;
            else if (half_may_be_sent(half, side, now))
                at[1 - side].events |= POLLOUT;
            else if (!held[side] && half->due_ms - now < wait)
                wait = half->due_ms - now;
        }
        // Else a side that hung up would wake us again and again while its bytes are held here.
        for (int side = 0; side < SIDES; side++)
            if (at[side].events == 0)
                at[side].fd = -1;
    }
    return (int)(wait > 0 ? wait : 0);
}

int main(int argc, char **argv)
{
    static struct pollfd polled[2 + SIDES * CONNECTIONS_MAX];
    if (argc != 3)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in here = loopback(atoi(argv[1]));
    int listener = socket_new();
    if (bind(listener, (struct sockaddr *)&here, sizeof here) != 0 || listen(listener, 256) != 0) {
        perror("chaos_proxy");
        return 1;
    }
    for (;;) {
        polled[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
        polled[1] = (struct pollfd){.fd = listener, .events = POLLIN};
        int wait_ms = watch(polled + 2);
        size_t count = connection_count;
        if (poll(polled, 2 + SIDES * count, wait_ms) < 0 && errno != EINTR)
            return 1;
        // From the end: one that goes is replaced by the last, which was looked at already.
        for (size_t i = count; i-- > 0;)
            if (!connection_step(connections[i], &polled[2 + SIDES * i]))
                connection_cut(i);
        if (polled[1].revents != 0)
            connection_accept(listener, atoi(argv[2]));
        if (polled[0].revents != 0 && !orders_take())
            return 0;
    }
}
