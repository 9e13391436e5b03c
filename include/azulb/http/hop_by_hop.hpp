// Which fields stay behind at azulb (RFC 9110 section 7.6.1). Marks Field::drop; removes nothing.
#pragma once

#include "azulb/http/head.hpp"

namespace azulb::http {

/// Marks Connection and the fields it names, Keep-Alive, Proxy-Connection, TE,
/// Transfer-Encoding, Content-Length, Upgrade, HTTP2-Settings, Host, Expect, underscore twins, and Trailer
/// where the body is not chunked: all that the head writer writes anew or nobody behind azulb may see.
/// Connection cannot name away what a server needs to understand the message (Host, Cookie, Authorization,
/// Content-Type, ...), and azulb's own fields are added after.
void mark_hop_by_hop(RequestHead& head);

/// The same for a response, without Host, Expect and twins; Proxy-Authenticate stays.
void mark_hop_by_hop(ResponseHead& head);

/// Whether a trailer field may pass (RFC 9110 section 6.5.1): not framing, routing, request modifiers,
/// authentication, response control, or payload description.
bool trailer_may_pass(const Field& field);
/// Marks those that may not.
void mark_trailers(std::span<Field> trailers);

}  // namespace azulb::http
