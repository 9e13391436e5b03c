#include "azulb/base/expression.hpp"

#include <re2/re2.h>

#include <cstdint>
#include <string>
#include <utility>

namespace azulb::base {
namespace {

// Of one expression, its program and the states found so far.
constexpr std::int64_t most_memory_bytes = std::int64_t{4} * 1024 * 1024;

}  // namespace

Expression::Expression(std::unique_ptr<const re2::RE2> compiled) : compiled_(std::move(compiled)) {}
Expression::Expression(Expression&&) noexcept = default;
Expression& Expression::operator=(Expression&&) noexcept = default;
Expression::~Expression() = default;

Result<Expression> Expression::compile(std::string_view text) {
  RE2::Options options;
  options.set_encoding(RE2::Options::EncodingLatin1);
  options.set_max_mem(most_memory_bytes);
  options.set_log_errors(false);
  auto compiled = std::make_unique<const RE2>(re2::StringPiece(text.data(), text.size()), options);
  if (!compiled->ok()) return failure(compiled->error());
  return Expression(std::move(compiled));
}

bool Expression::found_in(std::string_view text) const {
  const re2::StringPiece piece(text.data(), text.size());
  return compiled_->Match(piece, 0, piece.size(), RE2::UNANCHORED, nullptr, 0);
}

}  // namespace azulb::base
