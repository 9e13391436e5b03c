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

#include <toml++/toml.h>
