// The target of a redirect.
#include <algorithm>
#include <cstring>

#include "azulb/proxy/router.hpp"

namespace azulb::proxy {
namespace {

/// Counts what it is given, and writes as much of it as there is room.
class Output {
 public:
  Output(char* out, std::size_t capacity) : out_(out), capacity_(capacity) {}

  void text(std::string_view text) {
    if (size_ < capacity_ && !text.empty())
      std::memcpy(out_ + size_, text.data(), std::min(text.size(), capacity_ - size_));
    size_ += text.size();
  }
  /// A target that begins with "//" or "/\" would be a browser's way to another host.
  void path(std::string_view path) {
    if (size_ == 0) {
      while (path.size() > 1 && (path[1] == '/' || path[1] == '\\'))
        path.remove_prefix(1);
      text("/");
      path.remove_prefix(std::min<std::size_t>(path.size(), 1));
    }
    text(path);
  }
  std::size_t size() const { return size_; }

 private:
  char* out_;
  std::size_t capacity_;
  std::size_t size_ = 0;
};

}  // namespace

std::size_t write_redirect_location(const config::Redirect& redirect, const http::Request& request,
                                    std::string_view scheme, char* out, std::size_t capacity) {
  const http::Target& target = request.info.target;
  const std::string_view path = target.path == "*" ? std::string_view("/") : target.path;
  Output output(out, capacity);
  std::string_view rest = redirect.to;
  while (!rest.empty()) {
    const std::size_t mark = rest.find("${");
    output.text(rest.substr(0, mark));
    if (mark == std::string_view::npos) break;
    rest.remove_prefix(mark);
    const std::size_t end = rest.find('}');
    const std::string_view name = end == std::string_view::npos ? rest : rest.substr(2, end - 2);
    if (name == "scheme") {
      output.text(scheme);
    } else if (name == "host") {
      if (request.info.authority.host.empty()) return 0;
      output.text(request.info.authority.host);
    } else if (name == "target") {
      output.path(path);
      output.text(target.query);
    } else if (name == "path") {
      output.path(path);
    } else if (name == "query") {
      output.text(target.query_string());
    } else {
      output.text(
          rest.substr(0, end == std::string_view::npos ? end : end + 1));  // the loader lets none through
    }
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  }
  return output.size();
}

}  // namespace azulb::proxy
