// A stream's reader that writes down what it is told, as lines of text.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "azulb/http/stream.hpp"

namespace azulb::test {

class StreamRecorder : public http::StreamReader {
 public:
  void on_request(http::StoredRequest stored) override {
    request = std::move(stored);
    events.push_back("request " + std::string(request->head.method_name) + " " +
                     std::string(request->head.target));
    if (when_head) when_head();
  }
  void on_bad_request(http::BadRequest bad) override {
    events.push_back(bad.timed_out ? "bad timeout" : "bad " + std::string(http::defect_word(bad.defect)));
    if (when_head) when_head();
  }
  void on_response(http::ResponseHead& head, const http::ResponseInfo& info) override {
    events.push_back((info.interim ? "interim " : "response ") + std::to_string(head.status));
    if (when_head) when_head();
  }
  void on_body(std::span<const char> bytes) override {
    body.append(bytes.data(), bytes.size());
    if (when_body) when_body();
  }
  void on_end(std::span<http::Field> trailers) override {
    std::string event = "end";
    for (const http::Field& field : trailers)
      event += " " + std::string(field.name) + "=" + std::string(field.value);
    events.push_back(event);
    if (when_ended) when_ended();
  }
  void on_failure(const http::StreamFailure& failure) override {
    switch (failure.kind) {
      case http::StreamFailure::Kind::closed:
        events.emplace_back("closed");
        break;
      case http::StreamFailure::Kind::stalled:
        events.emplace_back("stalled");
        break;
      case http::StreamFailure::Kind::malformed:
        events.push_back("malformed " + std::string(http::defect_word(failure.defect)));
        break;
    }
    if (when_failed) when_failed();
  }
  void on_writable() override { ++writable; }

  /// "request GET /; end" and the like; the body is apart.
  std::string told() const {
    std::string all;
    for (const std::string& event : events)
      all += (all.empty() ? "" : "; ") + event;
    return all;
  }

  std::vector<std::string> events;
  std::string body;
  int writable = 0;
  http::StoredRequest request;
  http::StreamWriter* writer = nullptr;
  std::function<void()> when_head;
  std::function<void()> when_body;
  std::function<void()> when_ended;
  std::function<void()> when_failed;
};

}  // namespace azulb::test
