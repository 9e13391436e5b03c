#include "azulb/http/stored_request.hpp"

#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "azulb/http/normal_path.hpp"

namespace azulb::http {

static_assert(std::is_trivially_destructible_v<Request>, "a block is dropped without a destructor");
static_assert(std::is_trivially_copyable_v<Field>);
static_assert(alignof(Request) <= alignof(std::max_align_t) && alignof(Field) <= alignof(Request));

namespace {

/// Behind the head's bytes: a normal form is never longer than what it is made from.
std::size_t normal_path_room(std::string_view target) {
  return may_need_normalising(target) ? target.size() : 0;
}

}  // namespace

StoredRequest::StoredRequest(const RequestHead& parsed, std::string_view bytes) {
  constexpr std::size_t fields_offset =
      (sizeof(Request) + alignof(Field) - 1) / alignof(Field) * alignof(Field);
  const std::size_t bytes_offset = fields_offset + parsed.fields.size() * sizeof(Field);
  const std::size_t text_bytes = bytes.size() + normal_path_room(parsed.target);
  const std::size_t size_bytes = bytes_offset + text_bytes;
  char* block = block_.prepare(size_bytes).data();
  block_.commit(size_bytes);
  auto* request = new (block) Request;
  auto* fields = reinterpret_cast<Field*>(block + fields_offset);
  std::memcpy(block + bytes_offset, bytes.data(), bytes.size());
  request->head_bytes = bytes.size();
  request->head = parsed;
  relocate(request->head, bytes.data(), block + bytes_offset, std::span(fields, parsed.fields.size()));
}

void StoredRequest::normalise_path() {
  Request& request = *get();
  Target& target = request.info.target;
  if (target.path_normal) return;
  char* const room = block_.data() + block_.size() - normal_path_room(request.head.target);
  target.path = {room, write_normal_path(target.path, room)};
  target.path_normal = true;
}

StoredFields::StoredFields(std::span<const Field> fields) : count_(fields.size()) {
  if (fields.empty()) return;
  std::size_t text_bytes = 0;
  for (const Field& field : fields)
    text_bytes += field.name.size() + field.value.size();
  const std::size_t fields_bytes = fields.size() * sizeof(Field);
  char* block = block_.prepare(fields_bytes + text_bytes).data();
  block_.commit(fields_bytes + text_bytes);
  auto* copies = reinterpret_cast<Field*>(block);
  std::uninitialized_copy(fields.begin(), fields.end(), copies);
  char* text = block + fields_bytes;
  const auto keep = [&text](std::string_view from) {
    std::memcpy(text, from.data(), from.size());
    return std::string_view(std::exchange(text, text + from.size()), from.size());
  };
  for (Field& copy : std::span(copies, count_)) {
    copy.name = keep(copy.name);
    copy.value = keep(copy.value);
    copy.verbatim = false;
  }
}

std::span<Field> StoredFields::fields() {
  if (count_ == 0) return {};
  return {reinterpret_cast<Field*>(block_.data()), count_};
}

}  // namespace azulb::http
