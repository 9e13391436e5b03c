#include "azulb/daemon/shared_text.hpp"

#include <doctest/doctest.h>

#include <string>

using azulb::daemon::SharedText;

TEST_CASE("a text is read as it was last written, however long") {
  SharedText text;
  CHECK(text.descriptor() == -1);
  for (const std::string& written :
       {std::string("short"), std::string(3'000'000, 'x'), std::string("less"), std::string()}) {
    REQUIRE(text.write(written));
    for (int time = 0; time < 2; ++time) {
      const auto read = SharedText::read(text.descriptor());
      REQUIRE(read);
      CHECK(*read == written);
    }
  }
}

TEST_CASE("a descriptor that has nothing to read is an error") {
  CHECK_FALSE(SharedText::read(-1));
}
