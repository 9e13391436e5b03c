#include "azulb/discovery/dns_records.hpp"

#include <arpa/nameser.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace azulb::discovery {
namespace {

constexpr std::size_t service_head_bytes = 6;  // priority, weight, port

base::IpAddress v4_address(std::span<const std::uint8_t, 4> bytes) {
  base::IpAddress ip;
  ip.bytes[10] = ip.bytes[11] = 0xff;
  std::copy(bytes.begin(), bytes.end(), ip.bytes.begin() + 12);
  return ip;
}

base::IpAddress v6_address(std::span<const std::uint8_t, 16> bytes) {
  base::IpAddress ip;
  std::copy(bytes.begin(), bytes.end(), ip.bytes.begin());
  return ip;
}

std::uint16_t number_at(std::span<const std::uint8_t> data, std::size_t at) {
  return static_cast<std::uint16_t>(data[at] << 8U | data[at + 1]);
}

bool read_service(std::span<const std::uint8_t> message, std::span<const std::uint8_t> data,
                  std::vector<ServiceRecord>& services) {
  if (data.size() <= service_head_bytes) return false;
  std::array<char, NS_MAXDNAME> name{};
  const int length = ns_name_uncompress(message.data(), message.data() + message.size(),
                                        data.data() + service_head_bytes, name.data(), name.size());
  if (length < 0) return false;
  ServiceRecord service{number_at(data, 0), number_at(data, 2), number_at(data, 4), name.data()};
  if (service.target.ends_with('.')) service.target.pop_back();
  if (service.target.empty()) return true;
  for (char& c : service.target) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  services.push_back(std::move(service));
  return true;
}

bool read_record(std::span<const std::uint8_t> message, std::span<const std::uint8_t> data, RecordType type,
                 DnsRecords& records) {
  switch (type) {
    case RecordType::a:
      if (data.size() != 4) return false;
      records.addresses.push_back(v4_address(data.first<4>()));
      return true;
    case RecordType::aaaa:
      if (data.size() != 16) return false;
      records.addresses.push_back(v6_address(data.first<16>()));
      return true;
    case RecordType::srv:
      return read_service(message, data, records.services);
  }
  return false;
}

template <typename Value, typename Less>
void sort_once(std::vector<Value>& values, Less less) {
  std::sort(values.begin(), values.end(), less);
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

}  // namespace

base::Result<DnsRecords> read_dns_records(std::span<const std::uint8_t> message, RecordType type) {
  ns_msg parsed;
  if (ns_initparse(message.data(), static_cast<int>(message.size()), &parsed) != 0)
    return base::failure("malformed response");
  DnsRecords records;
  for (int index = 0; index < ns_msg_count(parsed, ns_s_an); ++index) {
    ns_rr record;
    if (ns_parserr(&parsed, ns_s_an, index, &record) != 0) return base::failure("malformed response");
    const bool is_wanted = ns_rr_type(record) == static_cast<int>(type);
    if (ns_rr_class(record) != ns_c_in || (!is_wanted && ns_rr_type(record) != ns_t_cname)) continue;
    const std::span<const std::uint8_t> data(ns_rr_rdata(record), ns_rr_rdlen(record));
    if (is_wanted && !read_record(message, data, type, records)) return base::failure("malformed response");
    // RFC 2181 section 8: with the most significant bit set it counts as 0.
    const std::uint32_t ttl_s = ns_rr_ttl(record) > 0x7fffffffU ? 0 : ns_rr_ttl(record);
    records.ttl_s = std::min(records.ttl_s, ttl_s);
  }
  sort_once(records.addresses,
            [](const base::IpAddress& one, const base::IpAddress& other) { return one.bytes < other.bytes; });
  sort_once(records.services, std::less<>());
  return records;
}

}  // namespace azulb::discovery
