#include <doctest/doctest.h>

#include "azulb/discovery/dns_records.hpp"
#include "fake_dns.hpp"

using namespace azulb::discovery;
using namespace azulb::discovery::test;

namespace {

azulb::base::Result<DnsRecords> read(const std::string& message, RecordType type) {
  return read_dns_records({reinterpret_cast<const std::uint8_t*>(message.data()), message.size()}, type);
}

std::string question(const std::string& name, unsigned type) {
  std::string out = wire_name(name);
  put16(out, type);
  put16(out, 1);
  return out;
}

std::string answer(const std::vector<WireRecord>& records) {
  return response("id", question("a.test", 1), 0, records);
}

std::vector<std::string> texts(const DnsRecords& records) {
  std::vector<std::string> texts;
  for (const auto& address : records.addresses)
    texts.push_back(address.text());
  return texts;
}

}  // namespace

TEST_CASE("addresses come sorted and once, whatever the order of the records") {
  const auto records =
      read(answer({a("a.test", "10.0.0.2", 5), a("a.test", "10.0.0.1", 7), a("a.test", "10.0.0.2", 9)}),
           RecordType::a);
  REQUIRE(records.has_value());
  CHECK(texts(*records) == std::vector<std::string>{"10.0.0.1", "10.0.0.2"});
  CHECK(records->ttl_s == 5);
  const auto v6 =
      read(answer({aaaa("a.test", "fd00::2", 5), aaaa("a.test", "fd00::1", 5)}), RecordType::aaaa);
  REQUIRE(v6.has_value());
  CHECK(texts(*v6) == std::vector<std::string>{"fd00::1", "fd00::2"});
}

TEST_CASE("an answer holds no longer than the aliases that led to it") {
  const auto records =
      read(answer({cname("a.test", "b.test", 3), a("b.test", "10.0.0.1", 60)}), RecordType::a);
  REQUIRE(records.has_value());
  CHECK(texts(*records) == std::vector<std::string>{"10.0.0.1"});
  CHECK(records->ttl_s == 3);
}

TEST_CASE("a time to live past 2^31 counts as none (RFC 2181 section 8)") {
  CHECK(read(answer({a("a.test", "10.0.0.1", 0x80000000U)}), RecordType::a)->ttl_s == 0);
}

TEST_CASE("records of other types are passed over, and none at all is no error") {
  CHECK(read(answer({aaaa("a.test", "fd00::1", 1)}), RecordType::a)->empty());
  CHECK(read(answer({}), RecordType::a)->empty());
}

TEST_CASE("services come by priority, their targets in lower case; the target \".\" is none") {
  const auto records = read(answer({srv("s", 20, 1, 80, "c.test", 9), srv("s", 10, 5, 3000, "B.Test", 4),
                                    srv("s", 10, 1, 3000, ".", 9)}),
                            RecordType::srv);
  REQUIRE(records.has_value());
  CHECK(records->services == std::vector<ServiceRecord>{{10, 5, 3000, "b.test"}, {20, 1, 80, "c.test"}});
  CHECK(records->ttl_s == 4);
}

TEST_CASE("a response cut off anywhere is malformed or says less, and is never read past its end") {
  const std::string whole =
      response("id", question("s", 33), 0, {cname("s", "t.test", 1), srv("t.test", 1, 1, 1, "a.test", 1)});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::vector<std::uint8_t> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    CHECK(!read_dns_records(part, RecordType::srv).has_value());
  }
}

TEST_CASE("an address of the wrong length and a service without a name are malformed") {
  CHECK(!read(answer({{"a.test", 1, 1, "abc"}}), RecordType::a).has_value());
  CHECK(!read(answer({{"a.test", 28, 1, "abcd"}}), RecordType::aaaa).has_value());
  CHECK(!read(answer({{"a.test", 33, 1, "abcdef"}}), RecordType::srv).has_value());
  CHECK(!read(answer({{"a.test", 33, 1, std::string("abcdef\xc0\xff", 8)}}), RecordType::srv).has_value());
}
