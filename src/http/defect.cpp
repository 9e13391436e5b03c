#include "azulb/http/defect.hpp"

#include <array>
#include <cstddef>

namespace azulb::http {
namespace {

struct Entry {
  Defect defect;
  int status;
  std::string_view word;
};

constexpr std::array entries = {
    Entry{Defect::none, 0, "none"},
    Entry{Defect::bare_lf, 400, "bare_lf"},
    Entry{Defect::bare_cr, 400, "bare_cr"},
    Entry{Defect::control_byte, 400, "control_byte"},
    Entry{Defect::empty_line, 400, "empty_line"},
    Entry{Defect::bad_method, 400, "bad_method"},
    Entry{Defect::bad_target, 400, "bad_target"},
    Entry{Defect::bad_version, 400, "bad_version"},
    Entry{Defect::unsupported_version, 505, "unsupported_version"},
    Entry{Defect::bad_status_line, 400, "bad_status_line"},
    Entry{Defect::obs_fold, 400, "obs_fold"},
    Entry{Defect::empty_field_name, 400, "empty_field_name"},
    Entry{Defect::bad_field_name, 400, "bad_field_name"},
    Entry{Defect::space_before_colon, 400, "space_before_colon"},
    Entry{Defect::missing_colon, 400, "missing_colon"},
    Entry{Defect::request_line_too_long, 414, "request_line_too_long"},
    Entry{Defect::status_line_too_long, 400, "status_line_too_long"},
    Entry{Defect::header_too_large, 431, "header_too_large"},
    Entry{Defect::too_many_fields, 431, "too_many_fields"},
    Entry{Defect::bad_content_length, 400, "bad_content_length"},
    Entry{Defect::repeated_content_length, 400, "repeated_content_length"},
    Entry{Defect::bad_transfer_encoding, 400, "bad_transfer_encoding"},
    Entry{Defect::length_and_transfer_encoding, 400, "length_and_transfer_encoding"},
    Entry{Defect::transfer_encoding_in_http10, 400, "transfer_encoding_in_http10"},
    Entry{Defect::bad_chunk_size, 400, "bad_chunk_size"},
    Entry{Defect::chunk_too_large, 400, "chunk_too_large"},
    Entry{Defect::bad_chunk_end, 400, "bad_chunk_end"},
    Entry{Defect::bad_chunk_extension, 400, "bad_chunk_extension"},
    Entry{Defect::chunk_extension_too_long, 400, "chunk_extension_too_long"},
    Entry{Defect::trailer_too_large, 431, "trailer_too_large"},
    Entry{Defect::missing_host, 400, "missing_host"},
    Entry{Defect::repeated_host, 400, "repeated_host"},
    Entry{Defect::bad_host, 400, "bad_host"},
    Entry{Defect::method_not_allowed, 405, "method_not_allowed"},
    Entry{Defect::bad_expect, 417, "bad_expect"},
    Entry{Defect::bad_pseudo_field, 400, "bad_pseudo_field"},
    Entry{Defect::connection_field, 400, "connection_field"},
    Entry{Defect::bad_field_value, 400, "bad_field_value"},
    Entry{Defect::length_mismatch, 400, "length_mismatch"},
    Entry{Defect::unsupported_protocol, 501, "unsupported_protocol"},
    Entry{Defect::protocol_error, 400, "protocol_error"},
    Entry{Defect::websocket_bad_key, 400, "websocket_bad_key"},
    Entry{Defect::websocket_version, 426, "websocket_version"},
    Entry{Defect::bad_upgrade_response, 502, "bad_upgrade_response"},
};

constexpr bool in_order() {
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (static_cast<std::size_t>(entries[i].defect) != i) return false;
  }
  return entries.back().defect == Defect::bad_upgrade_response;
}
static_assert(in_order(), "one entry for each Defect, in the order of the enumeration");

}  // namespace

int defect_status(Defect defect) {
  return entries[static_cast<std::size_t>(defect)].status;
}

std::string_view defect_word(Defect defect) {
  return entries[static_cast<std::size_t>(defect)].word;
}

}  // namespace azulb::http
