// What the parts of the machine share: clocks, fibers, blocks.
#pragma once

#include "machine.h"

#include <csetjmp>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <ucontext.h>

alignas(1024) extern unsigned char shared[emulated::kSharedBytes]; // of the block that runs; the other blocks of its cluster have theirs set aside

namespace emulated {

using Clock = std::uint32_t;

// Numbers of those that do things: the threads of a cluster, then its engines (a barrier's loads, a thread's stores or copies, a warpgroup's wgmma), as they come up.
constexpr unsigned kNobody = 0xFFFF;
extern unsigned doers;
constexpr unsigned kEngines = 640;

/// What someone has seen of everybody, and of that, what the asynchronous proxy has seen as well.
struct Times {
    std::vector<Clock> seen, fenced;
    void reset();
    void join(const Times& other);
};

struct Barrier {
    unsigned size = 0, arrived = 0, generation = 0;
    Times gathering, released;
};

struct PendingRegisters {
    float* at;
    std::vector<float> values;
    unsigned group; // of the last wgmma on them
};

struct Store {
    const TensorMap* map;
    int x, y, z;
    unsigned from;
    bool read;
    std::vector<unsigned short> values;
};

struct Copy {
    unsigned to;
    const void* from;
    unsigned bytes, size;
    bool done;
};

struct Fiber {
    std::jmp_buf context;
    ucontext_t start;
    bool started = false, done = false, grid_waited = false, registers_fenced = false;
    Times times;
    const unsigned* event = nullptr; // the fiber waits until this is not `value`
    unsigned value = 0;
    std::string what;
    int registers = 0;
    // Bulk stores and cp.async: groups closed, groups that are done, the pending ones.
    unsigned store_engine = kNobody, stores_closed = 0, copy_engine = kNobody, copies_closed = 0, copies_done = 0;
    std::deque<std::pair<unsigned, Store>> stores;
    std::deque<std::pair<unsigned, Copy>> copies;
    // wgmma: issued, groups closed, accumulators that are not the thread's now.
    unsigned wgmma_issued = 0, wgmma_closed = 0;
    std::vector<PendingRegisters> pending;
    std::map<unsigned, int> phases; // of barriers: which one the thread waits for next
};

struct Warp {
    unsigned arrived = 0, generation = 0;
    const char* instruction = nullptr;
    void* arguments[32];
    Barrier barrier;
};

/// A location of two bytes of shared memory: the last write, and the reads since.
struct Granule {
    Clock write = 0, read = 0;
    std::uint16_t writer = kNobody, reader = kNobody;
    std::uint32_t readers = 0; // a list of clocks, where there are several
};

struct PhaseBarrier {
    int count = 0, pending = 0;
    long long bytes = 0;
    unsigned completed = 0; // phases
    unsigned engine = kNobody, initialiser = 0;
    Clock initialised = 0;
    bool fenced = false, announced = false;
    Times gathering, released;
};

struct Wgmma {
    WgmmaOperands operands;
    unsigned arrived = 0, group = 0;
    bool executed = false;
    float* d[128] = {};
};

struct Warpgroup {
    unsigned engine = kNobody, first = 0, executed = 0, complete = 0; // number of the first in the list, how many are executed; and issued by all threads
    std::deque<Wgmma> list;
};

struct Load {
    unsigned to, rank, barrier, thread;
    TensorMap map;
    int x, y, z;
};

struct Block {
    Barrier barrier;
    std::vector<Warp> warps;
    std::map<unsigned, Barrier> named;
    std::map<unsigned, PhaseBarrier> phases;
    std::vector<Warpgroup> warpgroups;
    std::vector<Granule> granules;
    std::unique_ptr<unsigned char[]> memory;
    int free_registers = 0;
    unsigned register_events = 0;
    // What others of the cluster, and what they asked for, did here last, and what the threads that have ended knew.
    std::map<unsigned, Clock> visits;
    Times ended;
};

extern std::vector<Fiber> fibers;
extern std::vector<Block> blocks;
extern unsigned fiber;    // the one that runs, or kNobody
extern unsigned threads;  // of a block
extern unsigned launches; // so far
extern unsigned cluster_number;
extern std::vector<std::string> engine_names;
extern std::mt19937 chance;
extern std::deque<Load> loads;
extern std::vector<Store> late_stores;

inline Fiber& self() { return fibers[fiber]; }
inline Block& block() { return blocks[cluster_rank]; }
inline Warp& warp() { return block().warps[thread_index.x / 32]; }
inline unsigned char* memory_of(unsigned rank) { return rank == cluster_rank ? shared : blocks[rank].memory.get(); }
inline bool by_chance() { return mood > 1; }
inline bool early() { return mood == 1 || (by_chance() && chance() % 3 == 0); }

/// Where in the block's own shared memory an address lies; it must be the block's own.
unsigned own(unsigned address);

unsigned new_engine(const std::string& name);
std::string name_of(unsigned doer);

/// The thread's own time goes on: what it does from here on is not what it has shown.
void tick();

/// Lets the others go on until *event is not value.
void wait_until(const unsigned* event, unsigned value, const std::string& what);

/// Release and acquire.
void show(Times& to);
void see(const Times& from);

/// Accesses to shared memory by `doer` at `clock`; what it may see is the thread's.
void on_read(unsigned rank, unsigned address, unsigned bytes, unsigned doer, Clock clock, bool asynchronous);
void on_write(unsigned rank, unsigned address, unsigned bytes, unsigned doer, Clock clock, bool asynchronous);

/// Someone from another block did something to this one's shared memory: the block must know of it before it ends.
void on_visit(unsigned rank, unsigned doer, Clock clock);

/// Accesses to global memory.
void on_global(const void* address, std::size_t bytes, bool write);

/// New shadows for a new cluster.
void forget_readers();

void complete_load(std::size_t number);
void end_thread();
void end_launch();

} // namespace emulated
