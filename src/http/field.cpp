#include "azulb/http/field.hpp"

#include <array>
#include <bit>
#include <cstring>

#include "azulb/http/bytes.hpp"

namespace azulb::http {
namespace {

struct Name {
  std::string_view lower;
  FieldId id;
};

constexpr std::array names = {
    Name{"accept", FieldId::accept},
    Name{"age", FieldId::age},
    Name{"authorization", FieldId::authorization},
    Name{"cache-control", FieldId::cache_control},
    Name{"connection", FieldId::connection},
    Name{"content-encoding", FieldId::content_encoding},
    Name{"content-length", FieldId::content_length},
    Name{"content-range", FieldId::content_range},
    Name{"content-type", FieldId::content_type},
    Name{"cookie", FieldId::cookie},
    Name{"date", FieldId::date},
    Name{"expect", FieldId::expect},
    Name{"forwarded", FieldId::forwarded},
    Name{"host", FieldId::host},
    Name{"http2-settings", FieldId::http2_settings},
    Name{"keep-alive", FieldId::keep_alive},
    Name{"location", FieldId::location},
    Name{"max-forwards", FieldId::max_forwards},
    Name{"pragma", FieldId::pragma},
    Name{"proxy-authenticate", FieldId::proxy_authenticate},
    Name{"proxy-authorization", FieldId::proxy_authorization},
    Name{"proxy-connection", FieldId::proxy_connection},
    Name{"range", FieldId::range},
    Name{"referer", FieldId::referer},
    Name{"remote-addr", FieldId::remote_addr},
    Name{"retry-after", FieldId::retry_after},
    Name{"sec-websocket-accept", FieldId::sec_websocket_accept},
    Name{"sec-websocket-extensions", FieldId::sec_websocket_extensions},
    Name{"sec-websocket-key", FieldId::sec_websocket_key},
    Name{"sec-websocket-protocol", FieldId::sec_websocket_protocol},
    Name{"sec-websocket-version", FieldId::sec_websocket_version},
    Name{"server", FieldId::server},
    Name{"set-cookie", FieldId::set_cookie},
    Name{"te", FieldId::te},
    Name{"trailer", FieldId::trailer},
    Name{"transfer-encoding", FieldId::transfer_encoding},
    Name{"upgrade", FieldId::upgrade},
    Name{"user-agent", FieldId::user_agent},
    Name{"www-authenticate", FieldId::www_authenticate},
    Name{"x-client-ip", FieldId::x_client_ip},
    Name{"x-forwarded-for", FieldId::x_forwarded_for},
    Name{"x-forwarded-host", FieldId::x_forwarded_host},
    Name{"x-forwarded-port", FieldId::x_forwarded_port},
    Name{"x-forwarded-proto", FieldId::x_forwarded_proto},
    Name{"x-real-ip", FieldId::x_real_ip},
    Name{"x-request-id", FieldId::x_request_id},
};

constexpr std::string_view forwarded_prefix = "x-forwarded-";
constexpr std::string_view ssl_client_prefix = "x-ssl-client-";
constexpr std::size_t longest_name = 24;
constexpr std::size_t slot_count = 256;

/// Letters lose their case; for the other bytes of a token it only has to be a function.
constexpr unsigned fold(char byte) {
  return static_cast<unsigned char>(byte) | 0x20U;
}

/// Three factors of six bits each.
constexpr std::size_t slot_of(std::string_view name, unsigned factors) {
  const unsigned mix = static_cast<unsigned>(name.size()) + fold(name.front()) * (factors & 63U) +
                       fold(name[name.size() * 3 / 4]) * ((factors >> 6U) & 63U) +
                       fold(name.back()) * (factors >> 12U);
  return mix & (slot_count - 1);
}

constexpr bool collides(unsigned factors) {
  std::array<bool, slot_count> used{};
  for (const Name& name : names) {
    bool& slot = used[slot_of(name.lower, factors)];
    if (slot) return true;
    slot = true;
  }
  return false;
}

/// Factors that give every name a slot of its own: about one in eighty does, the compiler finds the first.
constexpr unsigned find_factors() {
  unsigned factors = 1;
  while (collides(factors))
    ++factors;
  return factors;
}
constexpr unsigned hash_factors = find_factors();
static_assert(hash_factors < (1U << 18U));

constexpr std::array<std::uint8_t, slot_count> make_slots() {
  std::array<std::uint8_t, slot_count> slots{};
  for (std::size_t i = 0; i < names.size(); ++i) {
    slots[slot_of(names[i].lower, hash_factors)] = static_cast<std::uint8_t>(i + 1);
  }
  return slots;
}
constexpr std::array<std::uint8_t, slot_count> slots = make_slots();  // index into names + 1; 0 = empty

constexpr std::size_t folded_size = sizeof(FoldedName);

constexpr std::uint64_t word_of(std::string_view bytes) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::size_t place = std::endian::native == std::endian::little ? i : sizeof word - 1 - i;
    word |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (place * 8);
  }
  return word;
}

constexpr FoldedName folded(std::string_view lower) {
  constexpr std::size_t half = folded_size / 2;
  return lower.size() <= half ? FoldedName{word_of(lower), 0}
                              : FoldedName{word_of(lower.substr(0, half)), word_of(lower.substr(half))};
}

/// The upper eight bits of a product depend on all others.
constexpr std::size_t folded_slot(FoldedName name, std::uint64_t factor) {
  return ((name.first + name.second) * factor) >> 56U;
}

constexpr bool folded_collides(std::uint64_t factor) {
  std::array<bool, slot_count> used{};
  for (const Name& name : names) {
    if (name.lower.size() > folded_size) continue;
    bool& slot = used[folded_slot(folded(name.lower), factor)];
    if (slot) return true;
    slot = true;
  }
  return false;
}

constexpr std::uint64_t find_folded_factor() {
  std::uint64_t factor = 0x9E3779B97F4A7C15;  // odd, its bits well mixed
  while (folded_collides(factor))
    factor += 2;
  return factor;
}
constexpr std::uint64_t folded_factor = find_folded_factor();

struct FoldedEntry {
  FoldedName name;
  FieldId id;
};

constexpr std::array<FoldedEntry, slot_count> make_folded_entries() {
  std::array<FoldedEntry, slot_count> entries{};
  for (const Name& name : names) {
    if (name.lower.size() > folded_size) continue;
    const FoldedName form = folded(name.lower);
    entries[folded_slot(form, folded_factor)] = {form, name.id};
  }
  return entries;
}
constexpr std::array<FoldedEntry, slot_count> folded_entries = make_folded_entries();

template <typename Word>
bool equal_word(const char* text, const char* lower) {
  Word left;
  Word right;
  std::memcpy(&left, text, sizeof left);
  std::memcpy(&right, lower, sizeof right);
  // 0x20 in every byte. A token has no byte that this turns into "-" or a digit but these themselves.
  constexpr Word case_bits = static_cast<Word>(0x2020202020202020ULL);
  return static_cast<Word>(left | case_bits) == static_cast<Word>(right | case_bits);
}

/// Whether a token is `lower`, of the same size, without case; by words that may overlap.
bool equal_lower(const char* text, const char* lower, std::size_t size) {
  if (size >= 8) {
    for (std::size_t at = 0; at + 8 < size; at += 8) {
      if (!equal_word<std::uint64_t>(text + at, lower + at)) return false;
    }
    return equal_word<std::uint64_t>(text + size - 8, lower + size - 8);
  }
  if (size >= 4) {
    return equal_word<std::uint32_t>(text, lower) &&
           equal_word<std::uint32_t>(text + size - 4, lower + size - 4);
  }
  return equal_word<std::uint16_t>(text, lower) &&
         equal_word<std::uint16_t>(text + size - 2, lower + size - 2);
}

/// By the table of names alone.
FieldId listed_id(std::string_view name) {
  if (name.size() < 2) return FieldId::other;
  const std::uint8_t slot = slots[slot_of(name, hash_factors)];
  if (slot == 0) return FieldId::other;
  const Name& candidate = names[slot - 1U];
  const bool same =
      candidate.lower.size() == name.size() && equal_lower(name.data(), candidate.lower.data(), name.size());
  return same ? candidate.id : FieldId::other;
}

bool begins_with(std::string_view name, std::string_view prefix) {
  return name.size() > prefix.size() && equal_lower(name.data(), prefix.data(), prefix.size());
}

FieldId known_id(std::string_view name) {
  if (const FieldId id = listed_id(name); id != FieldId::other) return id;
  if (name.empty() || (name[0] | 0x20) != 'x') return FieldId::other;
  if (begins_with(name, forwarded_prefix)) return FieldId::x_forwarded_other;
  if (begins_with(name, ssl_client_prefix)) return FieldId::x_ssl_client;
  return FieldId::other;
}

FieldId id_with_underscores(std::string_view name) {
  std::array<char, longest_name> dashed;
  // A longer name can only be X_Forwarded_something or X_SSL_Client_something: its beginning decides.
  const std::size_t size = name.size() < dashed.size() ? name.size() : dashed.size();
  for (std::size_t i = 0; i < size; ++i)
    dashed[i] = name[i] == '_' ? '-' : name[i];
  const FieldId id = known_id({dashed.data(), size});
  const bool by_beginning = id == FieldId::x_forwarded_other || id == FieldId::x_ssl_client;
  if (id == FieldId::other || (size < name.size() && !by_beginning)) return FieldId::other;
  return id == FieldId::remote_addr ? FieldId::remote_addr : FieldId::underscore_twin;
}

/// Apart, so that recognising a listed name is a function without calls and saved registers.
[[gnu::noinline]] FieldId unlisted_id(std::string_view name) {
  if (name.find('_') != std::string_view::npos) {
    const FieldId twin = id_with_underscores(name);
    if (twin != FieldId::other) return twin;
  }
  return known_id(name);
}

}  // namespace

FieldId field_id(std::string_view name) {
  const FieldId id = listed_id(name);
  return id != FieldId::other ? id : unlisted_id(name);
}

FieldId field_id(std::string_view name, FoldedName folded) {
  const FoldedEntry& entry = folded_entries[folded_slot(folded, folded_factor)];
  if (entry.name.first == folded.first && entry.name.second == folded.second) return entry.id;
  // Without "_" and not in the table: what is left is X-Forwarded-anything and X-SSL-Client-anything.
  return fold(name.front()) == 'x' ? unlisted_id(name) : FieldId::other;
}

bool equal_ignore_case(std::string_view left, std::string_view right) {
  if (left.size() != right.size()) return false;
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (to_lower(left[i]) != to_lower(right[i])) return false;
  }
  return true;
}

bool is_token_byte(unsigned char byte) {
  return (byte_class[byte] & class_token) != 0;
}

bool is_token(std::string_view text) {
  for (const char byte : text) {
    if (!is_byte(byte, class_token)) return false;
  }
  return !text.empty();
}

bool is_field_value(std::string_view text) {
  for (const char byte : text) {
    if (!is_byte(byte, class_value)) return false;
  }
  return true;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

bool next_list_element(std::string_view& list, std::string_view& element) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    element = trim(list.substr(0, comma));
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
    if (!element.empty()) return true;
  }
  return false;
}

bool list_contains(std::string_view list, std::string_view token) {
  std::string_view element;
  while (next_list_element(list, element)) {
    if (equal_ignore_case(element, token)) return true;
  }
  return false;
}

const Field* find_field(std::span<const Field> fields, FieldId id) {
  for (const Field& field : fields) {
    if (field.id == id) return &field;
  }
  return nullptr;
}

const Field* find_field(std::span<const Field> fields, std::string_view name) {
  for (const Field& field : fields) {
    if (equal_ignore_case(field.name, name)) return &field;
  }
  return nullptr;
}

}  // namespace azulb::http
