// What a request becomes on its way to a server: the key it is balanced by, and the head that is sent.
#pragma once

#include <cstdint>
#include <string_view>

#include "azulb/http/head_writer.hpp"
#include "azulb/http/stored_request.hpp"
#include "azulb/proxy/snapshot.hpp"

namespace azulb::proxy {

/// What the upstream's `hash_key` selects in the request; empty where it has none. A view into the request.
std::string_view hash_value(const config::HashKey& key, const http::Request& request);

/// What is asked of the upstream's selector, but for the servers that were tried.
balance::Choice choice_for(const UpstreamSnapshot& upstream, const http::Request& request);

/// The head for this server, after judge_forwarded and mark_hop_by_hop, as the route's rules want it; they
/// mark fields of the request. Views into all of these, `scratch` too.
http::RequestHeadOut head_for_server(const UpstreamSnapshot& upstream, std::uint32_t server,
                                     http::Request& request, const RouteRules& rules,
                                     std::string_view listener, HeaderScratch& scratch);

}  // namespace azulb::proxy
