# tera_cubins: every kernel variant compiled by nvcc to a cubin, under the name that the library looks for when NVRTC is missing. The
# variants come from the launchers themselves (kernel-manifest.cs), so that nothing is listed twice. The same list gives editors one
# entry a kernel source in compile_commands.json (target tera_kernel_index, never built).
set(TERA_CUBIN_ARCHITECTURES "sm_80;sm_86;sm_89;sm_90a;sm_100a;sm_120a" CACHE STRING "Targets of tera_cubins")
set(TERA_CUBIN_DIRECTORY "${CMAKE_BINARY_DIR}/cubins" CACHE PATH "Where tera_cubins writes")

find_program(TERA_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH PATH_SUFFIXES bin PATHS /usr/local/cuda/bin /opt/cuda/bin)
find_program(TERA_DOTNET dotnet HINTS ENV DOTNET_ROOT)
if(NOT TERA_NVCC OR NOT TERA_DOTNET)
  message(STATUS "no tera_cubins: it needs nvcc (${TERA_NVCC}) and dotnet (${TERA_DOTNET})")
  return()
endif()

file(GLOB_RECURSE tera_kernel_files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/kernels/*.cu" "${PROJECT_SOURCE_DIR}/kernels/*.cuh")
file(GLOB_RECURSE tera_launchers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/TeRA.Kernels/Cuda/*.cs")
# A cubin's name holds a hash of its sources: any change of them, or of the launchers, makes the list anew.
set_property(DIRECTORY "${PROJECT_SOURCE_DIR}" APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${tera_kernel_files} ${tera_launchers})

set(tera_manifest "${CMAKE_BINARY_DIR}/kernels.tsv")
execute_process(
  COMMAND "${TERA_DOTNET}" run -c Release "${CMAKE_CURRENT_LIST_DIR}/kernel-manifest.cs" -- "${tera_manifest}" ${TERA_CUBIN_ARCHITECTURES}
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(NOT result EQUAL 0)
  message(WARNING "no tera_cubins: the list of kernels could not be made\n${output}")
  return()
endif()

# The target comes with the source's suffix a where one generation's own instructions are used, as NVRTC gets it.
set(tera_nvcc_options --std=c++20 --expt-relaxed-constexpr "-I${PROJECT_SOURCE_DIR}/kernels")
file(STRINGS "${tera_manifest}" lines ENCODING UTF-8)
foreach(line IN LISTS lines)
  if(NOT line MATCHES "^([^\t]+)\t([^\t]+)\t([^\t]+)\t?(.*)$")
    message(FATAL_ERROR "${tera_manifest}: not a line of four fields: ${line}")
  endif()
  set(source "${PROJECT_SOURCE_DIR}/kernels/${CMAKE_MATCH_1}")
  set(architecture "${CMAKE_MATCH_2}")
  set(cubin "${TERA_CUBIN_DIRECTORY}/${CMAKE_MATCH_3}")
  set(options "${CMAKE_MATCH_4}")
  add_custom_command(
    OUTPUT "${cubin}"
    COMMAND "${CMAKE_COMMAND}" -E make_directory "${TERA_CUBIN_DIRECTORY}"
    COMMAND "${TERA_NVCC}" -cubin "-arch=${architecture}" ${tera_nvcc_options} ${options} -o "${cubin}" "${source}"
    DEPENDS ${tera_kernel_files}
    COMMENT "nvcc ${CMAKE_MATCH_1} ${architecture} ${options}"
    VERBATIM)
  list(APPEND tera_cubins "${cubin}")
  if(NOT DEFINED tera_index_${CMAKE_MATCH_1})
    set("tera_index_${CMAKE_MATCH_1}" TRUE)
    set_source_files_properties("${source}" PROPERTIES COMPILE_OPTIONS "${options}")
    list(APPEND tera_indexed "${source}")
  endif()
endforeach()
add_custom_target(tera_cubins DEPENDS ${tera_cubins})
list(LENGTH tera_cubins count)
message(STATUS "tera_cubins: ${count} cubins for ${TERA_CUBIN_ARCHITECTURES}")

include(CheckLanguage)
check_language(CUDA)
if(CMAKE_CUDA_COMPILER)
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 90a-real)
  endif()
  enable_language(CUDA)
  add_library(tera_kernel_index OBJECT EXCLUDE_FROM_ALL ${tera_indexed})
  target_include_directories(tera_kernel_index PRIVATE "${PROJECT_SOURCE_DIR}/kernels")
  target_compile_features(tera_kernel_index PRIVATE cuda_std_20)
  target_compile_options(tera_kernel_index PRIVATE --expt-relaxed-constexpr)
endif()
