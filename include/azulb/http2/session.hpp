// An nghttp2 session as its owner, and what sessions are made with.
#pragma once

#include <nghttp2/nghttp2.h>

#include <memory>

namespace azulb::http2 {

struct SessionDeleter {
  void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
};
using Session = std::unique_ptr<nghttp2_session, SessionDeleter>;

class ClientCodec;

/// A server's session that tells `codec`. Never null: without memory there is nothing to go on with.
Session make_server_session(ClientCodec& codec);

}  // namespace azulb::http2
