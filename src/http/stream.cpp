#include "azulb/http/stream.hpp"

#include "azulb/base/assert.hpp"

namespace azulb::http {

// Each side of a stream has its own kind of head; to be told the other's is a programmer's mistake.
void StreamReader::on_request(StoredRequest) {
  AZULB_ASSERT(false && "a request from a server");
}
void StreamReader::on_bad_request(BadRequest) {
  AZULB_ASSERT(false && "a request from a server");
}
void StreamReader::on_response(ResponseHead&, const ResponseInfo&) {
  AZULB_ASSERT(false && "a response from a client");
}
void StreamWriter::write_request(const RequestHeadOut&) {
  AZULB_ASSERT(false && "a request to a client");
}
void StreamWriter::write_response(const ResponseHeadOut&) {
  AZULB_ASSERT(false && "a response to a server");
}
std::uint64_t StreamWriter::written_bytes() const {
  AZULB_ASSERT(false && "counted for clients only");
  return 0;
}

}  // namespace azulb::http
