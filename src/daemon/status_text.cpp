#include "status_text.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <string_view>
#include <vector>

#include "azulb/base/units.hpp"

namespace azulb::daemon {
namespace {

enum class Colour { none, good, busy, bad };

std::string painted(const std::string& text, Colour colour, bool wanted) {
  if (!wanted || colour == Colour::none) return text;
  const char* code = colour == Colour::good ? "32" : colour == Colour::busy ? "33" : "31";
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

Colour colour_of(const std::string& state) {
  if (state == "up") return Colour::good;
  return state.find("down") != std::string::npos || state == "ejected" ? Colour::bad : Colour::busy;
}

std::string number(const Json& object, const char* key) {
  return std::to_string(object.value(key, std::uint64_t{0}));
}

std::string text(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? printable(found->get<std::string>()) : "";
}

/// Rows of cells, each column as wide as its widest cell; numbers to the right.
struct Table {
  std::vector<bool> right;
  std::vector<std::vector<std::string>> rows;

  /// `paint(row, column, padded cell)`.
  template <typename Paint>
  std::string write(Paint paint) const {
    std::vector<std::size_t> widths(right.size(), 0);
    for (const auto& row : rows) {
      for (std::size_t column = 0; column < row.size(); ++column)
        widths[column] = std::max(widths[column], row[column].size());
    }
    std::string out;
    for (std::size_t row = 0; row < rows.size(); ++row) {
      std::string line;
      for (std::size_t column = 0; column < widths.size(); ++column) {
        const std::string& cell = rows[row][column];
        line += "  " + (right[column] ? fmt::format("{:>{}}", cell, widths[column])
                                      : paint(row, column, fmt::format("{:<{}}", cell, widths[column])));
      }
      line.erase(line.find_last_not_of(' ') + 1);
      out += line + "\n";
    }
    return out;
  }
};

std::uint64_t errors_of(const Json& server) {
  std::uint64_t sum = 0;
  for (const Json& count : server.value("errors", Json::object()))
    sum += count.get<std::uint64_t>();
  return sum;
}

std::string upstream_text(const Json& upstream, bool colour) {
  const std::string availability = text(upstream, "availability");
  const Colour state = availability == "available" ? Colour::good : Colour::bad;
  std::string out = fmt::format("\n{} ({}): {}, {} of {} servers, {} requests under way\n",
                                text(upstream, "name"), text(upstream, "balance"),
                                painted(availability, state, colour), number(upstream, "available_servers"),
                                upstream.value("servers", Json::array()).size(), number(upstream, "active"));
  Table table{{false, false, false, true, true, true, true, true, false},
              {{"SERVER", "ADDRESS", "STATE", "WEIGHT", "ACTIVE", "TUNNELS", "REQUESTS", "ERRORS", "WHY"}}};
  for (const Json& server : upstream.value("servers", Json::array())) {
    table.rows.push_back({text(server, "name"), text(server, "address"), state_word(server),
                          number(server, "weight"), number(server, "active"), number(server, "tunnels"),
                          number(server, "requests"), std::to_string(errors_of(server)),
                          text(server, "health_reason")});
  }
  constexpr std::size_t state_column = 2;
  return out + table.write([&](std::size_t row, std::size_t column, const std::string& cell) {
    if (row == 0 || column != state_column) return cell;
    return painted(cell, colour_of(table.rows[row][column]), colour);
  });
}

}  // namespace

bool wants_colour() {
  const char* refused = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return isatty(STDOUT_FILENO) == 1 && (refused == nullptr || *refused == '\0') &&
         (terminal == nullptr || std::string_view(terminal) != "dumb");
}

std::string state_word(const Json& server) {
  const std::string health = text(server, "health");
  std::string admin = text(server, "admin_state");
  if (admin == "disabled") return admin;
  if (admin == "draining") return health == "up" ? admin : admin + ", " + health;
  if (health == "up" && server.value("ejected", false)) return "ejected";
  return health == "unknown" ? "not checked yet" : health;
}

std::string status_text(const Json& state, bool colour) {
  const Json process = state.value("process", Json::object());
  const auto uptime = std::chrono::seconds(process.value("uptime_seconds", std::int64_t{0}));
  std::string out =
      fmt::format("azulb {}, process {}, {} workers, up {}, {}{}\n", text(process, "version"),
                  number(process, "pid"), number(process, "workers"),
                  uptime.count() == 0 ? "0s" : base::format_duration(uptime), text(process, "configuration"),
                  process.value("draining", false) ? painted(", draining", Colour::bad, colour) : "");
  if (const Json rollback = process.value("last_rollback", Json()); rollback.is_object())
    out += painted(fmt::format("the former configuration was loaded again at {}: {}\n",
                               text(rollback, "time"), text(rollback, "reason")),
                   Colour::bad, colour);
  for (const Json& listener : state.value("listeners", Json::array())) {
    std::string addresses;
    for (const Json& address : listener.value("address", Json::array())) {
      if (!addresses.empty()) addresses += ", ";
      addresses += printable(address.get<std::string>());
    }
    out += fmt::format("listener {} on {}: {} connections, {} requests so far\n", text(listener, "name"),
                       addresses, number(listener, "connections_active"), number(listener, "requests"));
  }
  for (const Json& upstream : state.value("upstreams", Json::array()))
    out += upstream_text(upstream, colour);
  return out;
}

}  // namespace azulb::daemon
