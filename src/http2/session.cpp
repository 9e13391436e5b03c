#include "azulb/http2/session.hpp"

#include <cstring>
#include <span>
#include <string_view>

#include "azulb/base/assert.hpp"
#include "azulb/base/pooled_memory.hpp"
#include "azulb/http2/multiplexer.hpp"

namespace azulb::http2 {
namespace {

// A header block of ours, before compression: a server's answer as http1 takes it and our own fields; or a
// request as large as a listener may allow.
constexpr std::size_t response_block_bytes = 256 * 1024;
constexpr std::size_t request_block_bytes = 4 * 1024 * 1024;
// Unsent answers to PING and SETTINGS; past it nghttp2 gives up the connection.
constexpr std::size_t unread_replies_limit = 1000;
// nghttp2 counts reads, not frames, where a CONTINUATION comes in pieces: judge_frame counts the frames.
constexpr std::size_t no_limit = 1U << 20U;

void* allocate(std::size_t size_bytes, void*) {
  return base::pooled_allocate(size_bytes);
}
void* allocate_cleared(std::size_t count, std::size_t size_bytes, void*) {
  void* memory = base::pooled_allocate(count * size_bytes);  // small numbers of nghttp2's own
  if (memory != nullptr) std::memset(memory, 0, count * size_bytes);
  return memory;
}
void* reallocate(void* memory, std::size_t size_bytes, void*) {
  return base::pooled_reallocate(memory, size_bytes);
}
void release(void* memory, void*) {
  base::pooled_free(memory);
}

// What sessions hold counts in process.max_memory, and a stream on a warm connection allocates nothing.
nghttp2_mem session_memory{nullptr, allocate, release, allocate_cleared, reallocate};

Multiplexer& of(void* user_data) {
  return *static_cast<Multiplexer*>(user_data);
}

std::string_view text_of(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace

/// nghttp2's callbacks, one for one.
struct SessionCallbacks {
  SessionCallbacks() {
    const int status = nghttp2_session_callbacks_new(&table);
    AZULB_ASSERT(status == 0);
    nghttp2_session_callbacks_set_on_begin_frame_callback(table, frame_begins);
    nghttp2_session_callbacks_set_on_begin_headers_callback(table, headers_begin);
    nghttp2_session_callbacks_set_on_header_callback(table, header_field);
    nghttp2_session_callbacks_set_on_frame_recv_callback(table, frame_received);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(table, body_received);
    nghttp2_session_callbacks_set_before_frame_send_callback(table, frame_leaves);
    nghttp2_session_callbacks_set_on_frame_send_callback(table, frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(table, stream_closed);
    nghttp2_session_callbacks_set_send_data_callback(table, send_body);
  }
  ~SessionCallbacks() { nghttp2_session_callbacks_del(table); }
  SessionCallbacks(const SessionCallbacks&) = delete;
  SessionCallbacks& operator=(const SessionCallbacks&) = delete;

  static int frame_begins(nghttp2_session*, const nghttp2_frame_hd* frame, void* user_data) {
    of(user_data).frame_head_received(*frame);
    return 0;
  }
  static int headers_begin(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    of(user_data).headers_begin(*frame);
    return 0;
  }
  static int header_field(nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name,
                          std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                          std::uint8_t, void* user_data) {
    const bool goes_on = of(user_data).field_received(text_of(name, name_size), text_of(value, value_size));
    return goes_on ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
  }
  static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    of(user_data).whole_frame_received(*frame);
    return 0;
  }
  static int body_received(nghttp2_session*, std::uint8_t, std::int32_t stream_id, const std::uint8_t* bytes,
                           std::size_t size, void* user_data) {
    of(user_data).body_received(stream_id, text_of(bytes, size));
    return 0;
  }
  static int frame_leaves(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    return of(user_data).lets_go(*frame) ? 0 : NGHTTP2_ERR_CANCEL;
  }
  static int frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    of(user_data).frame_sent(*frame);
    return 0;
  }
  static int stream_closed(nghttp2_session*, std::int32_t stream_id, std::uint32_t error_code,
                           void* user_data) {
    of(user_data).stream_closed(stream_id, error_code);
    return 0;
  }
  static int send_body(nghttp2_session*, nghttp2_frame*, const std::uint8_t* frame_head, std::size_t size,
                       nghttp2_data_source* source, void* user_data) {
    of(user_data).send_body(*static_cast<Stream*>(source->ptr), frame_head, size);
    return 0;
  }

  nghttp2_session_callbacks* table = nullptr;
};

Session make_session(Multiplexer& multiplexer, End end) {
  static const SessionCallbacks callbacks;
  const bool to_client = end == End::to_client;
  nghttp2_option* option = nullptr;
  int status = nghttp2_option_new(&option);
  AZULB_ASSERT(status == 0);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_http_messaging(option, 1);  // header_block.cpp judges, more strictly
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_option_set_max_outbound_ack(option, unread_replies_limit);
  nghttp2_option_set_max_send_header_block_length(option,
                                                  to_client ? response_block_bytes : request_block_bytes);
  nghttp2_option_set_max_continuations(option, no_limit);
  nghttp2_session* session = nullptr;
  const auto make = to_client ? nghttp2_session_server_new3 : nghttp2_session_client_new3;
  status = make(&session, callbacks.table, &multiplexer, option, &session_memory);
  nghttp2_option_del(option);
  AZULB_ASSERT(status == 0);
  return Session(session);
}

}  // namespace azulb::http2
