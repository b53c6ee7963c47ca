// format_tests FORMAT.md: kernels/random, compiled for the host, against the tables of the format's text, and its ways to read a factor
// against each other.
#include <cmath>

#include "check.h"
#include "random/distributions.cuh"

namespace {

using namespace tera;

std::vector<std::string> cells_of(const std::string& line)
{
    std::vector<std::string> cells;
    if (line.empty() || line[0] != '|') {
        return cells;
    }
    for (std::size_t start = 1, end; (end = line.find('|', start)) != std::string::npos; start = end + 1) {
        std::string cell = line.substr(start, end - start);
        cell.erase(0, cell.find_first_not_of(' '));
        cell.erase(cell.find_last_not_of(' ') + 1);
        cells.push_back(cell);
    }
    return cells;
}

RandomSource make_source(const std::string& name, u64 seed, u32 stream, u32 threshold)
{
    const u32 distribution = name.starts_with("normal") ? kNormal : name.starts_with("uniform") ? kUniform : name.starts_with("rademacher") ? kRademacher : kTernary;
    const float magnitude = distribution == kTernary ? static_cast<float>(1.0 / std::sqrt(2.0 * threshold / 65536.0)) : 1.0f;
    return {seed, stream, distribution, threshold, magnitude};
}

u64 number(const std::string& cell)
{
    return std::strtoull(cell.c_str(), nullptr, 0);
}

void check_element(const std::string& line, const std::vector<std::string>& cells)
{
    const RandomSource source = make_source(cells[0], number(cells[2]), static_cast<u32>(number(cells[3])), static_cast<u32>(number(cells[1])));
    const u32 found = float_bits(random_element(source, number(cells[4])));
    check(found == number(cells[5]), "%s\n  found 0x%08x", line.c_str(), found);
}

void check_pair(const std::string& line, const std::vector<std::string>& cells)
{
    const Words words{static_cast<u32>(number(cells[0])), static_cast<u32>(number(cells[1])), 0, 0};
    float pair[2];
    BlockElements<kNormal>::values<2>(words, 0, RandomSource{}, pair);
    check(float_bits(pair[0]) == number(cells[2]) && float_bits(pair[1]) == number(cells[3]), "%s\n  found 0x%08x 0x%08x", line.c_str(),
          float_bits(pair[0]), float_bits(pair[1]));
}

template <int D, int N>
void check_consecutive(const RandomSource& source)
{
    for (u64 first = 0; first < 1024; first += N) {
        float out[N], run_time[N];
        Factor<D>::consecutive(source, first, out);
        consecutive_elements(source, first, run_time);
        for (int i = 0; i < N; ++i) {
            const u32 wanted = float_bits(Factor<D>::element(source, first + i));
            check(float_bits(out[i]) == wanted && float_bits(run_time[i]) == wanted, "distribution %d: %d from %llu, number %d", D, N, first, i);
        }
    }
}

template <int D>
void check_readings(u32 threshold, float magnitude)
{
    const RandomSource source{0x0123456789ABCDEFull, 3, D, threshold, magnitude};
    check_consecutive<D, 1>(source);
    check_consecutive<D, 2>(source);
    check_consecutive<D, 4>(source);
    check_consecutive<D, 8>(source);
    check_consecutive<D, 16>(source);
    check_consecutive<D, 32>(source);
    check_consecutive<D, 64>(source);
    check_consecutive<D, 128>(source);
    check_consecutive<D, 256>(source);
    FactorReader<D> reader(source);
    for (u64 step = 0; step < 2000; ++step) {
        const u64 index = step < 1000 ? step + 5 : step * 7919 % 4001;
        check(float_bits(reader(index)) == float_bits(Factor<D>::element(source, index)), "distribution %d: reader at %llu", D, index);
    }
    float block[Factor<D>::kElements];
    Factor<D>::block(source, 9, block);
    for (int i = 0; i < Factor<D>::kElements; ++i) {
        check(block[i] == Factor<D>::element(source, 9ull * Factor<D>::kElements + i), "distribution %d: block, element %d", D, i);
    }
}

/// The distances to true radii and directions on which rounded_normals.cuh builds, for one word in 4099.
void check_distances()
{
    const double turn = 6.283185307179586476925 / 4294967296.0, radius_distance = std::exp2(-23.269), direction_distance = std::exp2(-23.499);
    double radius_worst = 0, direction_worst = 0;
    for (u64 i = 0; i <= 0xFFFFFFFFull; i += 4099) {
        const u32 x = static_cast<u32>(i);
        const float u = fma_rn(to_float_rn(x), 0x1p-32f, 0x1p-33f);
        const double radius = std::sqrt(-2 * std::log(static_cast<double>(u)));
        radius_worst = std::fmax(radius_worst, radius == 0 ? normal_radius(x) : std::fabs(normal_radius(x) - radius) / radius);
        float cosine, sine;
        normal_direction(x, cosine, sine);
        direction_worst = std::fmax(direction_worst, std::fmax(std::fabs(cosine - std::cos(x * turn)), std::fabs(sine - std::sin(x * turn))));
        check(std::fabs(cosine) <= 1 && std::fabs(sine) <= 1, "the direction of 0x%08x is longer than one", x);
    }
    check(radius_worst > 0.9 * radius_distance && radius_worst <= radius_distance, "a radius is wrong by %g of itself", radius_worst);
    check(direction_worst > 0.9 * direction_distance && direction_worst <= direction_distance, "a direction is wrong by %g", direction_worst);
}

}  // namespace

int main(int argc, char** argv)
{
    if (argc != 2) {
        return EXIT_FAILURE;
    }
    for (const std::string& line : read_lines(argv[1])) {
        const std::vector<std::string> cells = cells_of(line);
        if (cells.size() == 7 && cells[2].starts_with("0x")) {
            check_element(line, cells);
        } else if (cells.size() == 6 && cells[0].starts_with("0x")) {
            check_pair(line, cells);
        }
    }
    const int rows = checks;
    check(rows >= 100, "only %d rows in %s", rows, argv[1]);
    check_readings<kNormal>(0, 1.0f);
    check_readings<kUniform>(0, 1.0f);
    check_readings<kRademacher>(0, 1.0f);
    check_readings<kTernary>(10923, 1.7320243f);
    check_distances();
    return finish(1000000);
}
