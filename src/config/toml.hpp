// toml++ as this layer uses it: without exceptions, its code compiled once, in toml.cpp. Debian's shared
// library is built with exceptions, which is another ABI (and another inline namespace), so it is not linked.
#pragma once

#undef TOML_SHARED_LIB
#define TOML_SHARED_LIB 0
#undef TOML_HEADER_ONLY
#define TOML_HEADER_ONLY 0
#undef TOML_EXCEPTIONS
#define TOML_EXCEPTIONS 0
#undef TOML_MAX_NESTED_VALUES
#define TOML_MAX_NESTED_VALUES 16
#define TOML_ENABLE_FORMATTERS 0

// The library asserts that a table header begins with a key's character, then handles one that does not as an
// error: text must not be able to abort (or, with NDEBUG, to break an assumption of) the program.
#pragma push_macro("NDEBUG")
#undef NDEBUG
#undef TOML_ASSERT
#define TOML_ASSERT(expression) static_assert(true)
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")
