# tera_device_headers: what a host program needs to include the plain C++ headers of kernels/ and get the format's bits from them.
add_library(tera_device_headers INTERFACE)
target_include_directories(tera_device_headers INTERFACE "${PROJECT_SOURCE_DIR}/kernels")
target_compile_features(tera_device_headers INTERFACE cxx_std_20)
if(MSVC)
  target_compile_options(tera_device_headers INTERFACE /W4 /WX /utf-8 /fp:precise)
else()
  # No contraction: every operation is rounded as it is written.
  target_compile_options(tera_device_headers INTERFACE -Wall -Wextra -Wpedantic -Werror -ffp-contract=off)
endif()
