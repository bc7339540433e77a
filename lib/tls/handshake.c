#include "tls/layer.h"

#include "base/log.h"

#include <errno.h>
#include <openssl/err.h>

enum {
	PIECE = 16 * 1024, /* plain octets of the largest record */
};

/* ---- A BIO over the octets at hand ---- */

static int bio_read(BIO *bio, char *into, size_t room, size_t *got)
{
	struct tls_layer *layer = BIO_get_data(bio);
	struct str part = str_first(layer->in, room);

	BIO_clear_retry_flags(bio);
	if (part.len == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	memcpy(into, part.p, part.len);
	layer->in = str_skip(layer->in, part.len);
	*got = part.len;
	return 1;
}

static int bio_write(BIO *bio, const char *octets, size_t len, size_t *taken)
{
	struct tls_layer *layer = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (!layer->wire)
		return -1;
	buf_add(layer->wire, str_of(octets, len));
	*taken = len;
	return 1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio, (void)number, (void)pointer;
	return command == BIO_CTRL_FLUSH;
}

static const BIO_METHOD *method(void)
{
	static BIO_METHOD *made;

	if (made)
		return made;
	made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK,
		"stream");
	if (!made || BIO_meth_set_read_ex(made, bio_read) != 1 ||
		BIO_meth_set_write_ex(made, bio_write) != 1 ||
		BIO_meth_set_ctrl(made, bio_ctrl) != 1)
		starved("out of memory: BIO");
	return made;
}

struct tls_layer *tls_layer_of(const SSL *ssl)
{
	return SSL_get_app_data(ssl);
}

/* ---- The layer ---- */

static bool protocol_failure(struct tls_layer *layer)
{
	tls_problems();
	layer->is_over = true;
	errno = EPROTO;
	return false;
}

/* One SSL_read; 1: octets or nothing yet, 0: orderly end, -1: failure. */
static int read_record(struct tls_layer *layer, struct buf *plain, bool *more)
{
	size_t got;

	*more = false;
	if (!buf_room(plain, PIECE))
		panic("no room for a TLS record");
	ERR_clear_error();
	if (SSL_read_ex(layer->ssl, plain->p + plain->len, PIECE, &got) == 1) {
		plain->len += got;
		*more = true;
		return 1;
	}
	switch (SSL_get_error(layer->ssl, 0)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return 1;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		return -1;
	}
}

static bool decode(void *state, struct str in, struct buf *plain,
	struct buf *wire)
{
	struct tls_layer *layer = state;
	bool more = true;
	int result = 1;

	layer->in = in;
	layer->wire = wire;
	while (result > 0 && more)
		result = read_record(layer, plain, &more);
	layer->wire = NULL;
	if (result < 0)
		return protocol_failure(layer);
	errno = 0;
	return result > 0;
}

static bool encode(void *state, struct str plain, struct buf *wire)
{
	struct tls_layer *layer = state;
	bool ok = true;

	layer->in = STR_NONE;
	layer->wire = wire;
	while (ok && plain.len > 0) {
		size_t taken;

		ERR_clear_error();
		ok = SSL_write_ex(layer->ssl, plain.p, plain.len, &taken) == 1;
		if (ok)
			plain = str_skip(plain, taken);
	}
	layer->wire = NULL;
	return ok || protocol_failure(layer);
}

static bool finish(void *state, struct buf *wire)
{
	struct tls_layer *layer = state;

	if (layer->is_over)
		return true;
	layer->in = STR_NONE;
	layer->wire = wire;
	ERR_clear_error();
	if (SSL_shutdown(layer->ssl) < 0)
		ERR_clear_error();
	layer->wire = NULL;
	return true;
}

static const struct stream_layer tls_stream_layer = { decode, encode, finish };

/* ---- The handshake ---- */

static void layer_free(void *context)
{
	struct tls_layer *layer = context;

	/* Without this the library would drop a session that was not ended
	 * by close_notify; SMTP clients often just go. */
	SSL_set_quiet_shutdown(layer->ssl, 1);
	SSL_set_shutdown(layer->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(layer->ssl);
}

static struct tls_layer *layer_new(struct arena *arena,
	const struct tls_context *context, bool is_server)
{
	struct tls_layer *layer = arena_new_of(arena, struct tls_layer);
	BIO *bio = BIO_new(method());

	layer->context = context;
	layer->is_server = is_server;
	layer->ssl = SSL_new(context->ssl);
	if (!layer->ssl || !bio)
		starved("out of memory: TLS connection");
	BIO_set_data(bio, layer);
	BIO_set_init(bio, 1);
	SSL_set_bio(layer->ssl, bio, bio);
	SSL_set_app_data(layer->ssl, layer);
	arena_on_free(arena, layer_free, layer);
	return layer;
}

static bool failed(struct tls_session *session, const char *why)
{
	session->failure = str_from(why);
	return false;
}

/* The text after a failed read or write of the stream. */
static bool lost(struct arena *arena, struct tls_session *session)
{
	int error = errno;

	session->failure = error == 0 ? STR("lost connection") :
		arena_fmt(arena, "%s", strerror(error));
	errno = error;
	return false;
}

static bool send_wire(struct stream *stream, struct buf *wire,
	struct moment until)
{
	bool ok = wire->len == 0 ||
		stream_raw_write(stream, buf_str(wire), moment_left(until));

	buf_clear(wire);
	return ok;
}

static bool shake(struct arena *arena, struct stream *stream,
	struct tls_layer *layer, struct moment until,
	struct tls_session *session)
{
	auto_buf struct buf wire = { 0 };

	for (;;) {
		int result, error;

		layer->wire = &wire;
		ERR_clear_error();
		result = SSL_do_handshake(layer->ssl);
		error = SSL_get_error(layer->ssl, result);
		layer->wire = NULL;
		if (error != SSL_ERROR_NONE && error != SSL_ERROR_WANT_READ) {
			tls_problems();
			layer->is_over = true;
			/* the alert */
			(void)send_wire(stream, &wire, until);
			errno = EPROTO;
			return failed(session, "-1");
		}
		if (!send_wire(stream, &wire, until))
			return lost(arena, session);
		if (error == SSL_ERROR_NONE)
			return true;
		if (!stream_raw_read(stream, &layer->in, moment_left(until)))
			return lost(arena, session);
	}
}

static bool run(struct arena *arena, struct stream *stream,
	struct tls_layer *layer, const struct tls_client *client,
	struct span timeout, struct tls_session *session)
{
	if (!shake(arena, stream, layer, moment_after(timeout), session))
		return false;
	session->layer = layer;
	tls_session_fill(arena, layer, client, session);
	stream_set_layer(stream, &tls_stream_layer, layer);
	/* What came together with the last handshake message. */
	if (stream_layer_input(stream, layer->in))
		return true;
	return failed(session, "-1");
}

bool tls_accept(struct arena *arena, struct stream *stream,
	struct tls_context *context, struct span timeout,
	struct tls_session *session)
{
	struct tls_layer *layer = layer_new(arena, context, true);

	*session = (struct tls_session){ 0 };
	SSL_set_accept_state(layer->ssl);
	return run(arena, stream, layer, NULL, timeout, session);
}

/* What this connection wants otherwise than the context. */
static bool prepare(struct arena *arena, struct tls_layer *layer,
	const struct tls_client *client)
{
	SSL *ssl = layer->ssl;
	struct tls_protocols protocols;

	if (client->dane && !tls_dane_want(arena, ssl, client))
		return false;
	if (!(client->dane && client->dane->base.len > 0) &&
		client->servername.len > 0)
		SSL_set_tlsext_host_name(ssl,
			arena_cstr(arena, client->servername));
	if (client->protocols.len > 0) {
		if (!tls_protocols_parse(client->protocols, &protocols))
			return false;
		SSL_clear_options(ssl, SSL_OP_NO_SSL_MASK);
		SSL_set_options(ssl, protocols.without);
		SSL_set_min_proto_version(ssl, protocols.lowest);
		SSL_set_max_proto_version(ssl, protocols.highest);
	}
	if (client->ciphers.len > 0 || client->exclude.len > 0) {
		struct buf exclude = BUF_IN(arena);

		buf_text(&exclude, layer->context->exclude);
		tls_exclude_format(&exclude, client->exclude);
		buf_add(&exclude, str_of("", 1));
		if (!tls_ciphers_set(NULL, ssl, client->ciphers, exclude.p))
			return false;
	}
	return true;
}

/* What an earlier connection left; octets that make no sense are ignored. */
static void resume(struct tls_layer *layer, struct str octets)
{
	const unsigned char *at = (const unsigned char *)octets.p;
	SSL_SESSION *session;

	if (octets.len == 0 || octets.len > INT32_MAX)
		return;
	session = d2i_SSL_SESSION(NULL, &at, (long)octets.len);
	if (session) {
		SSL_set_session(layer->ssl, session);
		SSL_SESSION_free(session);
	}
	ERR_clear_error();
}

bool tls_connect(struct arena *arena, struct stream *stream,
	struct tls_context *context, const struct tls_client *client,
	struct span timeout, struct tls_session *session)
{
	struct tls_layer *layer = layer_new(arena, context, false);

	*session = (struct tls_session){ 0 };
	SSL_set_connect_state(layer->ssl);
	ERR_clear_error();
	if (!prepare(arena, layer, client)) {
		tls_problems();
		errno = EINVAL;
		return failed(session, "bad protocols, ciphers or TLSA records");
	}
	resume(layer, client->resume);
	return run(arena, stream, layer, client, timeout, session);
}
