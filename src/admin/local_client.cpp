#include "azulb/admin/local_client.hpp"

#include <chrono>
#include <optional>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "azulb/http/stream.hpp"
#include "azulb/http1/codec_scratch.hpp"
#include "azulb/http1/server_codec.hpp"
#include "azulb/net/connection.hpp"
#include "azulb/net/loop.hpp"

namespace azulb::admin {
namespace {

constexpr std::size_t answer_limit_bytes = std::size_t{64} << 20;

struct Question {
  std::string_view method;
  std::string_view path;
  std::string host;
  std::vector<http::Field> fields;
  std::string_view body;
  base::Milliseconds limit;
};

/// One request, one answer, then it stops the loop.
class Conversation final : private http::ServerCodecOwner, private http::StreamReader, private net::Deferred {
 public:
  Conversation(net::Loop& loop, const Question& question)
      : loop_(loop), question_(question), connection_(loop, codec_), codec_(connection_, scratch_, *this) {}

  base::Result<LocalReply> hold(const base::SocketAddress& address) {
    loop_.timers().list(question_.limit).start(timer_);
    connect_error_ = connection_.connect(address, nullptr, {});
    if (connect_error_ != 0) loop_.defer(*this);
    loop_.run();
    return std::move(*result_);
  }

 private:
  void write_preamble() override {}
  void on_connected() override {
    http::StreamWriter& writer = codec_.open_stream(*this);
    http::RequestHead head;
    head.method_name = question_.method;
    head.method = http::method_of(question_.method);
    http::RequestHeadOut out;
    out.head = &head;
    out.path = question_.path;
    out.host = question_.host;
    out.own = question_.fields;
    out.body = head.method == http::Method::post ? http::BodyKind::length : http::BodyKind::none;
    out.content_length = question_.body.size();
    out.close = true;
    writer.write_request(out);
    if (!question_.body.empty()) writer.write_body(question_.body);
    writer.write_end({});
  }
  void on_connect_failure(int system_error) override { fail(std::system_category().message(system_error)); }
  void on_idle_end() override { fail("it closed the connection"); }
  void on_response(http::ResponseHead& head, const http::ResponseInfo& info) override {
    if (!info.interim) answer_.status = head.status;
  }
  void on_body(std::span<const char> bytes) override {
    if (answer_.body.size() + bytes.size() > answer_limit_bytes) return fail("its answer is too long");
    answer_.body.append(bytes.data(), bytes.size());
  }
  void on_end(std::span<http::Field>) override { finish(std::move(answer_)); }
  void on_failure(const http::StreamFailure&) override { fail("it did not answer in HTTP"); }
  void on_writable() override {}
  void on_deferred() override { on_connect_failure(connect_error_); }
  void on_timeout() { fail("no answer within " + base::format_duration(question_.limit)); }

  void fail(std::string reason) { finish(base::failure(std::move(reason))); }
  void finish(base::Result<LocalReply> result) {
    if (result_) return;
    result_ = std::move(result);
    timer_.stop();
    cancel();
    codec_.abort();
    loop_.stop();
  }

  net::Loop& loop_;
  const Question& question_;
  http1::CodecScratch scratch_{http1::response_head_limits.fields};
  net::Connection connection_;
  http1::ServerCodec codec_;
  net::MemberTimer<Conversation, &Conversation::on_timeout> timer_{*this};
  LocalReply answer_;
  std::optional<base::Result<LocalReply>> result_;
  int connect_error_ = 0;
};

base::HostPort reachable(base::HostPort address) {
  if (address.is_unix) return address;
  if (address.host.empty() || address.host == "0.0.0.0") address.host = "127.0.0.1";
  if (address.host == "::") address.host = "::1";
  return address;
}

}  // namespace

LocalClient::LocalClient(base::HostPort address, std::string token)
    : address_(reachable(std::move(address))), token_(std::move(token)) {}

base::Result<LocalReply> LocalClient::ask(std::string_view method, std::string_view path,
                                          std::string_view json, base::Milliseconds limit) const {
  const std::string authorization = "Bearer " + token_;
  Question question{.method = method,
                    .path = path,
                    .host = address_.is_unix ? "localhost" : address_.text(),
                    .fields = {http::make_field("User-Agent", "azulb/" AZULB_VERSION)},
                    .body = json,
                    .limit = limit};
  if (method == "POST") question.fields.push_back(http::make_field("Content-Type", "application/json"));
  if (!token_.empty()) question.fields.push_back(http::make_field("Authorization", authorization));
  const auto addresses = base::resolve(address_, false);
  if (!addresses) return tl::unexpected(addresses.error());
  base::Result<LocalReply> answer = base::failure("it has no address");
  for (const base::SocketAddress& address : *addresses) {
    net::Loop loop;
    answer = Conversation(loop, question).hold(address);
    if (answer) return answer;
  }
  return base::failure("no azulb answers at " + address_.text() + ": " + answer.error().message +
                       " (does it run, and is that its admin address?)");
}

}  // namespace azulb::admin
