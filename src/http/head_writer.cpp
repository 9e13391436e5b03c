#include "azulb/http/head_writer.hpp"

#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>

namespace azulb::http {
namespace {

template <typename Word>
void copy_ends(char* to, const char* from, std::size_t size) {
  Word first;
  Word last;
  std::memcpy(&first, from, sizeof first);
  std::memcpy(&last, from + size - sizeof last, sizeof last);
  std::memcpy(to, &first, sizeof first);
  std::memcpy(to + size - sizeof last, &last, sizeof last);
}

/// memcpy without a call where the text is short, as most of a head's are.
[[gnu::always_inline]] inline void copy(char* to, std::string_view text) {
  if (text.size() > 16) {
    std::memcpy(to, text.data(), text.size());
  } else if (text.size() >= 8) {
    copy_ends<std::uint64_t>(to, text.data(), text.size());
  } else if (text.size() >= 4) {
    copy_ends<std::uint32_t>(to, text.data(), text.size());
  } else {
    for (const char byte : text)
      *to++ = byte;
  }
}

/// Appends while there is room and counts in any case.
class Output {
 public:
  Output(char* out, std::size_t capacity) : out_(out), capacity_(capacity) {}

  std::size_t size() const { return size_; }

  void text(std::string_view text) {
    if (fits(text.size())) copy(out_ + size_, text);
    size_ += text.size();
  }

  void line(std::string_view name, std::string_view value) {
    const std::size_t length = name.size() + value.size() + 4;
    if (fits(length)) {
      char* to = out_ + size_;
      copy(to, name);
      to += name.size();
      *to++ = ':';
      *to++ = ' ';
      copy(to, value);
      to += value.size();
      *to++ = '\r';
      *to = '\n';
    }
    size_ += length;
  }

  /// A line with a name that the compiler knows: `name` ends in ": ".
  template <std::size_t size>
  void own_line(const char (&name)[size], std::string_view value) {
    constexpr std::size_t name_length = size - 1;
    const std::size_t length = name_length + value.size() + 2;
    if (fits(length)) {
      char* to = out_ + size_;
      std::memcpy(to, name, name_length);
      copy(to + name_length, value);
      std::memcpy(to + name_length + value.size(), "\r\n", 2);
    }
    size_ += length;
  }

  template <std::size_t size>
  void literal(const char (&text)[size]) {
    if (fits(size - 1)) std::memcpy(out_ + size_, text, size - 1);
    size_ += size - 1;
  }

  void number(std::uint64_t value) {
    std::array<char, 20> digits;
    const char* end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    text({digits.data(), static_cast<std::size_t>(end - digits.data())});
  }

  void fields(std::span<const Field> fields) {
    for (const Field& field : fields) {
      if (!field.drop) line(field.name, field.value);
    }
  }

  void framing(BodyKind body, std::uint64_t content_length) {
    if (body == BodyKind::length) {
      literal("Content-Length: ");
      number(content_length);
      literal("\r\n");
    } else if (body == BodyKind::chunked) {
      literal("Transfer-Encoding: chunked\r\n");
    }
  }

 private:
  bool fits(std::size_t length) const { return size_ + length <= capacity_; }

  char* out_;
  std::size_t capacity_;
  std::size_t size_ = 0;
};

void write_forwarded(const RequestHead& head, const ForwardedValues& values, Output& output) {
  output.own_line("X-Real-IP: ", values.client_ip);
  if (values.peer_trusted && head.has(FieldId::x_forwarded_for)) {
    output.literal("X-Forwarded-For: ");
    for (const Field& field : head.fields) {
      if (field.id != FieldId::x_forwarded_for || field.value.empty()) continue;
      output.text(field.value);
      output.literal(", ");
    }
    output.own_line("", values.peer_ip);
  } else {
    output.own_line("X-Forwarded-For: ", values.peer_ip);
  }
  output.own_line("X-Forwarded-Proto: ", values.proto);
  if (!values.host.empty()) output.own_line("X-Forwarded-Host: ", values.host);
  if (!values.port.empty()) output.own_line("X-Forwarded-Port: ", values.port);
  output.own_line("X-Request-ID: ", values.request_id);
  output.own_line("REMOTE_ADDR: ", values.client_ip);
}

/// "Connection" with what is hop-by-hop here; nothing for an ordinary request, as HTTP/1.1 persists by
/// itself.
void write_request_connection(const RequestHeadOut& request, Output& output) {
  if (!request.upgrade.empty()) {
    output.literal("Connection: Upgrade\r\n");
    output.own_line("Upgrade: ", request.upgrade);
    return;
  }
  if (request.te_trailers) {
    output.text(request.close ? "Connection: close, TE\r\n" : "Connection: TE\r\n");
    output.literal("TE: trailers\r\n");
  } else if (request.close) {
    output.literal("Connection: close\r\n");
  }
}

}  // namespace

std::size_t write_request_head(const RequestHeadOut& request, char* out, std::size_t capacity) {
  Output output(out, capacity);
  const RequestHead& head = *request.head;
  output.text(head.method_name);
  output.literal(" ");
  output.text(request.path);
  output.text(request.query);
  output.literal(" HTTP/1.1\r\n");
  output.own_line("Host: ", request.host);
  output.fields(head.fields);
  if (request.forwarded != nullptr) write_forwarded(head, *request.forwarded, output);
  output.fields(request.own);
  if (request.expect_continue) output.literal("Expect: 100-continue\r\n");
  output.framing(request.body, request.content_length);
  write_request_connection(request, output);
  output.literal("\r\n");
  return output.size();
}

std::size_t write_response_head(const ResponseHeadOut& response, char* out, std::size_t capacity) {
  Output output(out, capacity);
  if (response.status == 200 && response.reason == "OK") {
    output.literal("HTTP/1.1 200 OK\r\n");
  } else {
    output.literal("HTTP/1.1 ");
    output.number(static_cast<std::uint64_t>(response.status));
    output.literal(" ");
    output.text(response.reason);
    output.literal("\r\n");
  }
  bool date = response.date.empty();
  for (const Field& field : response.fields) {
    if (field.drop) continue;
    output.line(field.name, field.value);
    date |= field.id == FieldId::date;
  }
  output.fields(response.own);
  if (!date) output.own_line("Date: ", response.date);
  output.framing(response.body, response.content_length);
  if (!response.upgrade.empty()) {
    output.literal("Connection: Upgrade\r\n");
    output.own_line("Upgrade: ", response.upgrade);
  } else if (response.close) {
    output.literal("Connection: close\r\n");
  } else if (response.keep_alive) {
    output.literal("Connection: keep-alive\r\n");
  }
  output.literal("\r\n");
  return output.size();
}

std::size_t write_trailers(std::span<const Field> trailers, char* out, std::size_t capacity) {
  Output output(out, capacity);
  output.fields(trailers);
  output.literal("\r\n");
  return output.size();
}

std::size_t write_chunk_size(std::uint64_t size_bytes, char* out) {
  char* end = std::to_chars(out, out + 16, size_bytes, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  return static_cast<std::size_t>(end - out);
}

}  // namespace azulb::http
