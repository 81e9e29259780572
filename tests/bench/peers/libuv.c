// libuv: one shared buffer, written at once, and queued if the socket has no room. Usage: libuv echo|datagrams
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

static char shared[64 * 1024];

struct rest {
    uv_write_t request;
    char bytes[];
};

static void on_closed(uv_handle_t *handle) { free(handle); }

static void drop(uv_stream_t *stream) {
    if (!uv_is_closing((uv_handle_t *)stream)) uv_close((uv_handle_t *)stream, on_closed);
}

static void lend(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    (void)handle, (void)suggested;
    *buffer = uv_buf_init(shared, sizeof shared);
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer);

static void on_written(uv_write_t *request, int status) {
    uv_stream_t *stream = request->handle;
    free(request);
    if (status < 0) drop(stream);
    else uv_read_start(stream, lend, on_read);
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer) {
    if (length < 0) return drop(stream);
    if (length == 0) return;
    uv_buf_t all = uv_buf_init(buffer->base, length);
    int sent = uv_try_write(stream, &all, 1);
    if (sent == length) return;
    if (sent < 0 && sent != UV_EAGAIN) return drop(stream);
    if (sent < 0) sent = 0;
    // Nothing is read until the rest is written.
    uv_read_stop(stream);
    struct rest *rest = malloc(sizeof *rest + length - sent);
    memcpy(rest->bytes, buffer->base + sent, length - sent);
    uv_buf_t queued = uv_buf_init(rest->bytes, length - sent);
    uv_write(&rest->request, stream, &queued, 1, on_written);
}

static void on_connection(uv_stream_t *listener, int status) {
    if (status < 0) return;
    uv_tcp_t *connection = malloc(sizeof *connection);
    uv_tcp_init(listener->loop, connection);
    if (uv_accept(listener, (uv_stream_t *)connection)) return drop((uv_stream_t *)connection);
    uv_tcp_nodelay(connection, 1);
    uv_read_start((uv_stream_t *)connection, lend, on_read);
}

static void on_datagram(
    uv_udp_t *socket, ssize_t length, const uv_buf_t *buffer, const struct sockaddr *from, unsigned flags) {
    (void)flags;
    if (length < 0 || !from) return;
    uv_buf_t answer = uv_buf_init(buffer->base, length);
    uv_udp_try_send(socket, &answer, 1, from);
}

int main(int argc, char **argv) {
    uv_loop_t *loop = uv_default_loop();
    static uv_udp_t datagrams;
    static uv_tcp_t listener;
    struct sockaddr_in address;
    int length = sizeof address;
    uv_ip4_addr("127.0.0.1", 0, &address);
    if (argc > 1 && !strcmp(argv[1], "datagrams")) {
        uv_udp_init(loop, &datagrams);
        if (uv_udp_bind(&datagrams, (void *)&address, 0)) return 1;
        uv_udp_getsockname(&datagrams, (void *)&address, &length);
        uv_udp_recv_start(&datagrams, lend, on_datagram);
    } else {
        uv_tcp_init(loop, &listener);
        if (uv_tcp_bind(&listener, (void *)&address, 0)) return 1;
        if (uv_listen((uv_stream_t *)&listener, 4096, on_connection)) return 1;
        uv_tcp_getsockname(&listener, (void *)&address, &length);
    }
    printf("ready 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return uv_run(loop, UV_RUN_DEFAULT);
}
