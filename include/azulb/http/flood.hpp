// What a peer can do too much of, beyond asking and answering: each kind is bounded per connection (but where
// a listener is named), and counted where it ended one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "azulb/base/counter.hpp"

namespace azulb::http {

enum class Flood : std::uint8_t {
  reset,      // requests begun and taken back (CVE-2023-44487)
  bad_frame,  // frames that make us reset a stream (CVE-2025-8671)
  ping,
  settings,
  priority,  // also frames of unknown types
  window_update,
  empty_frame,  // frames that carry nothing and end nothing
  tiny_data,    // DATA that carries less than the smallest message of gRPC
  late_frame,   // frames on streams that are over, whose client may not have known
  goaway,
  connection_error,  // connections ended for what the client sent, of a listener's clients together
  continuation,      // a header block in too many parts
  header_block,      // a header block that unfolds to far more than the limits
  unread_reply,      // frames that want a reply, from a client that reads none
  stall,             // a stream that took nothing for timeout.send: only the stream is ended
};
inline constexpr std::array<std::string_view, 15> flood_names = {
    "reset",        "bad_frame",    "ping",       "settings", "priority",         "window_update",
    "empty_frame",  "tiny_data",    "late_frame", "goaway",   "connection_error", "continuation",
    "header_block", "unread_reply", "stall"};
inline constexpr std::size_t flood_count = flood_names.size();
static_assert(static_cast<std::size_t>(Flood::stall) + 1 == flood_count);

/// Those that a server is held to; the others ask for too much, or cost nothing where we are the client.
inline constexpr std::array server_floods = {Flood::reset,        Flood::ping,          Flood::settings,
                                             Flood::priority,     Flood::window_update, Flood::empty_frame,
                                             Flood::continuation, Flood::header_block,  Flood::unread_reply};

using FloodCounters = std::array<base::Counter, flood_count>;

}  // namespace azulb::http
