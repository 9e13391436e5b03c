// [process]
#include <charconv>

#include "tables.hpp"

namespace azulb::config {
namespace {

constexpr unsigned kMostWorkers = 1024;

/// A number, or "auto"; a string of digits too, since that is what a variable of the environment can hold.
void read_workers(TableReader& table, Process& process) {
  const unsigned cpus = table.context().options().cpus;
  process.workers = cpus == 0 ? available_cpus() : cpus;
  const toml::node* node = table.node("workers");
  if (node == nullptr) return;
  const std::string key = table.path_of("workers");
  std::int64_t workers = 0;
  if (node->is_integer()) {
    workers = node->as_integer()->get();
  } else if (node->is_string()) {
    const std::optional<Text> text = table.text_of(*node, key);
    if (!text || text->value == "auto") return;
    const char* end = text->value.data() + text->value.size();
    const auto [stop, error] = std::from_chars(text->value.data(), end, workers);
    if (error != std::errc{} || stop != end) {
      table.context().report(*text, {R"("workers" must be a number or "auto", not )" + quote(text->value)});
      return;
    }
  } else {
    return table.report_type(*node, key, R"(a number or "auto")");
  }
  if (workers < 1 || workers > kMostWorkers) {
    table.context().report(begin_of(*node), key,
                           {R"("workers" must be between 1 and )" + std::to_string(kMostWorkers) + ", not " +
                            std::to_string(workers)});
    return;
  }
  process.workers = static_cast<unsigned>(workers);
}

/// Whom azulb becomes.
void read_account(TableReader& table, Process& process) {
  const std::optional<Text> user = table.text("user");
  const std::optional<Text> group = table.text("group");
  const bool has_user = user && !user->value.empty();
  const bool has_group = group && !group->value.empty();
  const AccountChecks& checks = table.context().options().account;
  const auto judge = [&table](const Text& text, const base::Result<void>& found) {
    if (!found) table.context().report(text, {found.error().message});
  };
  if (has_user) {
    process.user = user->value;
    if (checks.user) judge(*user, checks.user(user->value, has_group));
  }
  if (!has_group) return;
  process.group = group->value;
  if (checks.group) judge(*group, checks.group(group->value));
  if (user ? user->value.empty() : table.lacks("user")) {
    table.report("group", {"\"group\" goes with \"user\", and there is none",
                           {},
                           "name the user that azulb becomes, or leave group out"});
  }
}

void read_probation(TableReader& table, Probation& probation) {
  table.duration("time", probation.time, {0ms, 24h});
  table.number("errors", probation.errors, {0.0, 1.0});
  double latency = probation.latency;
  if (table.number("latency", latency, {0.0, 100.0})) {
    if (latency != 0.0 && latency < 1.0)
      table.report("latency", {"\"latency\" must be 0 (not looked at) or at least 1, such as 2.0"});
    probation.latency = latency;
  }
  table.integer("requests", probation.requests, {1, 1'000'000});
}

}  // namespace

void read_process(TableReader& table, Process& process) {
  read_workers(table, process);
  read_account(table, process);
  table.text("pid_file", process.pid_file);
  table.integer("max_connections", process.max_connections, {1, 100'000'000});
  table.duration("drain_timeout", process.drain_timeout, {0ms, kLongestTimeout});
  table.duration("upgrade_timeout", process.upgrade_timeout, {100ms, 10min});
  table.table("probation", [&](TableReader& inner) { read_probation(inner, process.probation); });
  table.size("max_memory", process.max_memory, {0, 1ULL << 50});
}

}  // namespace azulb::config
