/*
 * COMPRESS DEFLATE, RFC 4978: from the next octet on, both directions are
 * compressed, as a layer of the stream.
 */
#include "session.h"

#include <errno.h>
#define ZLIB_CONST
#include <zlib.h>

enum {
	PIECE = 16 * 1024,
	WINDOW = -15,      /* raw deflate: no header, no checksum */
	/* What one read may become: a bomb is taken in pieces, and the
	 * stream's own limits hold for each. */
	INFLATED_MOST = 64 * 1024 * 1024,
};

struct deflate {
	z_stream in, out;
	bool is_open;
};

static bool inflate_some(void *state, struct str in, struct buf *plain,
	struct buf *wire)
{
	struct deflate *d = state;
	int result = Z_OK;
	size_t before = plain->len;

	(void)wire;
	d->in.next_in = (const Bytef *)in.p;
	d->in.avail_in = (uInt)in.len;
	do {
		if (!buf_room(plain, PIECE) ||
			plain->len - before > INFLATED_MOST) {
			errno = EMSGSIZE;
			return false;
		}
		d->in.next_out = (Bytef *)plain->p + plain->len;
		d->in.avail_out = PIECE;
		result = inflate(&d->in, Z_SYNC_FLUSH);
		plain->len += PIECE - d->in.avail_out;
	} while (result == Z_OK && d->in.avail_out == 0);
	if (result == Z_OK || result == Z_BUF_ERROR)
		return true;
	errno = result == Z_STREAM_END ? 0 : EPROTO;
	return false;
}

static bool deflate_some(struct deflate *d, struct str in, struct buf *wire,
	int flush)
{
	d->out.next_in = (const Bytef *)in.p;
	d->out.avail_in = (uInt)in.len;
	do {
		if (!buf_room(wire, PIECE)) {
			errno = ENOMEM;
			return false;
		}
		d->out.next_out = (Bytef *)wire->p + wire->len;
		d->out.avail_out = PIECE;
		if (deflate(&d->out, flush) == Z_STREAM_ERROR) {
			errno = EPROTO;
			return false;
		}
		wire->len += PIECE - d->out.avail_out;
	} while (d->out.avail_out == 0);
	return true;
}

/* What is flushed must reach the client whole. */
static bool encode(void *state, struct str plain, struct buf *wire)
{
	return deflate_some(state, plain, wire, Z_SYNC_FLUSH);
}

static bool finish(void *state, struct buf *wire)
{
	return deflate_some(state, STR(""), wire, Z_FINISH);
}

static const struct stream_layer layer = { inflate_some, encode, finish };

static void end(void *context)
{
	struct deflate *d = context;

	if (!d->is_open)
		return;
	inflateEnd(&d->in);
	deflateEnd(&d->out);
}

static bool open_deflate(struct deflate *d)
{
	if (inflateInit2(&d->in, WINDOW) != Z_OK)
		return false;
	if (deflateInit2(&d->out, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW,
		8, Z_DEFAULT_STRATEGY) != Z_OK) {
		inflateEnd(&d->in);
		return false;
	}
	return d->is_open = true;
}

struct answer verb_compress(struct session *s, struct str args)
{
	struct deflate *d = arena_new_of(s->arena, struct deflate);

	if (!str_is_nocase(args, "DEFLATE"))
		return BAD_("Unknown mechanism");
	if (s->is_compressed)
		return NO_("[COMPRESSIONACTIVE] DEFLATE is active already");
	/* What follows in the clear would be read as compressed. */
	if (io_has_input(s->io))
		return BAD_("Input behind COMPRESS");
	if (!open_deflate(d))
		return NO_("[UNAVAILABLE] No memory for it now");
	arena_on_free(s->arena, end, d);
	io_fmt(s->io, "%.*s OK DEFLATE active\r\n", STR_ARG(s->tag));
	if (!io_flush(s->io, IDLE_LIMIT)) {
		s->stage = GONE;
		return NO_("Connection lost");
	}
	stream_set_layer(s->io, &layer, d);
	s->is_compressed = true;
	return (struct answer){ NULL, STR_NONE }; /* given already */
}
