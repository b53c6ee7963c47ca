// Fibers, the order in which they run, and barriers.
#include "check.h"
#include "state.h"

#include <algorithm>
#include <cstdarg>
#include <cstring>

alignas(1024) unsigned char shared[emulated::kSharedBytes];

namespace emulated {

Index block_index, thread_index, grid_size, block_size;
unsigned cluster_rank, fiber = kNobody, threads, launches, cluster_number, doers, mood;
Fault fault = Fault::none;
const char* expected = nullptr;
std::vector<Fiber> fibers;
std::vector<Block> blocks;
std::vector<std::string> engine_names;
std::mt19937 chance;

namespace {

std::jmp_buf scheduler;
const std::function<void()>* body;
unsigned alive, cluster_arrived, cluster_generation;
Times cluster_gathering, cluster_released;
bool overlapping;

constexpr const char* kFaults[] = {"none", "no_proxy_fence", "no_barrier_fence", "no_wgmma_fence", "late_wgmma_wait", "no_last_wgmma_wait", "late_store_wait", "late_copy_wait", "no_phase_wait",
    "no_free_wait", "wrong_bytes", "fewer_bytes", "no_block_barrier", "no_warp_barrier", "no_named_barrier", "wrong_count", "no_cluster_barrier", "no_grid_wait", "few_registers", "rough_functions", "in_kernel"};
static_assert(std::size(kFaults) == static_cast<std::size_t>(Fault::count));

[[noreturn]] void leave() { std::longjmp(scheduler, 1); }

void settle_cluster()
{
    if (cluster_arrived == alive && alive > 0) {
        cluster_arrived = 0;
        cluster_released = cluster_gathering;
        ++cluster_generation;
    }
}

void enter()
{
    (*body)();
    end_thread();
    block().ended.join(self().times);
    if (!self().grid_waited) {
        wrong("the thread ends without griddepcontrol_wait");
    }
    self().done = true;
    --alive;
    settle_cluster();
    leave();
}

__attribute__((noinline)) void prepare(ucontext_t& context, unsigned char* stack, std::size_t bytes)
{
    getcontext(&context);
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = bytes;
    context.uc_link = nullptr;
    makecontext(&context, enter, 0);
}

/// Sets the running block's memory aside and takes up that of another one of the cluster.
void switch_to(unsigned rank)
{
    if (rank != cluster_rank) {
        std::memcpy(blocks[cluster_rank].memory.get(), shared, kSharedBytes);
        std::memcpy(shared, blocks[rank].memory.get(), kSharedBytes);
        cluster_rank = rank;
    }
}

__attribute__((noinline)) void resume(unsigned number, unsigned first)
{
    switch_to(number / threads);
    fiber = number;
    const unsigned size = static_cast<unsigned>(blocks.size());
    block_index = grid_size.y == 1 ? Index{first * size + cluster_rank, 0, 0} : Index{first % grid_size.x, first / grid_size.x * size + cluster_rank, 0};
    thread_index = {number % threads, 0, 0};
    if (_setjmp(scheduler) == 0) {
        if (self().started) {
            _longjmp(self().context, 1);
        }
        self().started = true;
        setcontext(&self().start);
    }
    fiber = kNobody;
}

bool runnable(const Fiber& f) { return !f.done && (f.event == nullptr || *f.event != f.value); }

/// Every thread of a warp until none can go on.
bool run_warp(unsigned number, unsigned first)
{
    const unsigned warps = (threads + 31) / 32, start = number / warps * threads + number % warps * 32;
    const unsigned end = std::min(start + 32, (number / warps + 1) * threads);
    bool ran = false;
    for (bool again = true; again;) {
        again = false;
        for (unsigned i = start; i < end; ++i) {
            // The lanes' order is turned round by chance.
            const unsigned lane = by_chance() && (number ^ mood) % 2 != 0 ? start + end - 1 - i : i;
            if (runnable(fibers[lane])) {
                resume(lane, first);
                ran = again = true;
            }
        }
    }
    return ran;
}

void report_deadlock()
{
    std::map<std::string, std::pair<unsigned, unsigned>> waiting; // how many threads, and the first
    for (unsigned i = 0; i < fibers.size(); ++i) {
        if (!fibers[i].done) {
            auto& entry = waiting.try_emplace(fibers[i].what, 0, i).first->second;
            ++entry.first;
        }
    }
    for (const auto& [what, entry] : waiting) {
        std::printf("  %u threads from %s on wait for %s\n", entry.first, name_of(entry.second).c_str(), what.c_str());
    }
    wrong("nobody can go on");
    std::printf("%d checks, %d failures\n", checks, failures);
    std::exit(EXIT_FAILURE);
}

void start_cluster(unsigned size)
{
    const unsigned together = size * threads;
    doers = together;
    engine_names.clear();
    forget_readers();
    fibers.clear();
    fibers.resize(together);
    blocks.clear();
    blocks.resize(size);
    for (Block& b : blocks) {
        b.barrier.size = threads;
        b.barrier.gathering.reset(), b.barrier.released.reset();
        b.ended.reset();
        b.warps.resize((threads + 31) / 32);
        for (Warp& w : b.warps) {
            w.barrier.size = 32;
            w.barrier.gathering.reset(), w.barrier.released.reset();
        }
        b.warpgroups.resize((threads + 127) / 128);
        b.granules.resize(kSharedBytes / 2);
        b.memory = std::make_unique<unsigned char[]>(kSharedBytes);
        std::memset(b.memory.get(), 0xFF, kSharedBytes);
    }
    cluster_rank = 0;
    std::memset(shared, 0xFF, kSharedBytes);
    cluster_arrived = 0;
    cluster_gathering.reset(), cluster_released.reset();
    alive = together;
}

void run_cluster(unsigned first)
{
    const unsigned warps = static_cast<unsigned>(blocks.size()) * ((threads + 31) / 32), of_block = (threads + 31) / 32;
    std::vector<unsigned> order(warps);
    for (unsigned i = 0; i < warps; ++i) {
        order[i] = i;
    }
    bool everyone = true;
    while (alive > 0) {
        if (by_chance()) {
            std::shuffle(order.begin(), order.end(), chance);
            std::stable_sort(order.begin(), order.end(), [&](unsigned a, unsigned b) { return a / of_block < b / of_block; });
        }
        bool ran = false;
        for (unsigned number : order) {
            if (everyone || !by_chance() || chance() % 2 == 0) {
                ran |= run_warp(number, first);
            }
        }
        if (!loads.empty() && (!ran || (by_chance() && chance() % 4 == 0))) {
            complete_load(by_chance() ? chance() % loads.size() : 0);
            ran = true;
        }
        if (!ran && everyone && alive > 0) {
            report_deadlock();
        }
        everyone = !ran;
        if (!by_chance()) {
            everyone = true;
        }
    }
}

} // namespace

void wrong(const char* format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (fault != Fault::none) {
        std::printf("found: %s\n", text);
        std::fflush(stdout);
        std::_Exit(expected == nullptr || std::strstr(text, expected) != nullptr ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    check(false, "%s (%s, block %u, %u; mood %u)", text, fiber == kNobody ? "nobody" : name_of(fiber).c_str(), block_index.x, block_index.y, mood);
}

void launch(unsigned grid_x, unsigned grid_y, unsigned block_threads, const std::function<void()>& kernel, unsigned cluster, bool overlaps)
{
    constexpr std::size_t kStack = 256 * 1024;
    threads = block_threads;
    ++launches;
    chance.seed(mood * 1000 + launches);
    const unsigned together = cluster * threads;
    const std::unique_ptr<unsigned char[]> stacks(new unsigned char[kStack * together]);
    body = &kernel;
    overlapping = overlaps;
    grid_size = {grid_x, grid_y, 1};
    block_size = {threads, 1, 1};
    std::vector<unsigned> order(grid_x * grid_y / cluster);
    for (unsigned i = 0; i < order.size(); ++i) {
        order[i] = i;
    }
    if (by_chance()) {
        std::shuffle(order.begin(), order.end(), chance);
    }
    for (const unsigned first : order) {
        cluster_number = first;
        start_cluster(cluster);
        for (unsigned i = 0; i < together; ++i) {
            Fiber& f = fibers[i];
            f.times.reset();
            f.times.seen[i] = 1;
            f.grid_waited = !overlaps;
            f.registers = 65536 / static_cast<int>(threads) / 8 * 8;
            prepare(f.start, stacks.get() + i * kStack, kStack);
        }
        run_cluster(first);
        for (Block& b : blocks) {
            for (const auto& [doer, clock] : b.visits) {
                if (b.ended.seen[doer] < clock) {
                    wrong("block %d of the cluster may end before %s is done with its shared memory", static_cast<int>(&b - blocks.data()), name_of(doer).c_str());
                }
            }
            for (const auto& [id, named] : b.named) {
                if (named.arrived != 0) {
                    wrong("%u threads were left at named barrier %u", named.arrived, id);
                }
            }
        }
        if (!loads.empty()) {
            wrong("a block ends before %zu of its loads", loads.size());
            loads.clear();
        }
    }
    end_launch();
}

int run_test(int count, char** arguments, unsigned moods, int least_checks, const std::function<void()>& test)
{
    if (count > 1 && arguments[1][0] != 0) {
        for (std::size_t i = 0; i < std::size(kFaults); ++i) {
            if (std::strcmp(arguments[1], kFaults[i]) == 0) {
                fault = static_cast<Fault>(i);
            }
        }
        if (fault == Fault::none) {
            std::printf("no fault is called %s\n", arguments[1]);
            return EXIT_FAILURE;
        }
        test();
        std::printf("%s was not found\n", arguments[1]);
        return EXIT_FAILURE;
    }
    for (unsigned i = 0; i < moods; ++i) {
        constexpr unsigned kOrder[] = {0, 2, 1}; // where there is time for two only, the second is by chance
        mood = i < std::size(kOrder) ? kOrder[i] : i;
        test();
    }
    return finish(least_checks);
}

void Times::reset()
{
    seen.assign(fibers.size() + kEngines, 0);
    fenced.assign(fibers.size() + kEngines, 0);
}

void Times::join(const Times& other)
{
    const unsigned count = doers;
    Clock *s = seen.data(), *f = fenced.data();
    const Clock *os = other.seen.data(), *of = other.fenced.data();
    for (unsigned i = 0; i < count; ++i) {
        s[i] = s[i] > os[i] ? s[i] : os[i];
    }
    for (unsigned i = 0; i < count; ++i) {
        f[i] = f[i] > of[i] ? f[i] : of[i];
    }
}

unsigned new_engine(const std::string& name)
{
    engine_names.push_back(name);
    if (engine_names.size() > kEngines) {
        std::printf("more engines than the emulation has room for\n");
        std::exit(EXIT_FAILURE);
    }
    return doers++;
}

std::string name_of(unsigned doer)
{
    if (doer == kNobody) {
        return "nobody";
    }
    if (doer >= fibers.size()) {
        return engine_names[doer - fibers.size()];
    }
    return "thread " + std::to_string(doer % threads) + (blocks.size() > 1 ? " of block " + std::to_string(doer / threads) + " of the cluster" : "");
}

void tick() { ++self().times.seen[fiber]; }

void show(Times& to)
{
    to.join(self().times);
    tick();
}

void see(const Times& from) { self().times.join(from); }

void wait_until(const unsigned* event, unsigned value, const std::string& what)
{
    Fiber& f = self();
    if (*event != value) {
        return;
    }
    f.event = event, f.value = value, f.what = what;
    while (*event == value) {
        if (_setjmp(f.context) == 0) {
            leave();
        }
    }
    f.event = nullptr;
}

namespace {

void meet(Barrier& barrier, const std::string& what)
{
    show(barrier.gathering);
    const unsigned generation = barrier.generation;
    if (++barrier.arrived == barrier.size) {
        barrier.arrived = 0;
        std::swap(barrier.released, barrier.gathering);
        barrier.gathering.reset();
        ++barrier.generation;
    } else {
        wait_until(&barrier.generation, generation, what);
    }
    see(barrier.released);
}

} // namespace

void sync_block()
{
    if (fault != Fault::no_block_barrier) {
        meet(block().barrier, "__syncthreads");
    }
}

void sync_warp()
{
    if (fault != Fault::no_warp_barrier) {
        meet(warp().barrier, "__syncwarp");
    }
}

void sync_named(unsigned id, unsigned count)
{
    if (fault == Fault::no_named_barrier) {
        return;
    }
    count += fault == Fault::wrong_count ? 32 : 0;
    if (id == 0 || id > 15 || count % 32 != 0 || count > threads) {
        wrong("named barrier %u of %u threads: 1 to 15, whole warps of the block", id, count);
    }
    auto [entry, is_new] = block().named.try_emplace(id);
    Barrier& barrier = entry->second;
    if (is_new) {
        barrier.gathering.reset(), barrier.released.reset();
    }
    if (barrier.arrived != 0 && barrier.size != count) {
        wrong("named barrier %u: %u threads for some, %u for others", id, barrier.size, count);
    }
    barrier.size = count;
    meet(barrier, "named barrier " + std::to_string(id) + " of " + std::to_string(count));
}

void cluster_arrive()
{
    if (fault == Fault::no_cluster_barrier) {
        return;
    }
    show(cluster_gathering);
    self().phases[~0u] = static_cast<int>(cluster_generation);
    ++cluster_arrived;
    settle_cluster();
}

/// Threads that have ended count as arrived.
void cluster_wait()
{
    if (fault == Fault::no_cluster_barrier) {
        return;
    }
    wait_until(&cluster_generation, static_cast<unsigned>(self().phases.at(~0u)), "the cluster's barrier");
    see(cluster_released);
}

void grid_wait() { self().grid_waited |= fault != Fault::no_grid_wait; }

/// Registers that are given back go to the block's pool; who takes some waits until they are there.
void set_registers(int count, bool more)
{
    Fiber& f = self();
    if (more ? count < f.registers : count > f.registers) {
        wrong("setmaxnreg from %d to %d goes the other way", f.registers, count);
    }
    if (!more && fault == Fault::few_registers) {
        return;
    }
    Block& b = block();
    while (count - f.registers > b.free_registers) {
        wait_until(&b.register_events, b.register_events, "registers");
    }
    b.free_registers -= count - f.registers;
    f.registers = count;
    ++b.register_events;
}

} // namespace emulated
