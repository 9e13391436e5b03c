#include "azulb/http/head_writer.hpp"

#include <array>
#include <charconv>
#include <cstring>

namespace azulb::http {
namespace {

/// Appends while there is room and counts in any case.
class Output {
 public:
  Output(char* out, std::size_t capacity) : out_(out), capacity_(capacity) {}

  std::size_t size() const { return size_; }

  void text(std::string_view text) {
    if (fits(text.size()) && !text.empty()) std::memcpy(out_ + size_, text.data(), text.size());
    size_ += text.size();
  }

  void line(std::string_view name, std::string_view value) {
    const std::size_t length = name.size() + value.size() + 4;
    if (fits(length)) {
      char* to = out_ + size_;
      std::memcpy(to, name.data(), name.size());
      to += name.size();
      *to++ = ':';
      *to++ = ' ';
      if (!value.empty()) std::memcpy(to, value.data(), value.size());
      to += value.size();
      *to++ = '\r';
      *to = '\n';
    }
    size_ += length;
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
      text("Content-Length: ");
      number(content_length);
      text("\r\n");
    } else if (body == BodyKind::chunked) {
      text("Transfer-Encoding: chunked\r\n");
    }
  }

 private:
  bool fits(std::size_t length) const { return size_ <= capacity_ && length <= capacity_ - size_; }

  char* out_;
  std::size_t capacity_;
  std::size_t size_ = 0;
};

void write_forwarded(const RequestHead& head, const ForwardedValues& values, Output& output) {
  output.line("X-Real-IP", values.client_ip);
  output.text("X-Forwarded-For: ");
  if (values.peer_trusted && head.has(FieldId::x_forwarded_for)) {
    for (const Field& field : head.fields) {
      if (field.id != FieldId::x_forwarded_for || field.value.empty()) continue;
      output.text(field.value);
      output.text(", ");
    }
  }
  output.text(values.peer_ip);
  output.text("\r\n");
  output.line("X-Forwarded-Proto", values.proto);
  if (!values.host.empty()) output.line("X-Forwarded-Host", values.host);
  if (!values.port.empty()) output.line("X-Forwarded-Port", values.port);
  output.line("X-Request-ID", values.request_id);
  output.line("REMOTE_ADDR", values.client_ip);
}

/// "Connection" with what is hop-by-hop here; nothing for an ordinary request, as HTTP/1.1 persists by
/// itself.
void write_request_connection(const RequestHeadOut& request, Output& output) {
  if (!request.upgrade.empty()) {
    output.text("Connection: Upgrade\r\n");
    output.line("Upgrade", request.upgrade);
    return;
  }
  if (request.te_trailers) {
    output.text(request.close ? "Connection: close, TE\r\n" : "Connection: TE\r\n");
    output.text("TE: trailers\r\n");
  } else if (request.close) {
    output.text("Connection: close\r\n");
  }
}

}  // namespace

std::size_t write_request_head(const RequestHeadOut& request, char* out, std::size_t capacity) {
  Output output(out, capacity);
  const RequestHead& head = *request.head;
  output.text(head.method_name);
  output.text(" ");
  output.text(request.path);
  output.text(request.query);
  output.text(" HTTP/1.1\r\n");
  output.line("Host", request.host);
  output.fields(head.fields);
  if (request.forwarded != nullptr) write_forwarded(head, *request.forwarded, output);
  output.fields(request.own);
  if (request.expect_continue) output.text("Expect: 100-continue\r\n");
  output.framing(request.body, request.content_length);
  write_request_connection(request, output);
  output.text("\r\n");
  return output.size();
}

std::size_t write_response_head(const ResponseHeadOut& response, char* out, std::size_t capacity) {
  Output output(out, capacity);
  if (response.status == 200 && response.reason == "OK") {
    output.text("HTTP/1.1 200 OK\r\n");
  } else {
    output.text("HTTP/1.1 ");
    output.number(static_cast<std::uint64_t>(response.status));
    output.text(" ");
    output.text(response.reason);
    output.text("\r\n");
  }
  bool date = response.date.empty();
  for (const Field& field : response.fields) {
    if (field.drop) continue;
    output.line(field.name, field.value);
    date |= field.id == FieldId::date;
  }
  output.fields(response.own);
  if (!date) output.line("Date", response.date);
  output.framing(response.body, response.content_length);
  if (!response.upgrade.empty()) {
    output.text("Connection: Upgrade\r\n");
    output.line("Upgrade", response.upgrade);
  } else if (response.close) {
    output.text("Connection: close\r\n");
  } else if (response.keep_alive) {
    output.text("Connection: keep-alive\r\n");
  }
  output.text("\r\n");
  return output.size();
}

std::size_t write_trailers(std::span<const Field> trailers, char* out, std::size_t capacity) {
  Output output(out, capacity);
  output.fields(trailers);
  output.text("\r\n");
  return output.size();
}

std::size_t write_chunk_size(std::uint64_t size_bytes, char* out) {
  char* end = std::to_chars(out, out + 16, size_bytes, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  return static_cast<std::size_t>(end - out);
}

}  // namespace azulb::http
