#include "azulb/upstream/server_codec_table.hpp"

namespace azulb::upstream {

std::vector<std::string> application_protocols() {
  return {"http/1.1"};
}

}  // namespace azulb::upstream
