// [admin]
#include "azulb/config/local_address.hpp"
#include "tables.hpp"

namespace azulb::config {
namespace {

/// The file's contents without the white space at its end.
void read_token_file(TableReader& table, const Text& file, std::string& token) {
  base::Result<std::string> contents = table.context().options().read_file(file.value);
  if (!contents) {
    return table.context().report(
        file, {"cannot read token_file " + quote(file.value) + ": " + contents.error().message,
               {},
               "it must exist and be readable by the user azulb starts as"});
  }
  contents->erase(contents->find_last_not_of(" \t\r\n") + 1);
  if (contents->empty())
    return table.context().report(file, {"token_file " + quote(file.value) + " holds no token"});
  if (auto fault = check_bearer_token(*contents)) {
    fault->message = "token_file " + quote(file.value) + ": " + fault->message;
    return table.context().report(file, std::move(*fault));
  }
  token = std::move(*contents);
}

}  // namespace

void read_admin(TableReader& table, Admin& admin, Once& bound) {
  if (const std::optional<Text> text = table.text("address")) {
    if (auto address = read_bound_address(table.context(), *text, bound)) admin.address = std::move(*address);
  } else if (!table.has("address")) {
    const Text implied{admin.address.text(), table.position(), table.path_of("address")};
    read_bound_address(table.context(), implied, bound);
  }
  table.text("token", admin.token, check_bearer_token);
  const std::optional<Text> file = table.text("token_file");
  const bool has_file = file && !file->value.empty();
  if (has_file && !admin.token.empty()) {
    table.report("token_file", {"\"token\" and \"token_file\" exclude each other"});
  } else if (has_file) {
    read_token_file(table, *file, admin.token);
  }
  table.text("state_file", admin.state_file);
  if (!is_local_address(admin.address) && admin.token.empty() && !has_file) {
    table.report("address", {"an admin address that others can reach needs a token",
                             {},
                             "set token or token_file, or use a loopback address or a unix socket"});
  }
}

}  // namespace azulb::config
