#include "azulb/base/template.hpp"

#include <algorithm>
#include <utility>

namespace azulb::base {

Result<Template> Template::compile(std::string_view text, std::span<const std::string_view> names) {
  Template compiled;
  Part part;
  while (!text.empty()) {
    const char first = text.front();
    const bool doubled = text.size() > 1 && text[1] == first;
    if (first == '{' && !doubled) {
      const std::size_t close = text.find('}');
      if (close == std::string_view::npos) return failure("a { is not closed by }; write {{ for a brace");
      const std::string_view name = text.substr(1, close - 1);
      const auto found = std::find(names.begin(), names.end(), name);
      if (found == names.end()) {
        std::string known;
        for (const std::string_view each : names)
          known.append(known.empty() ? "" : ", ").append(each);
        return failure("there is no variable {" + std::string(name) + "}: there are " + known);
      }
      part.variable = static_cast<std::size_t>(found - names.begin());
      compiled.parts_.push_back(std::exchange(part, Part{}));
      text.remove_prefix(close + 1);
      continue;
    }
    if (first == '}' && !doubled) return failure("a } closes nothing; write }} for a brace");
    part.literal += first;
    text.remove_prefix(first == '{' || first == '}' ? 2 : 1);
  }
  if (!part.literal.empty()) compiled.parts_.push_back(std::move(part));
  return compiled;
}

}  // namespace azulb::base
