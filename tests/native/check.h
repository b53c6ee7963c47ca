// The little that these tests need: a count of failures, and lines of a file.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

inline int failures = 0;
inline int checks = 0;

template <typename... Arguments>
void check(bool holds, const char* format, Arguments... arguments)
{
    ++checks;
    if (!holds && ++failures <= 20) {
        std::printf(format, arguments...);
        std::printf("\n");
    }
}

inline std::vector<std::string> read_lines(const char* path)
{
    std::ifstream file(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) {
        if (!line.empty() && line.back() == '\r') {
            line.pop_back();
        }
        lines.push_back(line);
    }
    return lines;
}

/// The exit code: 0 when at least `least` checks ran and none failed.
inline int finish(int least)
{
    std::printf("%d checks, %d failures\n", checks, failures);
    return checks >= least && failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
