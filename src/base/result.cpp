#include "azulb/base/result.hpp"

#include <system_error>

namespace azulb::base {

tl::unexpected<Error> system_failure(std::string what, int system_error) {
  what += ": ";
  what += std::generic_category().message(system_error);  // strerror is not safe between threads
  return failure(std::move(what), system_error);
}

}  // namespace azulb::base
