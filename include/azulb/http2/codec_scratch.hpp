// What all HTTP/2 codecs of one worker share, since only one of them works at a time.
#pragma once

#include <algorithm>

#include "azulb/base/slab.hpp"
#include "azulb/http/field.hpp"
#include "azulb/http2/client_stream.hpp"
#include "azulb/http2/header_block.hpp"
#include "azulb/http2/message_fields.hpp"
#include "azulb/http2/server_stream.hpp"

namespace azulb::http2 {

struct CodecScratch {
  explicit CodecScratch(std::size_t fields_limit)
      : fields(std::max({fields_limit, max_trailer_fields, response_head_limits.fields}) +
               most_added_fields) {}
  void grow(std::size_t fields_limit) { fields.grow(fields_limit + most_added_fields); }
  http::FieldList fields;
  MessageFields message;
  base::Slab<ClientStream> client_streams;
  base::Slab<ServerStream> server_streams;
};

}  // namespace azulb::http2
