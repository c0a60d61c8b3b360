/* The way home of a request: answering from any loop, and giving its frame back early. */
#include "wire/req.h"

static void req_come_home(struct mail *mail)
{
	struct req *req = container_of(mail, struct req, mail);

	must_be(req, REQ_MAGIC);
	req->on_done(req);
}

void req_done(struct req *req)
{
	must_be(req, REQ_MAGIC);
	must(req->on_done != NULL);
	if (loop_is_mine(req->loop)) {
		req->on_done(req);
		return;
	}
	req->mail.deliver = req_come_home;
	loop_post(req->loop, &req->mail);
}

void req_overlap(struct req *req)
{
	must_be(req, REQ_MAGIC);
	must(loop_is_mine(req->loop));
	req->overlap = true;
	if (req->on_overlap != NULL)
		req->on_overlap(req);
}

void req_release_frame(struct req *req)
{
	must_be(req, REQ_MAGIC);
	if (req->frame.ptr == NULL)
		return;
	/* When the arena is full the client id is lost, as null; arena.failed tells. */
	req->header.client_id = arena_str(&req->arena, req->header.client_id);
	req->frame = BYTES_NULL;
	req->body = (struct rd){NULL, NULL, ERR_OK};
	if (req->on_release != NULL)
		req->on_release(req);
}
