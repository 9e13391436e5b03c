// An nghttp2 session as its owner, and what sessions are made with.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <memory>

namespace azulb::http2 {

struct SessionDeleter {
  void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
};
using Session = std::unique_ptr<nghttp2_session, SessionDeleter>;

/// Whom a connection leads to, and so which end of it azulb is.
enum class End : std::uint8_t { to_client, to_server };

class Multiplexer;

/// A session that tells `multiplexer`. Never null: without memory there is nothing to go on with.
Session make_session(Multiplexer& multiplexer, End end);

}  // namespace azulb::http2
