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

}  // namespace

void read_process(TableReader& table, Process& process) {
  read_workers(table, process);
  table.text("pid_file", process.pid_file);
  table.integer("max_connections", process.max_connections, {1, 100'000'000});
  table.duration("drain_timeout", process.drain_timeout, {0ms, kLongestTimeout});
  table.size("max_memory", process.max_memory, {0, 1ULL << 50});
  table.unsupported({"user", "group"});
}

}  // namespace azulb::config
