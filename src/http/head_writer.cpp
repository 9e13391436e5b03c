#include "azulb/http/head_writer.hpp"

#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>

#include "azulb/http/bytes.hpp"

namespace azulb::http {
namespace {

struct Sixteen {
  std::array<char, 16> bytes;
};

template <typename Word>
void copy_ends(char* to, const char* from, std::size_t size) {
  Word first;
  Word last;
  std::memcpy(&first, from, sizeof first);
  std::memcpy(&last, from + size - sizeof last, sizeof last);
  std::memcpy(to, &first, sizeof first);
  std::memcpy(to + size - sizeof last, &last, sizeof last);
}

/// memcpy without a call where the text is short, as most of a head's are. Returns where it ends.
[[gnu::always_inline]] inline char* copy(char* to, std::string_view text) {
  const std::size_t size = text.size();
  if (size > 32) {
    std::memcpy(to, text.data(), size);
  } else if (size >= 16) {
    copy_ends<Sixteen>(to, text.data(), size);
  } else if (size >= 8) {
    copy_ends<std::uint64_t>(to, text.data(), size);
  } else if (size >= 4) {
    copy_ends<std::uint32_t>(to, text.data(), size);
  } else if (size >= 2) {
    copy_ends<std::uint16_t>(to, text.data(), size);
  } else if (size == 1) {
    *to = text.front();
  }
  return to + size;
}

template <std::size_t size>
[[gnu::always_inline]] inline char* copy(char* to, const char (&literal)[size]) {
  std::memcpy(to, literal, size - 1);
  return to + size - 1;
}

constexpr std::size_t size_of(std::string_view text) {
  return text.size();
}

template <std::size_t size>
constexpr std::size_t size_of(const char (&)[size]) {
  return size - 1;
}

/// Appends while there is room and counts in any case.
class Output {
 public:
  Output(char* out, std::size_t capacity) : out_(out), capacity_(capacity) {}

  std::size_t size() const { return size_; }

  /// Texts and literals, one behind the other, with one look at the room for all.
  template <typename... Pieces>
  void put(const Pieces&... pieces) {
    const std::size_t length = (size_of(pieces) + ...);
    if (size_ + length <= capacity_) {
      char* to = out_ + size_;
      ((to = copy(to, pieces)), ...);
    }
    size_ += length;
  }

  void number(std::uint64_t value) {
    std::array<char, 20> digits;
    const char* end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    const auto length = static_cast<std::size_t>(end - digits.data());
    if (size_ + length <= capacity_) std::memcpy(out_ + size_, digits.data(), length);
    size_ += length;
  }

  /// Lines that have come just as they are to be written are copied together, as many as stand in a row.
  void fields(std::span<const Field> fields) {
    const char* begin = nullptr;
    const char* end = nullptr;
    const auto put_row = [&] {
      if (begin != end) put(std::string_view(begin, static_cast<std::size_t>(end - begin)));
    };
    for (const Field& field : fields) {
      if (field.drop) continue;
      if (!field.verbatim || field.name.data() != end) {
        put_row();
        begin = end = field.name.data();
      }
      if (field.verbatim) {
        end = field.value.data() + field.value.size() + 2;
      } else {
        put(field.name, ": ", field.value, "\r\n");
      }
    }
    put_row();
  }

  void framing(BodyKind body, std::uint64_t content_length) {
    if (body == BodyKind::length) {
      put("Content-Length: ");
      number(content_length);
      put("\r\n");
    } else if (body == BodyKind::chunked) {
      put("Transfer-Encoding: chunked\r\n");
    }
  }

 private:
  char* out_;
  std::size_t capacity_;
  std::size_t size_ = 0;
};

void write_forwarded(const RequestHead& head, const ForwardedValues& values, Output& output) {
  output.put("X-Real-IP: ", values.client_ip, "\r\nX-Forwarded-For: ");
  if (values.peer_trusted && head.has(FieldId::x_forwarded_for)) {
    for (const Field& field : head.fields) {
      if (field.id == FieldId::x_forwarded_for && !field.value.empty()) output.put(field.value, ", ");
    }
  }
  output.put(values.peer_ip, "\r\nX-Forwarded-Proto: ", values.proto, "\r\n");
  if (!values.host.empty()) output.put("X-Forwarded-Host: ", values.host, "\r\n");
  if (!values.port.empty()) output.put("X-Forwarded-Port: ", values.port, "\r\n");
  output.put("X-Request-ID: ", values.request_id, "\r\nREMOTE_ADDR: ", values.client_ip, "\r\n");
  if (!values.client_verify.empty()) output.put("X-SSL-Client-Verify: ", values.client_verify, "\r\n");
  if (!values.client_subject.empty()) output.put("X-SSL-Client-S-DN: ", values.client_subject, "\r\n");
}

/// "Connection" with what is hop-by-hop here; nothing for an ordinary request, as HTTP/1.1 persists by
/// itself.
void write_request_connection(const RequestHeadOut& request, Output& output) {
  if (!request.upgrade.empty()) {
    output.put("Connection: Upgrade\r\nUpgrade: ", request.upgrade, "\r\n");
    return;
  }
  if (request.te_trailers) {
    output.put(request.close ? std::string_view("Connection: close, TE") : "Connection: TE",
               "\r\nTE: trailers\r\n");
  } else if (request.close) {
    output.put("Connection: close\r\n");
  }
}

}  // namespace

std::size_t write_request_head(const RequestHeadOut& request, char* out, std::size_t capacity) {
  Output output(out, capacity);
  const RequestHead& head = *request.head;
  output.put(head.method_name, " ", request.path_prefix, request.path, request.query,
             " HTTP/1.1\r\nHost: ", request.host, "\r\n");
  output.fields(head.fields);
  if (request.forwarded != nullptr) write_forwarded(head, *request.forwarded, output);
  output.fields(request.own);
  if (request.expect_continue) output.put("Expect: 100-continue\r\n");
  output.framing(request.body, request.content_length);
  write_request_connection(request, output);
  output.put("\r\n");
  return output.size();
}

std::size_t write_response_head(const ResponseHeadOut& response, char* out, std::size_t capacity) {
  Output output(out, capacity);
  if (response.status == 200 && is_literal(response.reason, "OK")) {
    output.put("HTTP/1.1 200 OK\r\n");
  } else {
    output.put("HTTP/1.1 ");
    output.number(static_cast<std::uint64_t>(response.status));
    output.put(" ", response.reason, "\r\n");
  }
  output.fields(response.fields);
  output.fields(response.own);
  if (!response.date.empty()) output.put("Date: ", response.date, "\r\n");
  output.framing(response.body, response.content_length);
  if (!response.upgrade.empty()) {
    output.put("Connection: Upgrade\r\nUpgrade: ", response.upgrade, "\r\n");
  } else if (response.close) {
    output.put("Connection: close\r\n");
  } else if (response.keep_alive) {
    output.put("Connection: keep-alive\r\n");
  }
  output.put("\r\n");
  return output.size();
}

std::size_t write_trailers(std::span<const Field> trailers, char* out, std::size_t capacity) {
  Output output(out, capacity);
  output.fields(trailers);
  output.put("\r\n");
  return output.size();
}

std::size_t write_chunk_size(std::uint64_t size_bytes, char* out) {
  char* end = std::to_chars(out, out + 16, size_bytes, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  return static_cast<std::size_t>(end - out);
}

}  // namespace azulb::http
