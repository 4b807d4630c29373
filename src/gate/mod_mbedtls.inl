/* mod_mbedtls.inl - CivetWeb's TLS module, which civetweb.c includes by this name.
 *
 * It only forwards: the gate decides.  Handshake, heads, deadlines and caps are in
 * gate_connection.c and gate_request.c.
 */
#include <limits.h>

#include <mbedtls/ssl.h>

#include "gate_connection.h"

#if !defined(MBEDTLS_THREADING_C) || !defined(MBEDTLS_THREADING_PTHREAD)
#error "mbedTLS must be built with MBEDTLS_THREADING_C and MBEDTLS_THREADING_PTHREAD: connections share keys"
#endif

typedef struct gate_connection SSL;

/* The settings are the gate's; CivetWeb wants to allocate something. */
typedef struct {
	int unused;
} SSL_CTX;

static int mbed_sslctx_init(SSL_CTX *ctx, const char *pem)
{
	(void)ctx;
	(void)pem;
	return 0;
}

static void mbed_sslctx_uninit(SSL_CTX *ctx)
{
	(void)ctx;
}

static int mbed_ssl_accept(SSL **ssl, SSL_CTX *ctx, int *sock, struct mg_context *phys_ctx)
{
	(void)ctx;
	(void)phys_ctx;
	*ssl = NULL;
	return gate_connection_open(*sock, ssl) == ST_OK ? 0 : -1;
}

static void mbed_ssl_close(SSL *ssl)
{
	gate_connection_close(ssl);
}

/* 0 ends the connection for CivetWeb, which takes it for an error. */
static int mbed_ssl_read(SSL *ssl, unsigned char *buf, int len)
{
	return (int)gate_connection_read(ssl, buf, (size_t)len);
}

static int mbed_ssl_write(SSL *ssl, const unsigned char *buf, int len)
{
	return (int)gate_connection_write(ssl, buf, (size_t)len);
}

/* CivetWeb asks this before it polls the socket.  All waiting is the gate's, with the gate's deadlines, so
 * there is always "something to read". */
#define mbedtls_ssl_get_bytes_avail(ssl) ((void)(ssl), INT_MAX)

/* CivetWeb complains on stderr whenever a connection ends. */
#define fprintf(stream, ...) ((stream) == stderr ? 0 : (fprintf)((stream), __VA_ARGS__))
