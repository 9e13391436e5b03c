#include "azulb/daemon/explain_command.hpp"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "azulb/admin/explain_page.hpp"
#include "azulb/config/load.hpp"
#include "azulb/daemon/control_commands.hpp"
#include "azulb/daemon/name_resolution.hpp"
#include "control_target.hpp"

namespace azulb::daemon {
namespace {

constexpr const char* notes = R"(
Nothing is sent, counted or changed. With --file no running azulb is asked: the file alone is explained, all its
servers taken for up. Exit status: 0 a server, or the route itself, would answer; 1 azulb cannot make sense of it;
2 wrong command line; 3 no azulb answers at the admin address (--file needs none); 4 azulb would answer an error.)";

Json asked_json(const proxy::AskedRequest& asked) {
  Json headers = Json::array();
  for (const auto& [name, value] : asked.headers)
    headers.push_back({name, value});
  return {{"method", asked.method},
          {"url", asked.url},
          {"headers", std::move(headers)},
          {"listener", asked.listener},
          {"client", asked.client}};
}

Asked explain_file(const std::string& path, const proxy::AskedRequest& asked) {
  auto config = config::load_file(path);
  if (!config)
    return tl::unexpected(
        Refusal{control_usage, "the configuration is not valid:\n" + config::render(config.error())});
  const discovery::ServerLists servers = look_up_servers(*config);
  const auto snapshot = proxy::Snapshot::build(*std::move(config), servers);
  if (!snapshot) return tl::unexpected(Refusal{control_usage, snapshot.error().message});
  for (std::size_t index = 0; index < (*snapshot)->upstream_count(); ++index) {
    balance::UpstreamState& state = *(*snapshot)->upstream(index).state;
    for (std::uint32_t server = 0; server < state.server_count(); ++server) {
      while (state.server(server).health() != balance::Health::up)
        state.record_check(server, true, "taken for up");
    }
  }
  const auto explanation = proxy::explain(**snapshot, asked);
  if (!explanation) return tl::unexpected(Refusal{control_refused, explanation.error().message});
  return Json::parse(admin::explain_page(**snapshot, *explanation));
}

std::string text(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? printable(found->get<std::string>()) : "";
}

std::string routes_text(const Json& answer) {
  std::string out;
  int number = 0;
  for (const Json& route : answer.value("routes", Json::array()))
    out += fmt::format("  {:>3} {}: {}\n", ++number, text(route, "name"), text(route, "verdict"));
  return out.empty() ? "" : "routes\n" + out;
}

std::string upstream_text(const Json& upstream) {
  std::string out = fmt::format("upstream {} ({}): {}\n", text(upstream, "name"), text(upstream, "balance"),
                                text(upstream, "availability"));
  if (upstream.contains("hash_value"))
    out += fmt::format("  by the key \"{}\"\n", text(upstream, "hash_value"));
  for (const Json& server : upstream.value("servers", Json::array())) {
    out += fmt::format("  {} {} {}: {}, weight {}, {} under way", server.value("chosen", false) ? "->" : "  ",
                       text(server, "name"), text(server, "address"), text(server, "reason"),
                       server.value("weight", std::uint64_t{0}), server.value("active", std::uint64_t{0}));
    if (const auto latency = server.find("latency_ms"); latency != server.end() && latency->is_number())
      out += fmt::format(", answers in {:.1f} ms", latency->get<double>());
    out += "\n";
  }
  return out;
}

std::string explanation_text(const Json& answer) {
  const Json listener = answer.value("listener", Json::object());
  std::string addresses;
  for (const Json& address : listener.value("address", Json::array()))
    addresses += (addresses.empty() ? "" : ", ") + printable(address.get<std::string>());
  std::string out = fmt::format("listener {} on {}\n", text(listener, "name"), addresses);
  if (const std::string path = text(answer, "path"); !path.empty()) out += "path " + path + "\n";
  out += routes_text(answer);
  if (const Json split = answer.value("split", Json()); split.is_object()) {
    out += fmt::format("split by {}\n", text(split, "by"));
    for (const Json& part : split.value("parts", Json::array()))
      out += fmt::format("     {}: weight {}\n", text(part, "upstream"), part.value("weight", 0));
  }
  if (answer.contains("upstream") && answer["upstream"].is_object()) out += upstream_text(answer["upstream"]);
  if (answer.contains("sent") && answer["sent"].is_string()) {
    out += "the server gets\n";
    const auto sent = answer["sent"].get<std::string>();
    for (std::size_t at = 0, end = 0; (end = sent.find("\r\n", at)) != std::string::npos && end > at;
         at = end + 2)
      out += "  " + printable(sent.substr(at, end - at)) + "\n";
  }
  return out + "=> " + text(answer, "outcome") + "\n";
}

/// "Name: value", as curl takes it.
base::Result<std::pair<std::string, std::string>> split_header(const std::string& header) {
  const std::size_t colon = header.find(':');
  if (colon == std::string::npos || colon == 0)
    return base::failure("\"" + header + "\" is no header: Name: value");
  const std::size_t value = header.find_first_not_of(" \t", colon + 1);
  return std::pair(header.substr(0, colon), value == std::string::npos ? "" : header.substr(value));
}

}  // namespace

struct ExplainCommand::State {
  TargetOptions target;
  proxy::AskedRequest asked;
  std::vector<std::string> headers;
  bool file = false;
  bool json = false;
  bool parsed = false;

  Asked ask() const;
};

Asked ExplainCommand::State::ask() const {
  if (file) return explain_file(target.config, asked);
  const auto client = find_azulb(target);
  if (!client) return tl::unexpected(Refusal{control_usage, client.error().message});
  auto answer = post(*client, "/explain", asked_json(asked));
  if (!answer && answer.error().exit_status == control_unreachable && !target.config.empty())
    answer.error().message += "; --file explains " + target.config + " alone";
  return answer;
}

ExplainCommand::ExplainCommand(CLI::App& app) : state_(std::make_unique<State>()) {
  State& state = *state_;
  CLI::App* command =
      app.add_subcommand("explain", "Say which listener, route and server a request would get, and why");
  command->footer(notes);
  add_target_options(*command, state.target);
  command->add_option("method", state.asked.method, "Such as GET")->type_name("METHOD")->required();
  command
      ->add_option("url", state.asked.url,
                   "http://host:port/path?query; without a port the only listener that speaks http (or "
                   "https) is meant")
      ->type_name("URL")
      ->required();
  command->add_option("-H,--header", state.headers, "A header field of the request; repeat for each")
      ->type_name("'NAME: VALUE'")
      ->allow_extra_args(false);
  command->add_option("--client", state.asked.client, "The client's address")
      ->type_name("IP")
      ->capture_default_str();
  command
      ->add_option("--listener", state.asked.listener, "The listener that it comes to, whatever the URL says")
      ->type_name("NAME");
  command->add_flag("--file", state.file, "Ask no running azulb: explain the file given with -c")
      ->needs("--config");
  command->add_flag("--json", state.json, "Print the answer as JSON");
  command->callback([&state] { state.parsed = true; });
}

ExplainCommand::~ExplainCommand() = default;

std::optional<int> ExplainCommand::run() {
  if (!state_->parsed) return std::nullopt;
  for (const std::string& header : state_->headers) {
    auto field = split_header(header);
    if (!field) {
      fmt::print(stderr, "azulb: {}\n", field.error().message);
      return control_usage;
    }
    state_->asked.headers.push_back(*std::move(field));
  }
  const auto answer = state_->ask();
  if (!answer) {
    fmt::print(stderr, "azulb: {}\n", printable(answer.error().message));
    return answer.error().exit_status;
  }
  if (state_->json) {
    fmt::print("{}\n", answer->dump(2, ' ', false, Json::error_handler_t::replace));
  } else {
    fmt::print("{}", explanation_text(*answer));
  }
  const Json status = answer->value("status", Json());
  return status.is_number() && status >= 400 ? control_not_yet : control_done;
}

}  // namespace azulb::daemon
