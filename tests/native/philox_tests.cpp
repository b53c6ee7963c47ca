// philox_tests FILE: Philox4x32-10 of kernels/random against its authors' known answers.
#include <sstream>

#include "check.h"
#include "random/philox.cuh"

int main(int argc, char** argv)
{
    if (argc != 2) {
        return EXIT_FAILURE;
    }
    for (const std::string& line : read_lines(argv[1])) {
        if (line.empty() || line[0] == '#') {
            continue;
        }
        std::istringstream text(line);
        tera::u32 n[10];
        for (tera::u32& word : n) {
            text >> std::hex >> word;
        }
        const tera::Words x = tera::philox4x32_10({n[0], n[1], n[2], n[3]}, n[4], n[5]);
        check(text && x.x0 == n[6] && x.x1 == n[7] && x.x2 == n[8] && x.x3 == n[9], "%s\n  found %08x %08x %08x %08x", line.c_str(), x.x0, x.x1, x.x2, x.x3);
    }
    return finish(3);
}
