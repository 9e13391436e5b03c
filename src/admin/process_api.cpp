// What is asked of the process as a whole, and takes it a while.
#include <fmt/format.h>

#include <string>
#include <utility>

#include "api.hpp"

namespace azulb::admin {
namespace {

Json change_json(const config::Change& change) {
  return {{"kind", config::to_string(change.kind)},
          {"what", change.what},
          {"name", change.name},
          {"keys", change.keys},
          {"text", config::to_string(change)}};
}

Json diagnostic_json(const config::Diagnostic& diagnostic) {
  return {{"file", diagnostic.source}, {"line", diagnostic.line},       {"column", diagnostic.column},
          {"key", diagnostic.key},     {"message", diagnostic.message}, {"suggestion", diagnostic.suggestion},
          {"hint", diagnostic.hint}};
}

AdminReply reload_refusal(const ReloadFailure& failure) {
  if (failure.diagnostics.empty()) return error_reply(409, failure.error);
  Json diagnostics = Json::array();
  for (const config::Diagnostic& diagnostic : failure.diagnostics)
    diagnostics.push_back(diagnostic_json(diagnostic));
  const std::size_t count = failure.diagnostics.size();
  return json_reply(422, {{"error", fmt::format("the configuration has {} error{}: all goes on as it was",
                                                count, count == 1 ? "" : "s")},
                          {"diagnostics", std::move(diagnostics)},
                          {"text", failure.text()}});
}

AdminReply reload_reply(const ReloadOutcome& outcome) {
  if (!outcome) return reload_refusal(outcome.error());
  Json changes = Json::array();
  for (const config::Change& change : outcome->changes)
    changes.push_back(change_json(change));
  return json_reply(200, {{"changed", !outcome->changes.empty()}, {"changes", std::move(changes)}});
}

AdminReply upgrade_reply(const UpgradeOutcome& outcome) {
  if (outcome) return json_reply(200, {{"process", outcome->process}, {"previous", outcome->previous}});
  return json_reply(409, {{"error", outcome.error().reason}, {"text", outcome.error().text}});
}

}  // namespace

AdminReply reload_configuration(const Call& call) {
  if (auto wrong = unknown_key(call, {})) return *std::move(wrong);
  AdminReply reply;
  reply.later = [&control = call.control](AdminReply::Receiver receive) {
    control.reload(
        [receive = std::move(receive)](const ReloadOutcome& outcome) { receive(reload_reply(outcome)); });
  };
  return reply;
}

AdminReply upgrade_process(const Call& call) {
  if (auto wrong = unknown_key(call, {})) return *std::move(wrong);
  AdminReply reply;
  reply.later = [&control = call.control](AdminReply::Receiver receive) {
    control.upgrade(
        [receive = std::move(receive)](const UpgradeOutcome& outcome) { receive(upgrade_reply(outcome)); });
  };
  return reply;
}

}  // namespace azulb::admin
