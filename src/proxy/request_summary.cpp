#include "azulb/proxy/request_summary.hpp"

#include <cstring>
#include <new>

namespace azulb::proxy {
namespace {

using Views = std::array<std::string_view AccessRecord::*, 8>;
constexpr Views views = {&AccessRecord::client_ip,  &AccessRecord::host,    &AccessRecord::method,
                         &AccessRecord::target,     &AccessRecord::version, &AccessRecord::request_id,
                         &AccessRecord::user_agent, &AccessRecord::referer};

}  // namespace

void fill_from_request(const http::Request& request, AccessRecord& record) {
  if (!request.forwarded.client_ip.empty()) record.client_ip = request.forwarded.client_ip;
  record.host = request.info.host;
  record.method = request.head.method_name;
  record.target = request.head.target;
  record.version = request.version;
  record.request_id = request.forwarded.request_id;
  if (request.head.has(http::FieldId::user_agent)) {
    record.user_agent = http::find_field(request.head.fields, http::FieldId::user_agent)->value;
  }
  if (request.head.has(http::FieldId::referer)) {
    record.referer = http::find_field(request.head.fields, http::FieldId::referer)->value;
  }
}

std::unique_ptr<RequestSummary> RequestSummary::of(const http::Request& request) {
  static_assert(views.size() == text_count);
  AccessRecord record;
  fill_from_request(request, record);
  std::size_t text_bytes = 0;
  for (const auto view : views)
    text_bytes += (record.*view).size();
  auto* summary = new (::operator new(sizeof(RequestSummary) + text_bytes)) RequestSummary;
  char* text = reinterpret_cast<char*>(summary + 1);
  for (std::size_t index = 0; index < views.size(); ++index) {
    const std::string_view value = record.*views[index];
    summary->sizes_[index] = static_cast<std::uint32_t>(value.size());
    if (!value.empty()) std::memcpy(text, value.data(), value.size());
    text += value.size();
  }
  return std::unique_ptr<RequestSummary>(summary);
}

void RequestSummary::fill(AccessRecord& record) const {
  const char* at = text();
  for (std::size_t index = 0; index < views.size(); ++index) {
    if (sizes_[index] > 0) record.*views[index] = std::string_view(at, sizes_[index]);
    at += sizes_[index];
  }
}

}  // namespace azulb::proxy
